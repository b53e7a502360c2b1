"""One client's connection: reads, dispatches, writes. Driven at the level of the socket, for trio's streams cost a scheduler
round per read and write.

All frames of one read are handled in one go and their replies sent together. Plain handlers run here; async ones in a task each.
Nobody waits for a slow reader but itself: reading stops while its outbox is full, and it is cut off when it stays so.
"""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from dataclasses import replace
from typing import Any

import trio

from volant import __version__
from volant.daemon.rpc.budget import Budget
from volant.daemon.rpc.calls import Call
from volant.daemon.rpc.dispatch import Dispatcher, ended_by, fault_of
from volant.daemon.rpc.outbox import Outbox
from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import Entry
from volant.proto import cbor
from volant.proto.connection import Connection, Side
from volant.proto.errors import Cancelled, ConnectionLost, Fault, OutOfOrder
from volant.proto.frames import MAX_FRAME_TO_CLIENT, MAX_FRAME_TO_DAEMON
from volant.proto.messages import (
    PACKED,
    READ_ONLY,
    CallReceived,
    CallRefused,
    CancelReceived,
    ClosedByPeer,
    CreditReceived,
    DataReceived,
    EndReceived,
    Hello,
    HelloReceived,
    Message,
)
from volant.proto.method import Shape

_READ_BYTES = 64 * 1024
"""One read: hundreds of small calls or one full data message; also bounds what is handled in one go."""

_FRAMES_PER_ROUND = 48
"""Frames handled before others get a turn: about 0.5 ms, the delay that one busy connection may cause."""

_FAREWELL_SECONDS = 1.0
"""How long a peer has to take the last bytes of a connection that we end."""

_STOPPING = ConnectionLost("volantd is stopping", hint="try again when it runs")

_log = logging.getLogger("volant.rpc")


class Session:
    """One connection from accept to close. `run` it; `drain` lets it end when its calls have."""

    def __init__(self, connected: socket.socket, peer: Peer, dispatcher: Dispatcher, budget: Budget) -> None:
        connected.setblocking(False)
        self.peer = peer
        self._budget = budget
        self._socket = connected
        self._dispatcher = dispatcher
        self._outbox = Outbox(connected)
        self._connection = _connection()
        self._calls: dict[int, tuple[Entry, Call]] = {}
        self._reading = trio.CancelScope()
        self._idle = trio.Event()
        """Set when the last open call has ended."""
        self._unfinished = 0
        """Bytes that came of a message that is not there whole."""
        self._serving = trio.CancelScope()
        self._cut_off: Fault | None = None
        self._drain_seconds = 0.0
        self._ending: Fault | None = None
        """Why the calls that are still open are being cancelled by us."""

    async def run(self) -> None:
        """Serve until the peer leaves, breaks the rules or is cut off. Raises nothing but trio's Cancelled."""
        fault: Fault | None = None
        try:
            with self._serving:
                fault = await ended_by(self._converse, "a connection")
            if self._cut_off is not None:
                fault = self._cut_off
            if fault is not None:
                _log.info("the connection of %s (pid %d) ended: %s", self.peer, self.peer.pid, fault)
                await self._bid_farewell(fault)
        finally:
            # Closing behind trio's back would leave its waiters behind for ever.
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
            self._let_go()
            self._budget.forget(self)

    def _let_go(self) -> None:
        """Of what may be large: trio's groups of exceptions can hold a session that ended until the next collection, which is rare."""
        self._outbox.clear()
        for _, call in self._calls.values():
            call.clear()
        self._calls.clear()

    def held(self) -> int:
        """Bytes that the peer makes us hold now, as far as they are many."""
        return self._unfinished + self._outbox.unsent + sum(call.held for _, call in self._calls.values())

    def cut_off(self, fault: Fault) -> None:
        """End now, and say why."""
        self._cut_off = fault
        self._serving.cancel()

    def drain(self, seconds: float) -> None:
        """Read no more; end once the open calls have ended, or `seconds` later cancel them, and say why."""
        self._drain_seconds = seconds
        self._reading.cancel()

    async def _converse(self) -> None:
        async with trio.open_nursery() as calls:
            calls.start_soon(self._outbox.run)
            self._outbox.add(self._connection.hello())
            self._outbox.flush()
            with self._reading:
                await self._read(calls)
            if self._reading.cancelled_caught:
                await self._wind_up()
            calls.cancel_scope.cancel()

    async def _wind_up(self) -> None:
        with trio.move_on_after(self._drain_seconds):
            await self._wait_idle()
        self._ending = _STOPPING
        for _, call in self._calls.values():
            call.scope.cancel()
        with trio.move_on_after(_FAREWELL_SECONDS):
            await self._wait_idle()
            self._outbox.add(self._connection.farewell(_STOPPING))
            await self._outbox.wait_empty()

    async def _wait_idle(self) -> None:
        while self._calls:
            self._idle = trio.Event()
            await self._idle.wait()

    async def _read(self, calls: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            handled = 0
            while data := self._receive():
                came = self._unfinished + len(data)
                messages = self._connection.receive(data)
                self._unfinished = self._connection.pending
                size = _size_of_each(messages, came - self._unfinished)
                for message in messages:
                    self._handle(message, calls, size)
                    handled += 1
                    if self._outbox.is_full:
                        self._budget.note(self, self.held())
                        await self._outbox.wait_room()
                    if handled >= _FRAMES_PER_ROUND:
                        handled = 0
                        self._outbox.flush()
                        await trio.lowlevel.checkpoint()
                if len(data) < _READ_BYTES:
                    break  # that was all there is
            self._outbox.flush()
            self._budget.note(self, self.held())
            if data == b"":
                return self._connection.receive_end()

    def _receive(self) -> bytes | None:
        """What has arrived; b"" at the end of the stream, None when nothing has."""
        try:
            return self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionLost(f"the peer is gone: {error.strerror}") from None

    def _handle(self, message: Message, calls: trio.Nursery, size: int) -> None:
        """`size`: about as many bytes as it had on the wire."""
        if isinstance(message, ClosedByPeer):
            raise ConnectionLost(f"the peer closed the connection: {message.fault}")
        if type(message) is CallReceived:
            if self._connection.is_open(message.id):  # else its goodbye came with the same bytes
                self._begin(message, calls, size)
        elif isinstance(message, CallRefused):
            if self._connection.is_open(message.id):
                self._outbox.add(self._connection.fault(message.id, message.fault))
        elif isinstance(message, DataReceived | EndReceived | CreditReceived | CancelReceived):
            self._advance(message)
        elif isinstance(message, HelloReceived):
            self.peer = replace(self.peer, read_only=READ_ONLY in message.hello.features)

    def _begin(self, message: CallReceived, calls: trio.Nursery, size: int) -> None:
        try:
            entry = self._dispatcher.find(message.method)
            if entry.inline:
                encoded = self._dispatcher.answer_inline(entry, self.peer, message.params)
                self._outbox.add(self._connection.reply_encoded(message.id, encoded))
                return
        except Fault as fault:
            self._answer_fault(message.id, fault)
            return
        call = Call(message.id, self._connection, self._outbox, size)
        self._calls[message.id] = (entry, call)
        calls.start_soon(self._perform, entry, call, message.params)

    def _advance(self, message: DataReceived | EndReceived | CreditReceived | CancelReceived) -> None:
        """Tell an open call what came for it."""
        if (known := self._calls.get(message.id)) is None:
            return  # it ended after these bytes were read: answered at once, or while others had their turn
        entry, call = known
        if isinstance(message, CancelReceived):
            call.scope.cancel()
        elif isinstance(message, CreditReceived):
            call.credit_arrived()
        elif not any(channel.number == message.channel and channel.to_callee for channel in entry.method.channels):
            raise OutOfOrder(f"{entry.method.name} takes nothing on channel {message.channel}")
        elif isinstance(message, DataReceived):
            call.data_arrived(message.channel, message.data)
        else:
            call.end_arrived(message.channel)

    async def _perform(self, entry: Entry, call: Call, params: dict[str, Any]) -> None:
        """Run an async handler, then answer."""
        fault: Fault | None = None
        encoded: bytes | None = None
        with call.scope:
            try:
                moving = call if entry.method.shape is not Shape.UNARY else None
                encoded = await self._dispatcher.answer(entry, self.peer, params, moving)
                await self._outbox.wait_room()
            except Fault as error:
                fault = error
        del self._calls[call.id]
        if not self._connection.is_open(call.id):
            return  # the connection is over, and this ran for the last time before it is cancelled with all others
        if encoded is None:
            self._answer_fault(call.id, fault or self._ending or Cancelled(f"{entry.method.name} was cancelled"))
        else:
            self._answer(call.id, encoded)
        self._outbox.flush()
        self._budget.note(self, self.held())
        if not self._calls:
            self._idle.set()

    def _answer(self, id: int, encoded: bytes) -> None:
        try:
            self._outbox.add(self._connection.reply_encoded(id, encoded))
        except Fault as fault:  # the result is larger than a frame
            self._answer_fault(id, fault)

    def _answer_fault(self, id: int, fault: Fault) -> None:
        try:
            frame = self._connection.fault(id, fault)
        except (ValueError, Fault) as error:  # its data can't travel
            frame = self._connection.fault(id, fault_of(error, "a fault"))
        self._outbox.add(frame)

    async def _bid_farewell(self, fault: Fault) -> None:
        """Say why the connection ends, as far as the socket takes it now."""
        with suppress(ConnectionLost):
            self._outbox.add(self._connection.farewell(fault))
            self._outbox.flush()
        await trio.lowlevel.checkpoint()


def goodbye(fault: Fault) -> bytes:
    """All that is ever said on a connection that is not served: our hello, and why."""
    connection = _connection()
    return connection.hello() + connection.farewell(fault)


def _connection() -> Connection:
    hello = Hello("daemon", __version__, features=(READ_ONLY, PACKED))
    return Connection(Side.SERVER, cbor, max_incoming=MAX_FRAME_TO_DAEMON, max_outgoing=MAX_FRAME_TO_CLIENT, hello=hello)


def _size_of_each(messages: list[Message], size: int) -> int:
    """What each of `messages` but the data had of their `size` bytes."""
    data = [len(message.data) for message in messages if type(message) is DataReceived]
    return (size - sum(data)) // max(1, len(messages) - len(data))
