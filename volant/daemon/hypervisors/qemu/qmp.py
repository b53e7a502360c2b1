"""QEMU's monitor protocol (QMP) without any I/O: bytes in, messages out.

A message is one JSON object on a line (QEMU: docs/interop/qmp-spec). QEMU runs a guest that may have taken it over, so its
words are as hostile as the guest's: whatever breaks the form raises `QmpBroken`, and nothing else is raised.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MAX_LINE = 262_144
"""Bytes. What we ask for answers in hundreds; the longest event known is far below this."""


class QmpBroken(Exception):
    """The peer said something that is no QMP; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """The first message; the peer takes no command before capabilities are negotiated."""

    version: str
    """As `7.2.22`."""


@dataclass(frozen=True, slots=True)
class Returned:
    """A command succeeded."""

    id: int
    value: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """A command failed. `id` is None when the peer could not even tell which."""

    id: int | None
    description: str


@dataclass(frozen=True, slots=True)
class Happened:
    """An event."""

    name: str
    data: dict[str, Any]


QmpMessage = Greeting | Returned | Refused | Happened


class QmpReader:
    """Turns the peer's bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[QmpMessage]:
        """The messages that `data` completes; QmpBroken when one is none, or its line is too long."""
        self._buffer += data
        messages: list[QmpMessage] = []
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).strip()
            del self._buffer[: end + 1]
            _check_length(len(line))
            if line:
                messages.append(parse(line))
        _check_length(len(self._buffer))
        return messages


def command(number: int, name: str, arguments: dict[str, Any] | None = None) -> bytes:
    """The bytes of one command; the answer carries `number`."""
    message: dict[str, Any] = {"execute": name, "id": number}
    if arguments:
        message["arguments"] = arguments
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _check_length(length: int) -> None:
    if length > MAX_LINE:
        raise QmpBroken(f"a line of more than {MAX_LINE} bytes")


def parse(line: bytes) -> QmpMessage:
    """One line as a message."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise QmpBroken("a line that is no JSON") from None
    match message:
        case {"QMP": {"version": {"qemu": {"major": int(major), "minor": int(minor), "micro": int(micro)}}}}:
            return Greeting(f"{major}.{minor}.{micro}")
        case {"event": str(name)}:
            data = message.get("data")
            return Happened(name, data if isinstance(data, dict) else {})
        case {"return": value, "id": int(number)}:
            return Returned(number, value)
        case {"error": {"desc": str(description)}}:
            number = message.get("id")
            return Refused(number if isinstance(number, int) else None, description)
    raise QmpBroken("a message of no known kind")
