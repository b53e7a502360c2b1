"""Between the contract's dataclasses and plain values, with the standard library alone: what client and agent use.

`to_plain` goes by what a value is; `from_plain` by what a type declares, and checks on the way. How each type is read is worked
out once and kept. The daemon reads parameters with msgspec instead, which is faster and stricter about nothing that matters here.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from volant.proto.errors import InvalidParams

T = TypeVar("T")

_Reader = Callable[[Any, str], Any]
"""Takes a plain value and the path to it, returns the typed value or raises InvalidParams."""

_SCALARS = frozenset({str, int, float, bool, bytes, type(None)})
_field_names: dict[type, tuple[str, ...]] = {}
_readers: dict[Any, _Reader] = {}


def to_plain(value: Any) -> Any:
    """`value` as the wire carries it: dataclasses become maps, enums their values, tuples and sets lists.

    TypeError for anything that is none of these: a path or a date has no one plain form.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    names = _field_names.get(kind)
    if names is not None:
        plain = {}
        for name in names:
            item = getattr(value, name)
            plain[name] = item if type(item) in _SCALARS else to_plain(item)
        return plain
    if kind is dict:
        return {
            (key if type(key) is str else _key(key)): (item if type(item) in _SCALARS else to_plain(item)) for key, item in value.items()
        }
    if kind is tuple or kind is list:
        return [item if type(item) in _SCALARS else to_plain(item) for item in value]
    if isinstance(value, Enum):
        return to_plain(value.value)
    if is_dataclass(kind):
        _field_names[kind] = tuple(field.name for field in fields(kind))
        return to_plain(value)
    if isinstance(value, frozenset | set):
        return [to_plain(item) for item in sorted(value)]
    raise TypeError(f"{kind.__name__} has no plain form")


def from_plain(kind: type[T], plain: Any) -> T:
    """`plain` as a `kind`. InvalidParams names the path of the first value that does not fit.

    A map may lack fields that have defaults, and may hold more than we know: a newer peer adds fields.
    """
    typed: T = _reader(kind)(plain, "")
    return typed


def _key(key: Any) -> str:
    plain = key.value if isinstance(key, Enum) else key
    if isinstance(plain, str):
        return str(plain)
    raise TypeError(f"the map key {key!r} is not text")


def _wrong(path: str, expected: str, plain: Any) -> InvalidParams:
    where = path or "the value"
    found = "null" if plain is None else f"{type(plain).__name__} {plain!r:.60}"
    sentence = f"{where} must be {expected}, not {found}"
    return InvalidParams(sentence, hint="see `--help` of the command, or docs/volant.cddl", problems=[{"path": path, "message": sentence}])


def _reader(kind: Any) -> _Reader:
    reader = _readers.get(kind)
    if reader is None:
        reader = _readers[kind] = _make_reader(kind)
    return reader


def _make_reader(kind: Any) -> _Reader:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda plain, path: plain
    if origin is Union or origin is types.UnionType:
        return _optional(arguments)
    if origin is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis):
        return _fixed_tuple(arguments)
    if origin is tuple or origin is list:
        return _sequence(origin, arguments[0])
    if origin is dict:
        return _mapping(arguments[1])
    if isinstance(kind, type) and is_dataclass(kind):
        return _record(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice(kind)
    if kind in _SCALARS:
        return _scalar(kind)
    raise TypeError(f"{kind!r} can't be declared for the wire")


def _scalar(kind: type) -> _Reader:
    expected = {str: "text", int: "a whole number", float: "a number", bool: "true or false", bytes: "bytes"}.get(kind, "null")

    def read(plain: Any, path: str) -> Any:
        if type(plain) is kind:
            return plain
        if kind is float and type(plain) is int:
            return float(plain)
        raise _wrong(path, expected, plain)

    return read


def _choice(kind: type[Enum]) -> _Reader:
    members = {member.value: member for member in kind}
    expected = "one of " + ", ".join(map(str, members))

    def read(plain: Any, path: str) -> Enum:
        member = members.get(plain) if type(plain) in (str, int) else None
        if member is None:
            raise _wrong(path, expected, plain)
        return member

    return read


def _optional(arguments: tuple[Any, ...]) -> _Reader:
    """A declared `X | None`; the contract has no other unions."""
    wanted = [argument for argument in arguments if argument is not type(None)]
    if len(wanted) != 1:
        raise TypeError("only unions with None can be declared for the wire")
    inner = _reader(wanted[0])
    return lambda plain, path: None if plain is None else inner(plain, path)


def _fixed_tuple(arguments: tuple[Any, ...]) -> _Reader:
    inner = [_reader(argument) for argument in arguments]

    def read(plain: Any, path: str) -> tuple[Any, ...]:
        if type(plain) is not list or len(plain) != len(inner):
            raise _wrong(path, f"a list of {len(inner)}", plain)
        return tuple(reader(item, f"{path}[{index}]") for index, (reader, item) in enumerate(zip(inner, plain, strict=True)))

    return read


def _sequence(origin: type, argument: Any) -> _Reader:
    inner = _reader(argument)

    def read(plain: Any, path: str) -> Any:
        if type(plain) is not list:
            raise _wrong(path, "a list", plain)
        return origin([inner(item, f"{path}[{index}]") for index, item in enumerate(plain)])

    return read


def _mapping(argument: Any) -> _Reader:
    inner = _reader(argument)

    def read(plain: Any, path: str) -> dict[str, Any]:
        if type(plain) is not dict:
            raise _wrong(path, "a map", plain)
        return {key: inner(item, f"{path}.{key}" if path else key) for key, item in plain.items()}

    return read


def _record(kind: type) -> _Reader:
    hints = get_type_hints(kind)
    known = [
        (item.name, _reader(hints[item.name]), item.default is MISSING and item.default_factory is MISSING, hints[item.name])
        for item in fields(kind)
    ]

    def read(plain: Any, path: str) -> Any:
        if type(plain) is not dict:
            raise _wrong(path, "a map", plain)
        values = {}
        for name, reader, required, declared in known:
            if name in plain:
                item = plain[name]
                # Most fields are scalars of just the declared type; the reader is only asked about the others.
                values[name] = item if type(item) is declared else reader(item, f"{path}.{name}" if path else name)
            elif required:
                where = f"{path}.{name}" if path else name
                sentence = f"{where} is missing"
                raise InvalidParams(sentence, hint="see docs/volant.cddl for the fields", problems=[{"path": where, "message": sentence}])
        return kind(**values)

    return read
