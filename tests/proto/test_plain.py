"""Typed objects survive the way through plain values, and what does not fit is named by its path."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from volant.proto import cbor
from volant.proto.api.vm import CreateVm, Forward
from volant.proto.errors import InvalidParams
from volant.proto.method import NOUNS, methods_of
from volant.proto.plain import from_plain, to_plain
from volant.proto.specs.states import NetworkMode, VmState


@dataclass(frozen=True, slots=True)
class Inner:
    pair: tuple[int, str]
    state: VmState | None = None


@dataclass(frozen=True, slots=True)
class Outer:
    inners: tuple[Inner, ...]
    names: dict[str, Inner]
    ratio: float
    payload: bytes = b""
    extra: Any = None
    flags: list[bool] = field(default_factory=list)


FULL = Outer((Inner((1, "a"), VmState.READY), Inner((2, "b"))), {"x": Inner((3, "c"))}, 0.5, b"\x00", {"any": [1, None]}, [True])


def test_typed_objects_come_back_equal() -> None:
    assert from_plain(Outer, cbor.loads(cbor.dumps(to_plain(FULL)))) == FULL


def test_a_newer_peers_fields_are_skipped_and_defaults_fill_gaps() -> None:
    assert from_plain(Outer, {"inners": [], "names": {}, "ratio": 1, "unheard": 1}) == Outer((), {}, 1.0)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"ratio": "1"}, "ratio"),
        ({"ratio": True}, "ratio"),
        ({"inners": {}}, "inners"),
        ({"inners": [{"pair": [1, "a"], "state": "flying"}]}, "inners[0].state"),
        ({"inners": [{"pair": [1]}]}, "inners[0].pair"),
        ({"names": {"x": {"pair": ["1", "a"]}}}, "names.x.pair[0]"),
        ({"flags": [1]}, "flags[0]"),
        ({"payload": "text"}, "payload"),
        ({"names": None}, "names"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        from_plain(Outer, to_plain(FULL) | change)
    assert caught.value.data["problems"][0]["path"] == path


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InvalidParams, match=r"inners\[0\]\.pair is missing") as caught:
        from_plain(Outer, to_plain(FULL) | {"inners": [{}]})
    assert caught.value.data["problems"][0]["path"] == "inners[0].pair"


@pytest.mark.parametrize("value", [Path("/x"), {1: 2}, object()], ids=["path", "map of numbers", "object"])
def test_what_has_no_plain_form_is_our_own_error(value: Any) -> None:
    with pytest.raises(TypeError):
        to_plain(value)


def test_it_agrees_with_the_daemons_reader() -> None:
    asked = CreateVm(name="a", plugin="b", network=NetworkMode.USER, forwards=(Forward(80),), labels={"k": "v"})
    assert msgspec.convert(to_plain(asked), CreateVm) == from_plain(CreateVm, to_plain(asked)) == asked


@pytest.mark.parametrize("noun", [*NOUNS, "guest"])
def test_every_declared_type_can_be_read(noun: str) -> None:
    for method in methods_of(noun).values():
        for kind in (method.params, method.result, method.item):
            if kind is not None:
                with pytest.raises(InvalidParams):
                    from_plain(kind, 1)
