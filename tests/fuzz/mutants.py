"""Values and bytes as a hostile or broken peer would send them: right ones that were changed, and wrong ones from the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from volant.proto import cbor
from volant.proto.frames import encode_frame
from volant.proto.purecbor import NotPlain

Draw = Callable[[st.SearchStrategy[Any]], Any]

INTEGERS = st.sampled_from([0, 1, 2, -1, 255, 2**31, 2**53 - 1, 2**53, 2**63 - 1, 2**64 - 1, -(2**63), -(2**64)]) | st.integers(-3, 9)
"""Edges, and few numbers between them: nobody is asked for thousands of anything."""
TEXTS = st.sampled_from(["", " ", "0", "-1", "null", "\x00", "\x1b[2J", "\n", "../..", "/", "a=b", "é\u202e😀", "x" * 300]) | st.text(
    max_size=12
)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS | st.binary(max_size=16)
PLAIN = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=10)
"""Whatever can travel."""

Words = dict[str, st.SearchStrategy[Any]]
"""By the name of a field: values that make sense there, so that more than the first check is met."""


def declared(kind: Any, words: Words) -> st.SearchStrategy[Any]:
    """Plain values that fit a declared type of the contract."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return PLAIN
    if origin in (Union, UnionType):
        return st.one_of([st.none() if part is type(None) else declared(part, words) for part in arguments])
    if origin is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis):
        return st.tuples(*(declared(part, words) for part in arguments)).map(list)
    if origin in (tuple, list):
        return st.lists(declared(arguments[0], words), max_size=3)
    if origin is dict:
        return st.dictionaries(TEXTS, declared(arguments[1], words), max_size=3)
    if isinstance(kind, type) and is_dataclass(kind):
        return _record(kind, words)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from([member.value for member in kind])
    return _SCALARS[kind]


_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS, int: INTEGERS, float: st.floats(allow_nan=False, allow_infinity=False), bool: st.booleans(), bytes: st.binary(max_size=64),
    type(None): st.none(),
}  # fmt: skip


def _record(kind: Any, words: Words) -> st.SearchStrategy[dict[str, Any]]:
    hints = get_type_hints(kind)
    made = {field.name: words[field.name] if field.name in words else declared(hints[field.name], words) for field in fields(kind)}
    required = {field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING}
    return st.fixed_dictionaries(
        {name: values for name, values in made.items() if name in required},
        optional={name: values for name, values in made.items() if name not in required},
    )


@st.composite
def mutants(draw: Draw, originals: st.SearchStrategy[Any], most: int = 3) -> Any:
    """A value with at most so many places of it changed."""
    value = draw(originals)
    for _ in range(draw(st.integers(0, most))):
        value = _changed(draw, value)
    return value


def _changed(draw: Draw, value: Any) -> Any:
    """The value with one change, here or somewhere inside."""
    if not isinstance(value, list | dict) or not value or not draw(st.integers(0, 2)):
        return draw(_instead_of(value))
    at = draw(st.sampled_from(range(len(value)) if isinstance(value, list) else list(value)))
    how = draw(st.sampled_from(["change", "change", "drop", "add"]))
    copy = value.copy()
    if how == "drop":
        del copy[at]
    elif how == "change":
        copy[at] = _changed(draw, value[at])
    elif isinstance(copy, list):
        copy.insert(at + draw(st.integers(0, 1)), draw(st.just(value[at]) | PLAIN))
    else:
        copy[draw(TEXTS)] = draw(PLAIN)
    return copy


def _instead_of(value: Any) -> st.SearchStrategy[Any]:
    if type(value) is int:
        return st.sampled_from([value - 1, value + 1, -value]).filter(lambda near: -(2**64) <= near < 2**64) | PLAIN
    return PLAIN


def framed(message: Any) -> bytes:
    """The frame of a message; of an empty one where it was changed into what can't travel."""
    try:
        return encode_frame(cbor.dumps(message))
    except NotPlain:
        return encode_frame(b"")


@st.composite
def damaged(draw: Draw, originals: st.SearchStrategy[bytes], most: int = 3) -> bytes:
    """Bytes of which up to so many stretches were overwritten, taken out, doubled or put in."""
    data = bytearray(draw(originals))
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        how = draw(st.sampled_from(["overwrite", "cut", "double", "flip"]))
        if how == "flip" and start < len(data):
            data[start] ^= 1 << draw(st.integers(0, 7))
        elif how == "double":
            data[end:end] = data[start:end]
        else:
            data[start:end] = b"" if how == "cut" else draw(st.binary(max_size=12))
    return bytes(data)


@st.composite
def cut(draw: Draw, streams: st.SearchStrategy[bytes], most: int = 4) -> list[bytes]:
    """A stream in up to so many pieces and one more, as it may arrive."""
    data = draw(streams)
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=most)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
