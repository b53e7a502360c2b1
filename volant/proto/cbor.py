"""The wire's CBOR subset (`purecbor.py` describes it) on cbor2, the only importer of cbor2.

cbor2 is hardened in two ways: its options refuse tags, indefinite lengths, duplicate and unhashable keys and deep nesting;
and one pass over the plain value refuses what it has no option for (non-text keys, NaN, simple values). The same pass before
encoding keeps its encoder, which recurses without limit, away from values that would overrun the stack.
"""

from __future__ import annotations

from io import BytesIO
from math import isfinite
from typing import Any, NoReturn

import cbor2

from volant.proto import purecbor
from volant.proto.errors import MalformedFrame
from volant.proto.purecbor import MAX_DEPTH, NotPlain

_MAX_VALUES = 4 * 1024 * 1024
"""Most values in one item: each takes a byte at least, so more can't be in the largest frame. Bounds the walk over a value
that holds itself twice."""

_SMALL = 128
"""Up to this many bytes the pure decoder is faster, because it needs no second pass (both take about 5 us here)."""

_LEAST, _MOST = -(2**64), 2**64 - 1
_CONTAINERS = frozenset({list, tuple, dict})
_PLAIN = frozenset({str, bytes, int, float, bool, type(None)}) | _CONTAINERS


class _NoTags(dict[int, Any]):
    """Asked by cbor2 for the decoder of each tag, known or not; any error but a LookupError ends the decoding."""

    def __missing__(self, tag: int) -> NoReturn:
        raise ValueError(f"the tag {tag} is not allowed")


_NO_TAGS = _NoTags()


def dumps(value: Any) -> bytes:
    """`value` as one CBOR item. NotPlain when it is outside the subset."""
    problem = _problem_with(value)
    if problem:
        raise NotPlain(problem)
    return cbor2.dumps(value)


def loads(data: bytes) -> Any:
    """The one item that `data` holds. MalformedFrame when it is anything but exactly one item of the subset."""
    if len(data) <= _SMALL:
        return purecbor.loads(data)
    source = BytesIO(data)
    decoder = cbor2.CBORDecoder(
        source,
        semantic_decoders=_NO_TAGS,
        max_depth=MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        strict_hashable_types=True,
        read_size=len(data) or 1,
    )
    try:
        value = decoder.decode()
    except (cbor2.CBORError, ValueError, OverflowError) as error:
        raise MalformedFrame(f"the frame is not one item of the allowed CBOR: {error}") from None
    if source.tell() != len(data):
        raise MalformedFrame(f"{len(data) - source.tell()} bytes follow the frame's item")
    problem = _problem_with(value)
    if problem:
        raise MalformedFrame(problem)
    return value


def _problem_with(value: Any) -> str:
    """Why `value` is outside the subset; empty when it is inside. Goes level by level, so that most of the work is C."""
    level: list[Any] = [value]
    seen = 0
    for _ in range(MAX_DEPTH + 1):
        kinds = set(map(type, level))
        if not kinds <= _PLAIN:
            odd = next(item for item in level if type(item) not in _PLAIN)
            return f"{odd!r:.80} is not allowed: only finite numbers, text, bytes, booleans, null, lists and text-keyed maps are"
        if float in kinds and not all(isfinite(item) for item in level if type(item) is float):
            return "NaN and infinity are not allowed"
        if int in kinds and [item for item in level if type(item) is int and not _LEAST <= item <= _MOST]:
            return "an integer is outside -2**64 .. 2**64-1"
        if kinds.isdisjoint(_CONTAINERS):
            return ""
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                if not set(map(type, item)) <= {str}:
                    return "a map key is not text"
                below += item.values()
            elif kind is list or kind is tuple:
                below += item
            if len(below) > _MAX_VALUES - seen:
                return f"more than {_MAX_VALUES} values are in one item"
        seen += len(below)
        level = below
    return f"more than {MAX_DEPTH} lists and maps are inside each other"
