"""One open STREAM or BYTES call, from the side of its handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from volant.daemon.rpc.budget import DECODED_BYTES
from volant.daemon.rpc.outbox import Outbox
from volant.daemon.rpc.registry import Encoded
from volant.proto import cbor
from volant.proto.connection import INITIAL_CREDIT, MAX_DATA, Connection
from volant.proto.errors import ConnectionLost, Lagged
from volant.proto.plain import to_plain

_GRANT_BYTES = INITIAL_CREDIT // 4
"""Credit is granted again in steps of this size: few messages, and the sender never runs dry while we keep up."""


class Call:
    """What a handler sends and receives on. One task per direction and channel; the session feeds it."""

    def __init__(self, id: int, connection: Connection, outbox: Outbox, size: int = 0) -> None:
        """`size`: bytes of its parameters on the wire."""
        self.id = id
        self._size = size
        self.scope = trio.CancelScope()
        """Cancelled when the peer cancels the call."""
        self._connection = connection
        self._outbox = outbox
        self._arrived: dict[int, bytearray] = {}
        """By channel; the credit bounds it, however small the pieces were."""
        self._ended: set[int] = set()
        self._consumed: dict[int, int] = {}
        self._news = trio.Event()

    async def send_item(self, item: Any) -> None:
        """Send one item: the declared item type, or `Encoded`. Waits while the peer reads too slowly."""
        await self.send_encoded(_encoded(item))

    async def send_encoded(self, *items: bytes) -> None:
        """`send_item` for items that are encoded already; they go in one write, so they should be small."""
        await self._send(lambda: b"".join([self._connection.item_encoded(self.id, item) for item in items]))

    def push_encoded(self, *items: bytes) -> None:
        """Send encoded items without waiting, for those that go to many. Lagged when the peer is too far behind, ConnectionLost
        when the call has ended: whoever pushes is none of its tasks, and may come later than its end."""
        if not self._connection.is_open(self.id):
            raise ConnectionLost("the call has ended")
        if self._outbox.is_full:
            raise Lagged("you read too slowly and missed events", hint="list again, then follow from the new number")
        self._outbox.send(self._connection.shared_items(self.id, items))

    async def receive(self, channel: int) -> bytes:
        """The bytes that have come on `channel`, at most INITIAL_CREDIT; b"" once the peer has ended it. Gives credit back as it goes."""
        while True:
            waiting = self._arrived.get(channel)
            if waiting:
                data = bytes(waiting)
                waiting.clear()
                self._give_credit(channel, len(data))
                await trio.lowlevel.checkpoint()
                return data
            if channel in self._ended:
                await trio.lowlevel.checkpoint()
                return b""
            await self._wait_news()

    async def send(self, channel: int, data: bytes) -> None:
        """Send bytes on `channel`, in pieces, as the peer's credit allows."""
        view = memoryview(data)
        while view:
            while not (credit := self._connection.sendable(self.id, channel)):
                await self._wait_news()
            piece = bytes(view[: min(credit, MAX_DATA)])
            await self._send(lambda piece=piece: self._connection.data(self.id, channel, piece))  # type: ignore[misc]
            view = view[len(piece) :]

    async def end(self, channel: int) -> None:
        """Say that no more comes on `channel`."""
        await self._send(lambda: self._connection.end(self.id, channel))

    # What the session says to it; none of these wait.

    def data_arrived(self, channel: int, data: bytes) -> None:
        self._arrived.setdefault(channel, bytearray()).extend(data)
        self.credit_arrived()

    def end_arrived(self, channel: int) -> None:
        self._ended.add(channel)
        self.credit_arrived()

    def credit_arrived(self) -> None:
        news, self._news = self._news, trio.Event()
        news.set()

    @property
    def held(self) -> int:
        """Bytes that it makes us hold."""
        return self._size * DECODED_BYTES + sum(map(len, self._arrived.values()))

    def clear(self) -> None:
        """Let go of what came and nobody took: the connection has ended."""
        self._arrived.clear()

    async def _wait_news(self) -> None:
        await self._news.wait()

    async def _send(self, frame: Callable[[], bytes]) -> None:
        # The frame is made only when there is room, so that its place in the connection's order is its place on the wire.
        await self._outbox.wait_room()
        await trio.lowlevel.checkpoint_if_cancelled()  # the connection may have ended just before
        self._outbox.add(frame())
        self._outbox.flush()
        await trio.lowlevel.checkpoint()

    def _give_credit(self, channel: int, n: int) -> None:
        consumed = self._consumed.get(channel, 0) + n
        if consumed < _GRANT_BYTES:
            self._consumed[channel] = consumed
            return
        self._consumed[channel] = 0
        granted = self._connection.credit(self.id, channel, consumed)
        if granted:
            self._outbox.add(granted)
            self._outbox.flush()


def _encoded(item: Any) -> bytes:
    return item.cbor if type(item) is Encoded else cbor.dumps(to_plain(item))
