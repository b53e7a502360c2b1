"""Reading a call's parameters out of plain maps.

The declarations in `proto/api/guest.py` are not imported here: their dataclasses cost 130 ms in an emulated guest. A test
holds every name and default used by the handlers against them.
"""

from __future__ import annotations

from typing import Any

from volant.proto.errors import InvalidParams


class Params:
    """A call's parameters, each checked when it is read."""

    def __init__(self, plain: dict[str, Any]) -> None:
        self._plain = plain

    def text(self, name: str, default: str | None = None) -> str:
        value = self._plain.get(name, default)
        if type(value) is not str:
            raise _wrong(name, "text", value)
        return value

    def number(self, name: str, default: int | None = None, *, least: int = 0, most: int = 2**63 - 1) -> int:
        value = self._plain.get(name, default)
        if type(value) is not int or not least <= value <= most:
            raise _wrong(name, f"a whole number from {least} to {most}", value)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._plain.get(name, default)
        if type(value) is not bool:
            raise _wrong(name, "true or false", value)
        return value

    def data(self, name: str) -> bytes:
        value = self._plain.get(name, b"")
        if type(value) is not bytes:
            raise _wrong(name, "bytes", value)
        return value

    def words(self, name: str) -> tuple[str, ...]:
        value = self._plain.get(name)
        if type(value) is not list or not all(type(word) is str for word in value):
            raise _wrong(name, "a list of texts", value)
        return tuple(value)

    def texts(self, name: str) -> dict[str, str]:
        value = self._plain.get(name, {})
        if type(value) is not dict or not all(type(item) is str for item in value.values()):
            raise _wrong(name, "a map of texts", value)
        return value

    def pairs(self, name: str) -> list[tuple[str, str]]:
        value = self._plain.get(name, [])
        if type(value) is not list or not all(type(pair) is list and [type(part) for part in pair] == [str, str] for pair in value):
            raise _wrong(name, "a list of pairs of texts", value)
        return [(pair[0], pair[1]) for pair in value]


def _wrong(name: str, expected: str, value: object) -> InvalidParams:
    sentence = f"{name} must be {expected}, not {value!r:.60}" if value is not None else f"{name} is missing"
    return InvalidParams(sentence, problems=[{"path": name, "message": sentence}])
