"""What a peer said, as frozen objects named for what happened, and the hello that opens every connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from volant.proto.errors import Fault, MalformedFrame, VersionMismatch

PROTOCOL = (1, 1)
"""Oldest and newest protocol that this code speaks."""

MAX_HELLO_WORDS = 64
"""Most features in a hello, and most characters in each of its words: a version or a feature name is a short word."""


class Kind(IntEnum):
    """First element of every message array."""

    HELLO = 0
    CALL = 1
    REPLY = 2
    FAULT = 3
    ITEM = 4
    END = 5
    DATA = 6
    CREDIT = 7
    CANCEL = 8


@dataclass(frozen=True, slots=True)
class Hello:
    """How each side opens. `role` is client, daemon or agent; both sides then speak the newest protocol they share."""

    role: str
    version: str
    features: tuple[str, ...] = ()
    protocol: tuple[int, int] = PROTOCOL

    def to_wire(self) -> dict[str, Any]:
        return {"protocol": list(self.protocol), "version": self.version, "features": list(self.features), "role": self.role}

    @staticmethod
    def from_wire(wire: dict[str, Any]) -> Hello:
        """MalformedFrame when a field is missing or absurd. Fields we don't know are a newer peer's, and skipped."""
        protocol, features = wire.get("protocol"), wire.get("features")
        if type(protocol) is not list or [type(number) for number in protocol] != [int, int] or not 0 < protocol[0] <= protocol[1]:
            raise MalformedFrame("the hello's protocol is not a range of two whole numbers")
        if type(features) is not list or len(features) > MAX_HELLO_WORDS:
            raise MalformedFrame(f"the hello's features are not a list of at most {MAX_HELLO_WORDS}")
        words = [wire.get("role"), wire.get("version"), *features]
        if not all(type(word) is str and len(word) <= MAX_HELLO_WORDS for word in words):
            raise MalformedFrame(f"the hello's role, version or a feature is not text of at most {MAX_HELLO_WORDS} characters")
        return Hello(words[0], words[1], tuple(features), (protocol[0], protocol[1]))

    def agree(self, peer: Hello) -> int:
        """The newest protocol that both speak, or VersionMismatch."""
        newest = min(self.protocol[1], peer.protocol[1])
        if newest < max(self.protocol[0], peer.protocol[0]):
            raise VersionMismatch(
                f"this side speaks protocol {_range(self)} (version {self.version}), the other {_range(peer)} (version {peer.version})",
                hint="bring client and daemon to the same version",
            )
        return newest


def _range(hello: Hello) -> str:
    low, high = hello.protocol
    return str(low) if low == high else f"{low} to {high}"


@dataclass(frozen=True, slots=True)
class HelloReceived:
    hello: Hello


@dataclass(frozen=True, slots=True)
class CallReceived:
    id: int
    method: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A call beyond MAX_OPEN_CALLS: answer it with this fault; the connection goes on."""

    id: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    id: int
    result: Any


@dataclass(frozen=True, slots=True)
class FaultReceived:
    id: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class ItemReceived:
    id: int
    item: Any


@dataclass(frozen=True, slots=True)
class DataReceived:
    id: int
    channel: int
    data: bytes


@dataclass(frozen=True, slots=True)
class EndReceived:
    """The peer sends no more on this channel."""

    id: int
    channel: int


@dataclass(frozen=True, slots=True)
class CreditReceived:
    """We may send `n` bytes more on this channel."""

    id: int
    channel: int
    n: int


@dataclass(frozen=True, slots=True)
class CancelReceived:
    id: int


@dataclass(frozen=True, slots=True)
class ClosedByPeer:
    """The peer closes the connection, and says why (a fault for call 0)."""

    fault: Fault


Message = (
    HelloReceived
    | CallReceived
    | CallRefused
    | ReplyReceived
    | FaultReceived
    | ItemReceived
    | DataReceived
    | EndReceived
    | CreditReceived
    | CancelReceived
    | ClosedByPeer
)
