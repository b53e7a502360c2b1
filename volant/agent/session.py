"""One attached session of the agent channel: calls in, answers out, over `proto.connection`. Knows no pipe.

Every call runs as its own task and ends with exactly one reply or fault. Leaving the session cancels them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from volant import __version__
from volant.agent.loop import Cancelled, Condition, Loop, Task
from volant.agent.params import Params
from volant.proto import purecbor
from volant.proto.connection import INITIAL_CREDIT, MAX_DATA, Connection, Side
from volant.proto.errors import Cancelled as CallCancelled
from volant.proto.errors import Fault, FrameTooLarge, Internal, NoSuchMethod
from volant.proto.frames import MAX_FRAME_TO_AGENT, MAX_FRAME_TO_DAEMON
from volant.proto.messages import (
    CallReceived,
    CallRefused,
    CancelReceived,
    CreditReceived,
    DataReceived,
    EndReceived,
    Hello,
    Message,
)
from volant.proto.preamble import without_magic

GRANT_AFTER = INITIAL_CREDIT // 2
"""Bytes consumed before the peer is granted as many anew: half the window keeps it sending."""

MAX_UNSENT = 262_144
"""Bytes waiting to be written beyond which streams pause: what one channel may have under way."""


class Outbox:
    """What waits to be written to the pipe."""

    def __init__(self, loop: Loop) -> None:
        self.changed = Condition(loop)
        self.unsent = bytearray()

    def put(self, data: bytes) -> None:
        self.unsent += data
        self.changed.notify()

    def clear(self) -> None:
        self.unsent.clear()
        self.changed.notify()

    async def wait_room(self) -> None:
        """Until streams may add more."""
        while len(self.unsent) > MAX_UNSENT:
            await self.changed.wait()

    async def wait_empty(self) -> None:
        while self.unsent:
            await self.changed.wait()


class _Incoming:
    """One channel's bytes towards us."""

    __slots__ = ("chunks", "consumed", "ended")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.consumed = 0
        self.ended = False


class Call:
    """One call under way, as its handler sees it."""

    def __init__(self, id: int, params: dict[str, Any], connection: Connection, outbox: Outbox, changed: Condition) -> None:
        self.id = id
        self.params = Params(params)
        self._connection, self._outbox = connection, outbox
        self._changed = changed
        self._incoming: dict[int, _Incoming] = {}

    async def item(self, plain: dict[str, Any]) -> None:
        """Send one item; waits while too much is unsent."""
        await self._outbox.wait_room()
        self._outbox.put(self._connection.item(self.id, plain))

    async def send(self, channel: int, data: bytes) -> None:
        """Send all of `data`, as credit and the pipe allow."""
        for piece in without_magic(data):
            start = 0
            while start < len(piece):
                room = min(self._connection.sendable(self.id, channel), MAX_DATA)
                if room == 0:
                    await self._changed.wait()
                    continue
                await self._outbox.wait_room()
                part = piece[start : start + room]
                self._outbox.put(self._connection.data(self.id, channel, part))
                start += len(part)

    def end(self, channel: int) -> None:
        """No more bytes go out on `channel`."""
        self._outbox.put(self._connection.end(self.id, channel))

    async def receive(self, channel: int) -> bytes:
        """The next bytes of `channel`; empty once the caller has ended it."""
        incoming = self._channel(channel)
        while not incoming.chunks:
            if incoming.ended:
                return b""
            await self._changed.wait()
        data = incoming.chunks.popleft()
        incoming.consumed += len(data)
        if incoming.consumed >= GRANT_AFTER and not incoming.ended:
            self._outbox.put(self._connection.credit(self.id, channel, incoming.consumed))
            incoming.consumed = 0
        return data

    # What the session tells.

    def deliver(self, channel: int, data: bytes) -> None:
        self._channel(channel).chunks.append(data)
        self._changed.notify()

    def deliver_end(self, channel: int) -> None:
        self._channel(channel).ended = True
        self._changed.notify()

    def deliver_credit(self) -> None:
        self._changed.notify()

    def _channel(self, number: int) -> _Incoming:
        return self._incoming.setdefault(number, _Incoming())


Handler = Callable[[Call], Awaitable[dict[str, Any]]]
"""Does one call; its result in plain form. A Fault is the caller's answer; anything else is a defect."""


class Session:
    """One daemon's attach, from its preamble to the next."""

    def __init__(self, loop: Loop, outbox: Outbox, handlers: Mapping[str, Handler], on_defect: Callable[[str], None]) -> None:
        hello = Hello(role="agent", version=__version__)
        self._connection = Connection(Side.SERVER, purecbor, max_incoming=MAX_FRAME_TO_AGENT, hello=hello, max_outgoing=MAX_FRAME_TO_DAEMON)
        self._loop, self._outbox = loop, outbox
        self._handlers, self._on_defect = handlers, on_defect
        self._calls: dict[int, tuple[Call, Task]] = {}
        self.over = False

    def hello(self) -> bytes:
        """The first bytes to write."""
        return self._connection.hello()

    def receive(self, data: bytes) -> None:
        """Take what arrived. A ProtocolFault of the peer is raised, and the session is over."""
        for message in self._connection.receive(data):
            self._route(message)

    def farewell(self, fault: Fault) -> bytes:
        """The last bytes of a session that broke the rules."""
        return self._connection.farewell(fault)

    def close(self) -> None:
        """Drop every open call; their handlers clean up at once."""
        self.over = True
        for _, task in tuple(self._calls.values()):
            self._loop.cancel(task)

    def _route(self, message: Message) -> None:
        match message:
            case CallReceived(id=id, method=method, params=params):
                call = Call(id, params, self._connection, self._outbox, Condition(self._loop))
                self._calls[id] = call, self._loop.spawn(self._run(call, method), method)
            case CallRefused(id=id, fault=fault):
                self._outbox.put(self._connection.fault(id, fault))
            case CancelReceived(id=id) if id in self._calls:
                self._cancel(id)
            case DataReceived(id=id, channel=channel, data=data) if id in self._calls:
                self._calls[id][0].deliver(channel, data)
            case EndReceived(id=id, channel=channel) if id in self._calls:
                self._calls[id][0].deliver_end(channel)
            case CreditReceived(id=id) if id in self._calls:
                self._calls[id][0].deliver_credit()
            case _:
                pass  # the hello, and what concerns a call that ended meanwhile

    def _cancel(self, id: int) -> None:
        self._loop.cancel(self._calls[id][1])
        if self._calls.pop(id, None):
            # Cancelled before its first step: its handler never ran, so nobody has answered.
            self._fail(id, CallCancelled("the call was cancelled"))

    async def _run(self, call: Call, method: str) -> None:
        try:
            handler = self._handlers.get(method)
            if handler is None:
                raise NoSuchMethod(method)
            result = await handler(call)
            self._answer(call.id, lambda: self._connection.reply(call.id, result))
        except Fault as fault:
            self._fail(call.id, fault)
        except Cancelled:
            self._fail(call.id, CallCancelled(f"the call of {method} was cancelled"))
            raise
        except Exception as defect:
            self._on_defect(f"{method}: {describe(defect)}")
            self._fail(call.id, Internal(f"the agent failed at {method}: {type(defect).__name__}: {defect}", hint="see the VM's console"))
        finally:
            self._calls.pop(call.id, None)

    def _fail(self, id: int, fault: Fault) -> None:
        self._answer(id, lambda: self._connection.fault(id, fault))

    def _answer(self, id: int, frame: Callable[[], bytes]) -> None:
        """Write a call's last message, unless nobody is there to read it."""
        if self.over or not self._connection.is_open(id):
            return
        try:
            self._outbox.put(frame())
        except FrameTooLarge as fault:
            self._outbox.put(self._connection.fault(id, fault))


def describe(defect: BaseException) -> str:
    """A defect with its trace."""
    # Imported when needed: it brings the tokenizer, 40 ms in an emulated guest.
    import traceback

    return "".join(traceback.format_exception(defect))
