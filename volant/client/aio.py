"""The asyncio client: one connection, as many calls at once as are wanted. What the terminal UI uses.

Built on a Protocol, not on streams: all frames of one read are handed out in one go, without a task in between.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from volant.client.aio_calls import AsyncBytesCall, AsyncInbox, AsyncStream
from volant.client.asking import NAMED, asked, check_path, check_read_only, lost, new_connection, typed_result, why_unreachable
from volant.client.nouns import Noun
from volant.client.paths import default_socket
from volant.proto.errors import ConnectionLost, Fault
from volant.proto.messages import ClosedByPeer, Hello, HelloReceived
from volant.proto.method import Method

if TYPE_CHECKING:
    from typing import Self

__all__ = ["AsyncBytesCall", "AsyncClient", "AsyncStream"]

P = TypeVar("P")
R = TypeVar("R")

_READ_BYTES = 65_536
"""One read of what a daemon said before it closed."""


class AsyncClient(asyncio.Protocol):
    """One connection to a daemon: `async with AsyncClient() as client`. Any task may call; leaving the block cancels what is open.

    `await client.vms.create(name="web", plugin="hello")`, `async for event in client.events.follow()`: see `nouns`.
    """

    def __init__(self, path: str | None = None, *, read_only: bool = False) -> None:
        """Connects to the socket at `path`, by default where `paths.default_socket` says, when the block is entered. `read_only`: the
        daemon refuses (NotAllowed) every call of this connection that would change something."""
        self.path = path or default_socket()
        self.read_only = read_only
        self.wire = new_connection(read_only=read_only)
        self._inboxes: dict[int, AsyncInbox] = {}
        self._transport: asyncio.Transport | None = None
        self._broken: Fault | None = None
        self._may_write = asyncio.Event()
        self._greeted = asyncio.Event()

    async def connect(self) -> None:
        """SocketMissing, SocketRefused, SocketForbidden, SocketPathTooLong; NotAllowed where the daemon can't hold us to reading."""
        check_path(self.path)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self, self.path)
        except OSError as error:
            raise why_unreachable(self.path, error) from None
        if self.read_only:
            check_read_only(await self.daemon())

    async def daemon(self) -> Hello:
        """What the daemon said of itself: its version and features."""
        await self._greeted.wait()
        self.check()
        assert self.wire.peer is not None  # greeted and not broken
        return self.wire.peer

    @property
    def is_lost(self) -> bool:
        """The connection has ended, or was closed: every later call fails."""
        return self._broken is not None

    async def call(self, method: Method[P, R], params: P) -> R:
        """Make a UNARY call, and wait for its result. Raises the fault it ended with. Cancelling the task cancels the call."""
        result: R = typed_result(method, await self.call_plain(*asked(method, params)))
        return result

    async def call_plain(self, method: str, params: dict[str, Any]) -> Any:
        """`call` with a method's name and plain values."""
        inbox = self.open(method, params, is_unary=True)
        try:
            while not inbox.over:
                await inbox.wait_news()
        finally:
            self.forget(inbox)
        return inbox.outcome()

    def stream(self, method: Method[P, R] | str, params: P) -> AsyncStream[R]:
        """Make a STREAM call: iterate over its items, then await its `result()`. With a method's name: plain values."""
        return AsyncStream(self, method, *asked(method, params))

    def bytes_call(self, method: Method[Any, Any] | str, params: Any) -> AsyncBytesCall:
        """Make a BYTES call, to send and receive on. With a method's name: plain values."""
        return AsyncBytesCall(self, method, *asked(method, params))

    def __getattr__(self, name: str) -> Noun:
        if name in NAMED:
            return Noun(self, NAMED[name])
        raise AttributeError(f"a client has no {name!r}; its nouns are {', '.join(NAMED)}")

    def close(self) -> None:
        """Close the connection; the daemon cancels what is still open on it."""
        self._break(ConnectionLost("this client was closed"))

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        await asyncio.sleep(0)  # the transport closes its socket in the loop's next round

    # What calls use.

    def check(self) -> None:
        """Raises why the connection is gone, when it is, or that there never was one."""
        if self._broken is not None:
            raise self._broken
        if self._transport is None:
            raise ConnectionLost("this client is not connected", hint="use it in `async with`")

    def open(self, method: str, params: dict[str, Any], *, is_unary: bool = False) -> AsyncInbox:
        self.check()
        id, frame = self.wire.call(method, params)
        inbox = self._inboxes[id] = AsyncInbox(id, self.wire, is_unary=is_unary)
        self.write(frame)
        return inbox

    def forget(self, inbox: AsyncInbox) -> None:
        """Cancel a call that is still open, and drop what still comes for it."""
        if self._inboxes.pop(inbox.id, None) is not None and self._broken is None:
            self.write(self.wire.cancel(inbox.id))

    def write(self, frame: bytes) -> None:
        assert self._transport is not None  # only open calls write
        self._transport.write(frame)

    async def wait_writable(self) -> None:
        """Wait while the daemon reads too slowly."""
        await self._may_write.wait()
        self.check()

    def pause_reading(self) -> None:
        """Take no more from the daemon until `resume_reading`: for who can't pass on what comes."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # a Unix stream connection's always is
        self._transport = transport
        self._may_write.set()
        transport.write(self.wire.hello())

    def data_received(self, data: bytes) -> None:
        if self._broken is not None:
            return
        try:
            for message in self.wire.receive(data):
                if isinstance(message, ClosedByPeer):
                    raise message.fault
                if isinstance(message, HelloReceived):
                    self._greeted.set()
                else:
                    inbox = self._inboxes.get(message.id)
                    if inbox is not None and inbox.take(message):
                        self._inboxes.pop(message.id, None)
        except Fault as fault:
            self._break(fault)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._hear_last_words()
        why = str(error) if error else "the daemon closed it"
        self._break(lost(why))

    def _hear_last_words(self) -> None:
        """What the daemon said before it closed explains it best, and asyncio reads no more once a write has failed."""
        assert self._transport is not None  # there was a connection
        descriptor = self._transport.get_extra_info("socket").fileno()
        with suppress(OSError):
            while data := os.read(descriptor, _READ_BYTES):
                self.data_received(data)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def _break(self, fault: Fault) -> None:
        """End every open call, and all later ones, with `fault`."""
        self._broken = self._broken or fault
        for inbox in self._inboxes.values():
            inbox.fail(self._broken)
        self._inboxes.clear()
        self._greeted.set()
        self._may_write.set()
        if self._transport is not None:
            self._transport.close()
