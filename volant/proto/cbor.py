"""The wire's CBOR subset (`purecbor.py` describes it) on cbor2, the only importer of cbor2.

cbor2 is hardened in two ways: its options refuse tags, indefinite lengths, duplicate and unhashable keys and deep nesting;
and one pass over the plain value refuses what it has no option for (non-text keys, NaN, simple values). The same pass before
encoding keeps its encoder, which recurses without limit, away from values that would overrun the stack.
"""

from __future__ import annotations

from io import BytesIO
from itertools import chain
from math import isfinite

import cbor2

from volant.proto import purecbor
from volant.proto.errors import MalformedFrame
from volant.proto.purecbor import MAX_DEPTH, NotPlain

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

_SMALL = 128
"""Up to this many bytes the pure decoder is faster, because it needs no second pass (both take about 5 us here)."""

_LEAST, _MOST = -(2**64), 2**64 - 1
_SIMPLE: frozenset[type] = frozenset({str, bytes, bool, type(None)})
"""Types of values that are in the subset whatever they are."""
_SIMPLE_DECODED: frozenset[type] = _SIMPLE | {int}
"""The same of what was decoded: integers outside the range are tags on the wire, and refused as such."""
_TEXT, _MAPS = frozenset({str}), frozenset({dict})


class _NoTags(dict):  # type: ignore[type-arg]
    """Asked by cbor2 for the decoder of each tag, known or not; any error but a LookupError ends the decoding."""

    def __missing__(self, tag: int) -> NoReturn:
        raise ValueError(f"the tag {tag} is not allowed")


_NO_TAGS = _NoTags()


def dumps(value: Any) -> bytes:
    """`value` as one CBOR item. NotPlain when it is outside the subset."""
    problem = _problem_with(value, _SIMPLE)
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
    problem = _problem_with(value, _SIMPLE_DECODED)
    if problem:
        raise MalformedFrame(problem)
    return value


def _are_flat(maps: Iterable[dict[str, Any]], simple: frozenset[type]) -> bool:
    """Whether all keys of these maps are text and all values of simple types: a list of records is looked at in one go."""
    return _TEXT.issuperset(map(type, chain.from_iterable(maps))) and simple.issuperset(
        map(type, chain.from_iterable(map(dict.values, maps)))
    )


def _problem_with(value: Any, simple: frozenset[type], depth: int = MAX_DEPTH) -> str:
    """Why `value` is outside the subset; empty when it is inside. Calls itself only for what is not of a `simple` type."""
    kind = type(value)
    if kind in simple:
        return ""
    if kind is int:
        return "" if _LEAST <= value <= _MOST else "an integer is outside -2**64 .. 2**64-1"
    if kind is float:
        return "" if isfinite(value) else "NaN and infinity are not allowed"
    if kind is not list and kind is not dict and kind is not tuple:
        return f"{value!r:.80} is not allowed: only finite numbers, text, bytes, booleans, null, lists and text-keyed maps are"
    if not depth:
        return f"more than {MAX_DEPTH} lists and maps are inside each other"
    items = value
    if kind is dict:
        if not _TEXT.issuperset(map(type, value)):
            return f"the map key {next(key for key in value if type(key) is not str)!r:.80} is not text"
        items = value.values()
    if simple.issuperset(map(type, items)):  # of most lists and maps; this takes a third of looking at each item
        return ""
    if depth > 1 and _MAPS.issuperset(map(type, items)) and _are_flat(items, simple):
        return ""
    for item in items:
        if type(item) not in simple:
            problem = _problem_with(item, simple, depth - 1)
            if problem:
                return problem
    return ""
