"""One call to an agent, from the daemon's side: items, bytes with credit, and the one answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from volant.proto.connection import INITIAL_CREDIT, MAX_DATA, Connection
from volant.proto.errors import Fault, GuestFailed, InvalidParams, Lagged
from volant.proto.method import Method
from volant.proto.plain import from_plain
from volant.proto.preamble import without_magic

MAX_QUEUED_ITEMS = 4_096
"""Items of one stream held for its reader. Log lines come in bursts of a tail's length; more means that a guest floods."""

MAX_QUEUED_BYTES = 4 * 1024 * 1024
"""The same in bytes of the wire, some ten times as much decoded: a burst of the longest log lines fits."""

GRANT_AFTER = INITIAL_CREDIT // 2
"""Bytes consumed before the peer is granted as many anew: half the window keeps it sending."""


class _Channel:
    """Incoming bytes of one channel, in order."""

    __slots__ = ("chunks", "ended", "unacknowledged")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.ended = False
        self.unacknowledged = 0


class AgentCall:
    """A call under way; `AgentLink.open` makes it and cancels it when its block is left early."""

    def __init__(self, method: Method[Any, Any], call_id: int, connection: Connection, write: Callable[[bytes], Awaitable[None]]) -> None:
        self.id = call_id
        self._method = method
        self._connection = connection
        self._write = write
        self._channels: dict[int, _Channel] = {}
        self._items: deque[tuple[Any, int]] = deque()
        self._queued = 0
        self._changed = trio.Event()
        self._fault: Fault | None = None
        self._result: Any = None
        self.done = False
        """Nothing more comes for the caller."""
        self.answered = False
        """The agent has ended it, or its channel is gone."""

    # What the link's reader tells us; none of these waits.

    def deliver_item(self, item: Any, size: int) -> None:
        """`size`: bytes of the wire. A reader that is too far behind loses this call, and nobody else theirs."""
        if self.done:
            return
        self._items.append((item, size))
        self._queued += size
        if len(self._items) > MAX_QUEUED_ITEMS or self._queued > MAX_QUEUED_BYTES:
            self._items.clear()
            self._give(fault=Lagged("the guest sends faster than you read, and what it sent is lost", hint="ask again, for less"))
        self._wake()

    def deliver_data(self, channel: int, data: bytes) -> None:
        self._channel(channel).chunks.append(data)
        self._wake()

    def deliver_end(self, channel: int) -> None:
        self._channel(channel).ended = True
        self._wake()

    def deliver_credit(self) -> None:
        self._wake()

    def finish(self, result: Any = None, fault: Fault | None = None) -> None:
        """The answer, or what took its place; the first one counts."""
        self.answered = True
        if not self.done:
            self._give(result, fault)

    def _give(self, result: Any = None, fault: Fault | None = None) -> None:
        self.done, self._result, self._fault = True, result, fault
        self._wake()

    # What the caller does.

    async def receive(self, channel: int) -> bytes:
        """The next bytes of `channel`; empty once the agent has ended it or answered. Raises the call's fault."""
        incoming = self._channel(channel)
        while not incoming.chunks:
            if incoming.ended or self.done:
                if self._fault is not None:
                    raise self._fault
                return b""
            await self._changed.wait()
        data = incoming.chunks.popleft()
        incoming.unacknowledged += len(data)
        if incoming.unacknowledged >= GRANT_AFTER and not self.done:
            granted, incoming.unacknowledged = incoming.unacknowledged, 0
            await self._write(self._connection.credit(self.id, channel, granted))
        return data

    async def send(self, channel: int, data: bytes) -> None:
        """Send all of `data`, as credit allows; what is left when the call ends is dropped."""
        for piece in without_magic(data):
            view = memoryview(piece)
            while view and not self.done:
                room = min(self._connection.sendable(self.id, channel), MAX_DATA, len(view))
                if room == 0:
                    await self._changed.wait()
                    continue
                await self._write(self._connection.data(self.id, channel, bytes(view[:room])))
                view = view[room:]

    async def end(self, channel: int) -> None:
        """Say that no more bytes come on `channel`."""
        if not self.done:
            await self._write(self._connection.end(self.id, channel))

    async def next_item(self) -> Any:
        """The next item in plain form; None once the call has ended well. Raises the call's fault, GuestFailed for a wrong item."""
        while not self._items:
            if self.done:
                if self._fault is not None:
                    raise self._fault
                return None
            await self._changed.wait()
        item, size = self._items.popleft()
        self._queued -= size
        return self._checked(self._method.item, item)

    async def result(self) -> Any:
        """The answer in plain form, or the fault raised; GuestFailed for a wrong answer."""
        while not self.done:
            await self._changed.wait()
        if self._fault is not None:
            raise self._fault
        return self._checked(self._method.result, self._result)

    async def cancel(self) -> None:
        """Tell the agent that nobody waits any more."""
        if not self.answered:
            await self._write(self._connection.cancel(self.id))

    def _checked(self, wanted: type[Any] | None, plain: Any) -> Any:
        """`plain` itself, if it is what was agreed: whoever gets it, a client too, need not doubt it."""
        try:
            if wanted is not None:
                from_plain(wanted, plain)
        except InvalidParams as error:
            said = f"the guest's agent answered {self._method.name} with something else than agreed: {error.message}"
            raise GuestFailed(said, hint="restart the VM; if it stays so, its agent is not ours") from None
        return plain

    def _channel(self, number: int) -> _Channel:
        return self._channels.setdefault(number, _Channel())

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
