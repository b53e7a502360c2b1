"""The wire's rules as one object without I/O: bytes in, messages out; intentions in, bytes out.

Both ends of every connection run this class: client and daemon, and daemon (as the client) and agent. It owns no socket, clock
or task. What may be said when stands in `_RULES`, once for both sides; a call moves through

    unheard -> open -> ended        the client opens it; the server ends it, with one reply or one fault
    per channel and direction: open (credit >= 0) -> ended, by an end message or with the call

A call may end at the server while data, credit, an end or a cancel for it is still on the way from the client. Those are late,
not wrong, and are dropped. Call ids only grow, which tells an ended call from one that never was. In the other direction nothing
can be late: the server says nothing about a call after its reply.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from volant.proto.errors import CreditOverrun, Fault, MalformedFrame, OutOfOrder, ProtocolFault, TooManyCalls
from volant.proto.frames import MAX_FRAME_TO_CLIENT, MAX_FRAME_TO_DAEMON, FrameDecoder, limited_frame
from volant.proto.messages import (
    CallReceived,
    CallRefused,
    CancelReceived,
    ClosedByPeer,
    CreditReceived,
    DataReceived,
    EndReceived,
    FaultReceived,
    Hello,
    HelloReceived,
    ItemReceived,
    Kind,
    Message,
    ReplyReceived,
    shared_frames,
    spliced,
)

INITIAL_CREDIT = 256 * 1024
"""Bytes that may be sent on each channel and in each direction before any credit came: four full data messages keep a local
pipe busy, and 256 calls of one channel hold 64 MiB at worst."""

MAX_CREDIT = 16 * 1024 * 1024
"""Most bytes that can be granted and unsent on one channel: enough for any pipe, and no peer can push the count out of range."""

MAX_DATA = 64 * 1024
"""Most bytes in one data message; longer payloads are sent in pieces, so that other messages get in between."""

MAX_OPEN_CALLS = 256
"""Most calls open at once on one connection: a busy terminal UI needs tens. One more is refused, that call alone."""

MAX_CHANNELS = 4
"""Channels are numbered below this; the contract's calls use three. With INITIAL_CREDIT it bounds what one call can make us hold."""

MAX_CALL_ID = 2**53 - 1
"""Largest call id, and the largest integer that every language's numbers hold."""

MAX_METHOD_CHARS = 64
"""Longest method name: `noun.verb`."""


class Side(Enum):
    """Which part an end plays: clients call, servers answer."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Side:
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any, ClassVar, Protocol

    class Codec(Protocol):
        """`cbor` and `purecbor`: two modules of the same two functions."""

        def dumps(self, value: Any, /) -> bytes: ...
        def loads(self, data: bytes, /) -> Any: ...


class LocalProtocolError(RuntimeError):
    """Our own misuse of a Connection; a defect, never the peer's doing."""


class _Rule:
    """One kind of message: the types of its elements, how many there are, who may say it, and whether it may come late.

    `types` are those of the kind and all that follows; where a value of any type comes last, it is not among them.
    """

    __slots__ = ("late", "length", "senders", "types")

    def __init__(self, types: tuple[type, ...], length: int, senders: tuple[Side, ...], late: bool = False) -> None:
        self.types, self.length, self.senders, self.late = types, length, senders, late


_BOTH = (Side.CLIENT, Side.SERVER)
_RULES: dict[int, _Rule] = {
    Kind.HELLO: _Rule((int, dict), 2, _BOTH),
    Kind.CALL: _Rule((int, int, str, dict), 4, (Side.CLIENT,)),
    Kind.REPLY: _Rule((int, int), 3, (Side.SERVER,)),
    Kind.FAULT: _Rule((int, int, dict), 3, _BOTH),  # from a client only for call 0, the connection
    Kind.ITEM: _Rule((int, int), 3, (Side.SERVER,)),
    Kind.END: _Rule((int, int, int), 3, _BOTH, late=True),
    Kind.DATA: _Rule((int, int, int, bytes), 4, _BOTH, late=True),
    Kind.CREDIT: _Rule((int, int, int, int), 4, _BOTH, late=True),
    Kind.CANCEL: _Rule((int, int), 2, (Side.CLIENT,), late=True),
}

# As plain integers: these are used for every message, and an Enum's members are slow to reach.
_HELLO, _CALL, _REPLY, _FAULT, _ITEM, _END, _DATA, _CREDIT, _CANCEL = map(int, Kind)

_ENDED = -1
"""In place of a channel's credit: nothing more may come in that direction."""


class _Call:
    """One open call: credit left by channel, ours to send and the peer's to send; unused channels have INITIAL_CREDIT."""

    __slots__ = ("incoming", "outgoing")

    def __init__(self) -> None:
        self.incoming: dict[int, int] = {}
        self.outgoing: dict[int, int] = {}


class Connection:
    """One end of one connection. Any method may raise LocalProtocolError when called where the rules don't allow it."""

    def __init__(self, side: Side, codec: Codec, *, max_incoming: int, hello: Hello, max_outgoing: int = 0) -> None:
        """`max_incoming`, `max_outgoing`: frame limits in bytes; 0 for outgoing means what the other side takes by default."""
        self.side = side
        self.peer: Hello | None = None
        """The peer's hello, once it came."""
        self.protocol = 0
        """The protocol both speak, once the peer's hello came."""
        self._other = side.other
        self._codec = codec
        self._ours = hello
        self._decoder = FrameDecoder(max_incoming)
        self._max_outgoing = max_outgoing or (MAX_FRAME_TO_DAEMON if side is Side.CLIENT else MAX_FRAME_TO_CLIENT)
        self._said_hello = False
        self._over = False
        self._last_id = 0
        self._calls: dict[int, _Call] = {}

    # ---------------------------------------------------------------------------------------------------------- incoming

    @property
    def open_calls(self) -> tuple[int, ...]:
        """Ids of the calls that have no reply yet."""
        return tuple(self._calls)

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return self._decoder.pending

    def is_open(self, id: int) -> bool:
        """Whether more may be said about the call: it has no reply, and the connection is not over."""
        return id in self._calls and not self._over

    def receive(self, data: bytes | bytearray | memoryview) -> list[Message]:
        """What the peer said with the bytes up to here, in order.

        A ProtocolFault means that the peer broke the rules: the connection is over, and what came with the same bytes is dropped.
        The caller may write `farewell(fault)` and must close.
        """
        if self._over:
            raise OutOfOrder("more bytes came after the connection was over")
        try:
            loads, take = self._codec.loads, self._take
            return [message for frame in self._decoder.feed(data) if (message := take(loads(frame))) is not None]
        except ProtocolFault:
            self._over = True
            raise

    def receive_end(self) -> None:
        """The stream ended. MalformedFrame when it did so inside a frame."""
        self._over = True
        if self._decoder.pending:
            raise MalformedFrame(f"the stream ended inside a frame, {self._decoder.pending} bytes into it")

    def _take(self, message: Any) -> Message | None:
        """One message; None when it came late."""
        if type(message) is not list or not message or type(message[0]) is not int:
            raise MalformedFrame("a message is an array that begins with its kind")
        kind = message[0]
        rule = _RULES.get(kind)
        if rule is None:
            raise MalformedFrame(f"there is no kind of message {kind}")
        if len(message) != rule.length or tuple(map(type, message))[: len(rule.types)] != rule.types:
            raise MalformedFrame(f"the fields of a {_name(kind)} message are not as they should be")
        if self._other not in rule.senders:
            raise OutOfOrder(f"a {_name(kind)} message is not the {self._other.value}'s to send")
        if kind == _FAULT and message[1] == 0:
            self._over = True
            return ClosedByPeer(Fault.from_wire(message[2]))
        if kind != _HELLO and not self.protocol:
            raise OutOfOrder("a message came before the hello")
        if kind > _CALL and message[1] not in self._calls:
            if rule.late and self.side is Side.SERVER and 0 < message[1] <= self._last_id:
                return None
            raise OutOfOrder(f"a {_name(kind)} message is about call {message[1]}, which is not open")
        return self._takers[kind](self, *message[1:])

    def _take_hello(self, wire: dict[str, Any]) -> HelloReceived:
        if self.peer is not None:
            raise OutOfOrder("a second hello came")
        self.peer = Hello.from_wire(wire)
        self.protocol = self._ours.agree(self.peer)
        return HelloReceived(self.peer)

    def _take_call(self, id: int, method: str, params: dict[str, Any]) -> CallReceived | CallRefused:
        if not self._last_id < id <= MAX_CALL_ID:
            raise OutOfOrder(f"the call id {id} does not follow {self._last_id}: ids only grow, up to 2**53-1")
        if len(method) > MAX_METHOD_CHARS:
            raise MalformedFrame(f"a method's name has {len(method)} characters; at most {MAX_METHOD_CHARS} are allowed")
        self._last_id = id
        self._calls[id] = _Call()
        if len(self._calls) > MAX_OPEN_CALLS:
            return CallRefused(id, TooManyCalls(MAX_OPEN_CALLS))
        return CallReceived(id, method, params)

    def _take_reply(self, id: int, result: Any) -> ReplyReceived:
        del self._calls[id]
        return ReplyReceived(id, result)

    def _take_fault(self, id: int, wire: dict[str, Any]) -> FaultReceived:
        if self.side is Side.SERVER:
            raise OutOfOrder("a client can't answer a call with a fault")
        del self._calls[id]
        return FaultReceived(id, Fault.from_wire(wire))

    def _take_end(self, id: int, channel: int) -> EndReceived:
        self._granted(id, channel)
        self._calls[id].incoming[channel] = _ENDED
        return EndReceived(id, channel)

    def _take_data(self, id: int, channel: int, data: bytes) -> DataReceived:
        left = self._granted(id, channel) - len(data)
        if not 0 < len(data) <= MAX_DATA:
            raise MalformedFrame(f"a data message has {len(data)} bytes; 1 to {MAX_DATA} are allowed")
        if left < 0:
            raise CreditOverrun(f"{len(data)} bytes came on channel {channel} of call {id}, {-left} more than granted")
        self._calls[id].incoming[channel] = left
        return DataReceived(id, channel, data)

    def _granted(self, id: int, channel: int) -> int:
        """Bytes that the peer may still send; OutOfOrder when it said it was through, or has no such channel."""
        if not 0 <= channel < MAX_CHANNELS:
            raise OutOfOrder(f"there is no channel {channel}: they are numbered 0 to {MAX_CHANNELS - 1}")
        left = self._calls[id].incoming.get(channel, INITIAL_CREDIT)
        if left == _ENDED:
            raise OutOfOrder(f"something came on channel {channel} of call {id} after its end")
        return left

    def _take_credit(self, id: int, channel: int, n: int) -> CreditReceived | None:
        if not 0 <= channel < MAX_CHANNELS:
            raise OutOfOrder(f"there is no channel {channel}: they are numbered 0 to {MAX_CHANNELS - 1}")
        outgoing = self._calls[id].outgoing
        left = outgoing.get(channel, INITIAL_CREDIT)
        if left == _ENDED:
            return None  # granted before our end arrived there
        if n <= 0 or left + n > MAX_CREDIT:
            raise CreditOverrun(f"{n} bytes of credit on top of {left}: at least 1, and at most {MAX_CREDIT} in all, can be granted")
        outgoing[channel] = left + n
        return CreditReceived(id, channel, n)

    # Plain functions, not methods bound to a connection: that would hold itself, and its unfinished frame, until a collection.
    _takers: ClassVar[dict[int, Callable[..., Message | None]]] = {
        _HELLO: _take_hello,
        _CALL: _take_call,
        _REPLY: _take_reply,
        _FAULT: _take_fault,
        _ITEM: lambda _, id, item: ItemReceived(id, item),
        _END: _take_end,
        _DATA: _take_data,
        _CREDIT: _take_credit,
        _CANCEL: lambda _, id: CancelReceived(id),
    }

    # ---------------------------------------------------------------------------------------------------------- outgoing

    def hello(self) -> bytes:
        """The first bytes to write. A client may write calls right behind them, without waiting for the server's hello."""
        if self._said_hello:
            raise LocalProtocolError("hello was said already")
        self._said_hello = True
        return self._frame([_HELLO, self._ours.to_wire()])

    def call(self, method: str, params: dict[str, Any]) -> tuple[int, bytes]:
        """Open a call; its id and the bytes. TooManyCalls and FrameTooLarge when the server would refuse it; nothing is open then."""
        self._require(Side.CLIENT)
        if len(self._calls) >= MAX_OPEN_CALLS:
            raise TooManyCalls(MAX_OPEN_CALLS)
        id = self._last_id + 1
        frame = self._frame([_CALL, id, method, params])
        self._last_id = id
        self._calls[id] = _Call()
        return id, frame

    def reply(self, id: int, result: Any) -> bytes:
        """End a call with its result, a plain value. FrameTooLarge leaves it open, to be ended by a fault."""
        return self._end_call(id, self._frame([_REPLY, id, result]))

    def reply_encoded(self, id: int, encoded: bytes) -> bytes:
        """`reply` with a result that is encoded already."""
        return self._end_call(id, limited_frame(spliced(_REPLY, id, encoded), self._max_outgoing))

    def fault(self, id: int, fault: Fault) -> bytes:
        """End a call with a fault. NotPlain or FrameTooLarge, when its data can't travel, leave the call open."""
        return self._end_call(id, self._frame([_FAULT, id, fault.to_wire()]))

    def farewell(self, fault: Fault) -> bytes:
        """Tell the peer why the connection is about to be closed. The last bytes to write; an unfinished frame is let go."""
        self._over, self._decoder = True, FrameDecoder(0)
        return self._frame([_FAULT, 0, fault.to_wire()])

    def item(self, id: int, item: Any) -> bytes:
        self._require(Side.SERVER, id)
        return self._frame([_ITEM, id, item])

    def item_encoded(self, id: int, encoded: bytes) -> bytes:
        """`item` with a value that is encoded already."""
        self._require(Side.SERVER, id)
        return limited_frame(spliced(_ITEM, id, encoded), self._max_outgoing)

    def shared_items(self, id: int, items: tuple[bytes, ...]) -> bytes:
        """Small encoded items that go to many connections, where they mostly have the same `id`: put together once for all of them."""
        self._require(Side.SERVER, id)
        return shared_frames(id, items, self._max_outgoing)

    def sendable(self, id: int, channel: int) -> int:
        """Bytes that may be sent on `channel` now; 0 also when the call or the channel has ended."""
        call = self._calls.get(id)
        return max(0, call.outgoing.get(channel, INITIAL_CREDIT)) if call else 0

    def data(self, id: int, channel: int, payload: bytes) -> bytes:
        """Send 1 to MAX_DATA bytes, at most `sendable` of them."""
        outgoing = self._require_channel(id, channel)
        left = outgoing.get(channel, INITIAL_CREDIT) - len(payload)
        if not 0 < len(payload) <= MAX_DATA or left < 0:
            raise LocalProtocolError(
                f"{len(payload)} bytes can't be sent at once: {left + len(payload)} are granted, {MAX_DATA} is the most"
            )
        frame = self._frame([_DATA, id, channel, payload])
        outgoing[channel] = left
        return frame

    def end(self, id: int, channel: int) -> bytes:
        """Say that no more data comes from us on `channel`."""
        self._require_channel(id, channel)[channel] = _ENDED
        return self._frame([_END, id, channel])

    def credit(self, id: int, channel: int, n: int) -> bytes:
        """Allow `n` bytes more; empty when the call or the peer's sending has ended meanwhile, so that none are needed."""
        call = self._calls.get(id)
        left = call.incoming.get(channel, INITIAL_CREDIT) if call else _ENDED
        if call is None or left == _ENDED:
            return b""
        if n <= 0 or left + n > MAX_CREDIT:
            raise LocalProtocolError(f"{n} bytes of credit can't be granted on top of {left}")
        call.incoming[channel] = left + n
        return self._frame([_CREDIT, id, channel, n])

    def cancel(self, id: int) -> bytes:
        """Ask the server to end a call early; it still ends with its reply or fault. Empty when it has ended."""
        self._require(Side.CLIENT)
        return self._frame([_CANCEL, id]) if id in self._calls else b""

    def _require(self, side: Side, id: int | None = None) -> None:
        if self.side is not side or not self._said_hello or self._over:
            raise LocalProtocolError(f"this is the {side.value}'s to send, between hello and the end of the connection")
        if id is not None and id not in self._calls:
            raise LocalProtocolError(f"call {id} is not open")

    def _require_channel(self, id: int, channel: int) -> dict[int, int]:
        self._require(self.side, id)
        outgoing = self._calls[id].outgoing
        if not 0 <= channel < MAX_CHANNELS or outgoing.get(channel) == _ENDED:
            raise LocalProtocolError(f"channel {channel} of call {id} is no channel, or was ended")
        return outgoing

    def _end_call(self, id: int, frame: bytes) -> bytes:
        self._require(Side.SERVER, id)
        del self._calls[id]
        return frame

    def _frame(self, message: list[Any]) -> bytes:
        return limited_frame(self._codec.dumps(message), self._max_outgoing)


def _name(kind: int) -> str:
    return Kind(kind).name.lower()
