"""Both codecs speak exactly the same subset of CBOR, and refuse everything else with the same fault."""

from __future__ import annotations

import math
import tracemalloc
from types import ModuleType
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.proto import cbor, purecbor
from volant.proto.errors import MalformedFrame
from volant.proto.frames import MAX_FRAME_TO_DAEMON
from volant.proto.purecbor import MAX_DEPTH, NotPlain

CODECS = pytest.mark.parametrize("codec", [cbor, purecbor], ids=["cbor2", "pure"])

_scalars = (
    st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.booleans()
    | st.none()
)
plain_values = st.recursive(
    _scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
)


@given(plain_values)
def test_both_encode_alike_and_read_what_the_other_wrote(value: Any) -> None:
    encoded = cbor.dumps(value)
    assert purecbor.dumps(value) == encoded
    assert cbor.loads(encoded) == purecbor.loads(encoded) == value


def _outcome(codec: ModuleType, data: bytes) -> Any:
    try:
        return ("value", repr(codec.loads(data)))
    except MalformedFrame as fault:
        return fault.code


@given(plain_values, st.data())
def test_both_judge_mutated_bytes_alike(value: Any, data: st.DataObject) -> None:
    # Padded past the size below which cbor delegates to the pure decoder, so that cbor2 is really asked.
    encoded = bytearray(cbor.dumps([value, b"." * 200]))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    assert _outcome(cbor, bytes(encoded)) == _outcome(purecbor, bytes(encoded))


@given(st.binary(max_size=40))
def test_both_judge_random_bytes_alike(data: bytes) -> None:
    padded = b"\x82" + data + cbor2.dumps(b"." * 200)
    assert _outcome(cbor, padded) == _outcome(purecbor, padded)


REFUSED = {
    "nothing": b"",
    "cut short": b"\x82\x01",
    "trailing bytes": b"\x01\x02",
    "a tag": b"\xc1\x00",
    "an unknown tag": b"\xd9\xff\xff\x00",
    "a bignum": b"\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00",
    "shared references": b"\xd8\x1c\x81\xd8\x1d\x00",
    "a duplicate key": b"\xa2\x61a\x01\x61a\x02",
    "a number as key": b"\xa1\x01\x02",
    "bytes as key": b"\xa1\x41a\x02",
    "null as key": b"\xa1\xf6\x02",
    "NaN, half": b"\xf9\x7e\x00",
    "NaN, double": b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    "infinity": b"\xf9\x7c\x00",
    "undefined": b"\xf7",
    "a simple value": b"\xe5",
    "a simple value of two bytes": b"\xf8\xff",
    "an indefinite array": b"\x9f\x01\xff",
    "an indefinite map": b"\xbf\x61a\x01\xff",
    "an indefinite string": b"\x7f\x61a\xff",
    "a break": b"\xff",
    "a reserved length": b"\x1c",
    "text that is not UTF-8": b"\x62\xc3\x28",
    "a surrogate": b"\x63\xed\xa0\x80",
    "an array of 2**64 items": b"\x9b" + b"\xff" * 8,
    "a map of 2**63 pairs": b"\xbb\x80" + b"\x00" * 7,
    "bytes of 2**62 bytes": b"\x5b\x40" + b"\x00" * 7,
    "33 arrays": b"\x81" * 33 + b"\x01",
    "33 maps": b"\xa1\x61a" * 33 + b"\x01",
    "32 arrays and a map": b"\x81" * 32 + b"\xa1\x61a\x01",
    "a number as key in one of several maps": b"\x82\xa1\x61a\x01\xa1\x01\x02",
    "NaN in one of several maps": b"\x82\xa1\x61a\x01\xa1\x61a\xf9\x7e\x00",
    "undefined in one of several maps": b"\x82\xa1\x61a\x01\xa1\x61a\xf7",
    "100,000 arrays": b"\x81" * 100_000 + b"\x01",
}


@CODECS
@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("padding", [0, 300], ids=["alone", "among more"])
def test_what_is_outside_the_subset_is_refused_by_name(codec: ModuleType, data: bytes, padding: int) -> None:
    with pytest.raises(MalformedFrame):
        codec.loads(b"\x82" + cbor2.dumps(b"." * padding) + data if padding else data)


@CODECS
@pytest.mark.parametrize("innermost", [[1], {"a": 1}], ids=["list", "map"])
def test_exactly_the_stated_depth_is_read_and_written(codec: ModuleType, innermost: Any) -> None:
    value = innermost
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert codec.loads(codec.dumps(value)) == value
    with pytest.raises(NotPlain):
        codec.dumps([value])


@CODECS
@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        {1: 2},
        {b"a": 1},
        2**64,
        -(2**64) - 1,
        object(),
        {1, 2},
        "\ud800",
        [bytearray(b"x")],
        [[[math.nan]]],
        [{"a": 1}, {1: 1}],
        [{"a": 1}, {"a": math.nan}],
        [{"a": 1}, {"a": 2**64}],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_could_not_be_read_is_not_written(codec: ModuleType, value: Any) -> None:
    with pytest.raises(ValueError):
        codec.dumps(value)


@CODECS
def test_absurd_nesting_is_an_error_and_no_crash(codec: ModuleType) -> None:
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    itself: list[Any] = []
    itself += [itself, itself]
    for value in (deep, itself):
        with pytest.raises(NotPlain):
            codec.dumps(value)
    while deep:
        deep = deep.pop()  # taken apart step by step: the interpreter's own clean-up recurses


@CODECS
def test_the_worst_frame_stays_within_the_stated_memory(codec: ModuleType) -> None:
    """25 MiB for a frame of MAX_FRAME_TO_DAEMON, as frames.py says."""
    worst = b"\x9a" + (MAX_FRAME_TO_DAEMON - 5).to_bytes(4, "big") + b"\xa0" * (MAX_FRAME_TO_DAEMON - 5)
    tracemalloc.start()
    try:
        codec.loads(worst)
        assert tracemalloc.get_traced_memory()[1] < 25 * 2**20
    finally:
        tracemalloc.stop()
