"""The test vectors: frames in hex with what they mean, for implementations in any language.

    python -m tests.vectors.make

`messages.json`: frames that every implementation must write and read so. `refused.json`: what a server that has had a hello must
refuse, with the code of the fault: `stream`, then `repeated` so many `times`. `hello` is false where they come first thing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volant.proto import cbor
from volant.proto.connection import INITIAL_CREDIT, MAX_CHANNELS, MAX_CREDIT, MAX_DATA
from volant.proto.frames import MAX_FRAME_TO_DAEMON, encode_frame

COMMAND = "python -m tests.vectors.make"
FOLDER = Path(__file__).parent
_HELLO = {"protocol": [1, 1], "version": "0.1.0", "features": [], "role": "client"}
_FAULT = {
    "code": "not_found.vm",
    "message": "there is no VM named 'web'",
    "hint": "`volant vm list` shows the VMs",
    "data": {"name": "web"},
}


@dataclass(frozen=True, slots=True)
class Said:
    """One message and its frame."""

    name: str
    message: Any

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "frame": encode_frame(cbor.dumps(self.message)).hex(), "message": _shown(self.message)}


@dataclass(frozen=True, slots=True)
class Refused:
    """Bytes that break the rules: `stream`, then `repeated` so many `times`."""

    name: str
    stream: bytes
    code: str
    hello: bool = True
    repeated: bytes = b""
    times: int = 0

    def to_json(self) -> dict[str, Any]:
        stream = {"stream": self.stream.hex(), "repeated": self.repeated.hex(), "times": self.times}
        return {"name": self.name, **stream, "code": self.code, "hello": self.hello}

    @property
    def whole(self) -> bytes:
        return self.stream + self.repeated * self.times


def _shown(value: Any) -> Any:
    """As JSON, where bytes are `{"bytes": base64}`."""
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    return value


MESSAGES = (
    Said("hello of a client", [0, _HELLO]),
    Said("hello with features", [0, _HELLO | {"protocol": [1, 3], "features": ["a", "b"], "role": "daemon"}]),
    Said("call without parameters", [1, 1, "system.ping", {}]),
    Said("call with parameters", [1, 2, "vm.create", {"name": "web", "plugin": "hello", "labels": {"a": "ä€😀"}, "cpu_cores": 2}]),
    Said("call with the largest id", [1, 2**53 - 1, "vm.list", {}]),
    Said("reply", [2, 1, {"time": "2026-01-02T03:04:05.678+00:00"}]),
    Said("reply of nothing", [2, 1, None]),
    Said("reply of every kind of value", [2, 23, [0, 23, 24, 255, 256, 65_535, 65_536, 2**32, 2**64 - 1, -1, -24, -25, -(2**64), 1.5, -0.0,
                                                 1e300, "", "text", b"", b"\x00\xff", True, False, None, [], {}, {"": [[{"k": {}}]]}]]),
    Said("reply of long values", [2, 256, ["x" * 24, "y" * 256, b"z" * 300, list(range(30))]]),
    Said("fault", [3, 1, _FAULT]),
    Said("farewell", [3, 0, {"code": "protocol.order", "message": "a second hello came", "hint": "", "data": {}}]),
    Said("item", [4, 1, {"seq": 7, "kind": "VM_READY"}]),
    Said("end of a channel", [5, 1, 0]),
    Said("data", [6, 1, 1, b"\x1b[0mhello\r\n"]),
    Said("credit", [7, 1, 1, 65_536]),
    Said("most credit", [7, 1, 3, MAX_CREDIT]),
    Said("cancel", [8, 1]),
)  # fmt: skip


def _stream(*messages: Any) -> bytes:
    return b"".join(encode_frame(cbor.dumps(message)) for message in messages)


_OPEN = [1, 1, "vm.exec", {}]
REFUSED = (
    Refused("a frame larger than the daemon takes", (MAX_FRAME_TO_DAEMON + 1).to_bytes(4, "big"), "protocol.frame_too_large"),
    Refused("an empty frame", encode_frame(b""), "protocol.malformed"),
    Refused("an item cut short", encode_frame(b"\x82\x08"), "protocol.malformed"),
    Refused("bytes after the item", encode_frame(b"\x82\x08\x01\x00"), "protocol.malformed"),
    Refused("a tag", encode_frame(b"\x82\x08\xc1\x01"), "protocol.malformed"),
    Refused("a key twice", encode_frame(b"\x84\x01\x01\x61a\xa2\x61k\x01\x61k\x02"), "protocol.malformed"),
    Refused("a key that is a number", encode_frame(b"\x84\x01\x01\x61a\xa1\x01\x02"), "protocol.malformed"),
    Refused("a key that is bytes", encode_frame(b"\x84\x01\x01\x61a\xa1\x41k\x02"), "protocol.malformed"),
    Refused("NaN", encode_frame(b"\x84\x01\x01\x61a\xa1\x61k\xf9\x7e\x00"), "protocol.malformed"),
    Refused("infinity", encode_frame(b"\x84\x01\x01\x61a\xa1\x61k\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00"), "protocol.malformed"),
    Refused("undefined", encode_frame(b"\x84\x01\x01\x61a\xa1\x61k\xf7"), "protocol.malformed"),
    Refused("an indefinite length", encode_frame(b"\x9f\x08\x01\xff"), "protocol.malformed"),
    Refused("text that is not UTF-8", encode_frame(b"\x84\x01\x01\x62\xc3\x28\xa0"), "protocol.malformed"),
    Refused("33 lists inside each other", encode_frame(b"\x81" * 33 + b"\x00"), "protocol.malformed"),
    Refused("no list", _stream({"a": 1}), "protocol.malformed"),
    Refused("an unknown kind", _stream([9, 1]), "protocol.malformed"),
    Refused("a field too few", _stream([1, 1, "vm.get"]), "protocol.malformed"),
    Refused("a field too many", _stream([8, 1, 1]), "protocol.malformed"),
    Refused("an id that is true", _stream([1, True, "vm.get", {}]), "protocol.malformed"),
    Refused("a call before the hello", _stream([1, 1, "vm.get", {}]), "protocol.order", hello=False),
    Refused("a hello of another protocol", _stream([0, _HELLO | {"protocol": [2, 3]}]), "protocol.version", hello=False),
    Refused("a second hello", _stream([0, _HELLO]), "protocol.order"),
    Refused("call 0", _stream([1, 0, "vm.get", {}]), "protocol.order"),
    Refused("a call id twice", _stream([1, 1, "vm.get", {}], [1, 1, "vm.get", {}]), "protocol.order"),
    Refused("a reply to nobody", _stream([2, 1, None]), "protocol.order"),
    Refused("an item from a client", _stream(_OPEN, [4, 1, None]), "protocol.order"),
    Refused("data for a call that never was", _stream([6, 1, 0, b"x"]), "protocol.order"),
    Refused("data on a channel that cannot be", _stream(_OPEN, [6, 1, MAX_CHANNELS, b"x"]), "protocol.order"),
    Refused("data after the end", _stream(_OPEN, [5, 1, 0], [6, 1, 0, b"x"]), "protocol.order"),
    Refused("no bytes of data", _stream(_OPEN, [6, 1, 0, b""]), "protocol.malformed"),
    Refused("too much data at once", _stream(_OPEN) + _stream([6, 1, 0, b"x" * (MAX_DATA + 1)])[: -MAX_DATA], "protocol.malformed",
            repeated=b"x", times=MAX_DATA),
    Refused("data beyond the credit", _stream(_OPEN), "protocol.credit", repeated=_stream([6, 1, 0, b"x" * 1_024]),
            times=INITIAL_CREDIT // 1_024 + 1),
    Refused("too much credit", _stream(_OPEN, [7, 1, 1, MAX_CREDIT]), "protocol.credit"),
    Refused("no credit", _stream(_OPEN, [7, 1, 1, 0]), "protocol.credit"),
)  # fmt: skip


def render() -> dict[str, str]:
    """The files' contents by name."""
    found: dict[str, tuple[Said | Refused, ...]] = {"messages.json": MESSAGES, "refused.json": REFUSED}
    return {name: json.dumps([case.to_json() for case in cases], indent=1, ensure_ascii=True) + "\n" for name, cases in found.items()}


if __name__ == "__main__":
    for name, text in render().items():
        (FOLDER / name).write_text(text)
