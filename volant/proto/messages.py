"""What a peer said, as frozen objects named for what happened, and the hello that opens every connection."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

from volant.proto.errors import Fault, MalformedFrame, VersionMismatch
from volant.proto.frames import limited_frame
from volant.proto.purecbor import unsigned

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

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


class _Said:
    """Base of what a peer said: equal when all fields are. Made once per message and never changed.

    Written by hand: a dataclass takes half a millisecond to define, which every `volant` command and every guest's boot would pay
    eleven times.
    """

    __slots__: tuple[str, ...] = ()

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Said) and type(other) is type(self) and self._fields() == other._fields()

    __hash__ = None  # type: ignore[assignment]  # some hold maps

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r:.200}' for name in self.__slots__)})"


READ_ONLY = "read-only"
"""A feature of hellos. A client that has it wants to change nothing on this connection, and a daemon that has it holds it to that."""
PACKED = "packed"
"""A feature of a daemon's hello: `vm.watch` sends records that are still encoded to who asks so."""


class Hello(_Said):
    """How each side opens. `role` is client, daemon or agent; both sides then speak the newest protocol they share."""

    __slots__ = ("features", "protocol", "role", "version")

    def __init__(self, role: str, version: str, features: tuple[str, ...] = (), protocol: tuple[int, int] = PROTOCOL) -> None:
        self.role = role
        self.version = version
        self.features = features
        self.protocol = protocol

    def to_wire(self) -> dict[str, Any]:
        return {"protocol": list(self.protocol), "version": self.version, "features": list(self.features), "role": self.role}

    @staticmethod
    def from_wire(wire: dict[str, Any]) -> Hello:
        """MalformedFrame when a field is missing or absurd. Fields we don't know are a newer peer's, and skipped."""
        protocol, features = wire.get("protocol"), wire.get("features")
        if type(protocol) is not list or [type(number) for number in protocol] != [int, int] or not 0 <= protocol[0] <= protocol[1]:
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
            raise VersionMismatch(f"{_spoken(self)}, {_spoken(peer)}: they share none", hint=_remedy(self, peer))
        return newest


_ROLES = {"client": "the client", "daemon": "volantd", "agent": "the VM's agent"}


def _spoken(hello: Hello) -> str:
    low, high = hello.protocol
    spoken = str(low) if low == high else f"{low} to {high}"
    return f"{_ROLES.get(hello.role, 'the other side')} (version {hello.version}) speaks protocol {spoken}"


def _remedy(ours: Hello, theirs: Hello) -> str:
    if "agent" in (ours.role, theirs.role):
        return "restart the VM: it then boots with this volantd's agent"
    older, newer = sorted((ours, theirs), key=lambda hello: hello.protocol[1])
    restart = " and restart it; the VMs go on" if older.role == "daemon" else ""
    return f"upgrade {_ROLES.get(older.role, 'the older side')} to version {newer.version}{restart}"


class HelloReceived(_Said):
    __slots__ = ("hello",)

    def __init__(self, hello: Hello) -> None:
        self.hello = hello


class CallReceived(_Said):
    __slots__ = ("id", "method", "params")

    def __init__(self, id: int, method: str, params: dict[str, Any]) -> None:
        self.id = id
        self.method = method
        self.params = params


class CallRefused(_Said):
    """A call beyond MAX_OPEN_CALLS: answer it with this fault; the connection goes on."""

    __slots__ = ("fault", "id")

    def __init__(self, id: int, fault: Fault) -> None:
        self.id = id
        self.fault = fault


class ReplyReceived(_Said):
    __slots__ = ("id", "result")

    def __init__(self, id: int, result: Any) -> None:
        self.id = id
        self.result = result


class FaultReceived(_Said):
    __slots__ = ("fault", "id")

    def __init__(self, id: int, fault: Fault) -> None:
        self.id = id
        self.fault = fault


class ItemReceived(_Said):
    __slots__ = ("id", "item")

    def __init__(self, id: int, item: Any) -> None:
        self.id = id
        self.item = item


class DataReceived(_Said):
    __slots__ = ("channel", "data", "id")

    def __init__(self, id: int, channel: int, data: bytes) -> None:
        self.id = id
        self.channel = channel
        self.data = data


class EndReceived(_Said):
    """The peer sends no more on this channel."""

    __slots__ = ("channel", "id")

    def __init__(self, id: int, channel: int) -> None:
        self.id = id
        self.channel = channel


class CreditReceived(_Said):
    """We may send `n` bytes more on this channel."""

    __slots__ = ("channel", "id", "n")

    def __init__(self, id: int, channel: int, n: int) -> None:
        self.id = id
        self.channel = channel
        self.n = n


class CancelReceived(_Said):
    __slots__ = ("id",)

    def __init__(self, id: int) -> None:
        self.id = id


class ClosedByPeer(_Said):
    """The peer closes the connection, and says why (a fault for call 0)."""

    __slots__ = ("fault",)

    def __init__(self, fault: Fault) -> None:
        self.fault = fault


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


def spliced(kind: int, id: int, encoded: bytes) -> bytes:
    """A message of three parts, the last of which is encoded already."""
    # 0x83: an array of three.
    return b"\x83" + bytes((kind,)) + unsigned(id) + encoded


@lru_cache(maxsize=16)  # what goes to many goes to all of them soon after one another, under the few ids that their calls have
def shared_frames(id: int, items: tuple[bytes, ...], limit: int) -> bytes:
    """The frames of encoded items; FrameTooLarge when one has more than `limit` bytes. Remembers the last few, so they should be small."""
    return b"".join([limited_frame(spliced(Kind.ITEM, id, item), limit) for item in items])
