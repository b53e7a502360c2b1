"""One connection to a daemon on asyncio.

Built on a Protocol, not on streams: all frames of one read are handed out in one go, without a task in between.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Any

from volant.client.asking import GREETING_S, check_path, check_read_only, lost, new_connection, silent, why_unreachable
from volant.client.calls import Inbox
from volant.proto.connection import Connection
from volant.proto.errors import ConnectionLost, Fault
from volant.proto.messages import ClosedByPeer, HelloReceived, Message

_READ_BYTES = 65_536
"""One read of what a daemon said before it closed."""


class AsyncInbox(Inbox):
    """An Inbox that tasks can wait on."""

    def __init__(self, id: int, wire: Connection, *, is_unary: bool = False) -> None:
        super().__init__(id, wire, is_unary=is_unary)
        self._waiting: set[asyncio.Future[None]] = set()

    def take(self, message: Message) -> bool:
        over = super().take(message)
        self._wake()
        return over

    def fail(self, fault: Fault) -> None:
        super().fail(fault)
        self._wake()

    async def wait_news(self) -> None:
        """Until something comes for the call, be it credit or its end."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()


class Link(asyncio.Protocol):
    """One connection, from before it is there: what is written meanwhile is sent once it is. Ends all its calls when it breaks."""

    def __init__(self, path: str, *, read_only: bool) -> None:
        self.wire = new_connection(read_only=read_only)
        self.broken: Fault | None = None
        """Why it is gone."""
        self.greeted = asyncio.Event()
        """The daemon has said who it is, or it never will."""
        self._path, self._read_only = path, read_only
        self._inboxes: dict[int, AsyncInbox] = {}
        self._transport: asyncio.Transport | None = None
        self._hello, self._waiting = self.wire.hello(), bytearray()
        self._may_write = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None

    async def connect(self) -> None:
        """SocketMissing, SocketRefused, SocketForbidden, SocketPathTooLong; NotAllowed where the daemon can't hold us to reading."""
        try:
            check_path(self._path)
            await asyncio.get_running_loop().create_unix_connection(lambda: self, self._path)
            if self._read_only:
                await self.greeted.wait()
        except OSError as error:
            self.end(why_unreachable(self._path, error))
        except Fault as fault:
            self.end(fault)
        except asyncio.CancelledError:
            self.end(ConnectionLost("connecting was cancelled"))
            raise
        self.check()

    def begin(self) -> None:
        """Connect in the background; calls may be opened at once, and end with what connecting ends with."""

        async def connect() -> None:
            with suppress(Fault):
                await self.connect()

        self._connecting = asyncio.create_task(connect())

    def check(self) -> None:
        """Raises why the connection is gone, when it is."""
        if self.broken is not None:
            raise self.broken

    def open(self, method: str, params: dict[str, Any], *, is_unary: bool = False) -> AsyncInbox:
        self.check()
        id, frame = self.wire.call(method, params)
        inbox = self._inboxes[id] = AsyncInbox(id, self.wire, is_unary=is_unary)
        self.write(frame)
        return inbox

    def forget(self, inbox: AsyncInbox) -> None:
        """Cancel a call that is still open, and drop what still comes for it."""
        if self._inboxes.pop(inbox.id, None) is not None and self.broken is None:
            self.write(self.wire.cancel(inbox.id))

    def write(self, frame: bytes) -> None:
        if self._transport is None or (self._read_only and not self.greeted.is_set()):
            self._waiting += frame
        else:
            self._transport.write(frame)

    async def wait_writable(self) -> None:
        """Wait while the daemon reads too slowly."""
        await self._may_write.wait()
        self.check()

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def end(self, fault: Fault) -> None:
        """End the connection and every call that is open on it with `fault`."""
        self.broken = self.broken or fault
        for inbox in self._inboxes.values():
            inbox.fail(self.broken)
        self._inboxes.clear()
        self._be_greeted()
        self._may_write.set()
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # a Unix stream connection's always is
        self._transport = transport
        self._may_write.set()
        self._patience = asyncio.get_running_loop().call_later(GREETING_S, lambda: self.end(silent(self._path)))
        transport.write(self._hello)
        if not self._read_only:
            self._send_waiting()

    def data_received(self, data: bytes) -> None:
        if self.broken is not None:
            return
        try:
            for message in self.wire.receive(data):
                if isinstance(message, ClosedByPeer):
                    raise message.fault
                if isinstance(message, HelloReceived):
                    self._greet()
                else:
                    inbox = self._inboxes.get(message.id)
                    if inbox is not None and inbox.take(message):
                        self._inboxes.pop(message.id, None)
        except Fault as fault:
            self.end(fault)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._hear_last_words()
        why = str(error) if error else "the daemon closed it"
        self.end(lost(why))

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def _greet(self) -> None:
        if self._read_only:
            assert self.wire.peer is not None  # its hello has come
            check_read_only(self.wire.peer)
        self._be_greeted()
        self._send_waiting()

    def _be_greeted(self) -> None:
        self.greeted.set()
        if self._patience is not None:
            self._patience.cancel()

    def _send_waiting(self) -> None:
        waiting, self._waiting = bytes(self._waiting), bytearray()
        if waiting:
            self.write(waiting)

    def _hear_last_words(self) -> None:
        """What the daemon said before it closed explains it best, and asyncio reads no more once a write has failed."""
        assert self._transport is not None  # there was a connection
        descriptor = self._transport.get_extra_info("socket").fileno()
        with suppress(OSError):
            while data := os.read(descriptor, _READ_BYTES):
                self.data_received(data)
