"""The asyncio client: as many calls at once as are wanted. What the terminal UI uses."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from volant.client.aio_calls import AsyncBytesCall, AsyncStream
from volant.client.aio_link import Link
from volant.client.asking import NAMED, asked, typed_result
from volant.client.nouns import Noun
from volant.client.paths import default_socket
from volant.proto.errors import ConnectionLost
from volant.proto.messages import Hello
from volant.proto.method import Method

if TYPE_CHECKING:
    from typing import Self

__all__ = ["AsyncBytesCall", "AsyncClient", "AsyncStream"]

P = TypeVar("P")
R = TypeVar("R")


class AsyncClient:
    """A connection to a daemon: `async with AsyncClient() as client`. Any task may call; leaving the block cancels what is open.

    `await client.vms.create(name="web", plugin="hello")`, `async for event in client.events.follow()`: see `nouns`.

    A connection that was lost ends its open calls with ConnectionLost: what they asked for may have been done or not. The next call makes
    another connection, so that a restart of the daemon ends no client.
    """

    def __init__(self, path: str | None = None, *, read_only: bool = False, reconnect: bool = True) -> None:
        """Connects to the socket at `path`, by default where `paths.default_socket` says, when the block is entered. `read_only`: the
        daemon refuses (NotAllowed) every call that would change something. `reconnect`: a call after the connection was lost makes
        another; without it such calls fail with what ended the connection."""
        self.path = path or default_socket()
        self._read_only, self._reconnect = read_only, reconnect
        self._link: Link | None = None

    async def connect(self) -> None:
        """SocketMissing, SocketRefused, SocketForbidden, SocketPathTooLong; NotAllowed where the daemon can't hold us to reading."""
        self._link = Link(self.path, read_only=self._read_only)
        await self._link.connect()

    async def daemon(self) -> Hello:
        """What the daemon said of itself: its version and features."""
        link = self.link
        await link.greeted.wait()
        link.check()
        assert link.wire.peer is not None  # greeted and not broken
        return link.wire.peer

    @property
    def is_lost(self) -> bool:
        """The connection has ended, or was closed."""
        return self._link is not None and self._link.broken is not None

    @property
    def link(self) -> Link:
        """The connection for a new call: another one where the last was lost. ConnectionLost when there was none yet."""
        if self._link is None:
            raise ConnectionLost("this client is not connected", hint="use it in `async with`")
        if self._reconnect and self._link.broken is not None:
            self._link = Link(self.path, read_only=self._read_only)
            self._link.begin()
        return self._link

    async def call(self, method: Method[P, R], params: P) -> R:
        """Make a UNARY call, and wait for its result. Raises the fault it ended with. Cancelling the task cancels the call."""
        result: R = typed_result(method, await self.call_plain(*asked(method, params)))
        return result

    async def call_plain(self, method: str, params: dict[str, Any]) -> Any:
        """`call` with a method's name and plain values."""
        link = self.link
        inbox = link.open(method, params, is_unary=True)
        try:
            while not inbox.over:
                await inbox.wait_news()
        finally:
            link.forget(inbox)
        return inbox.outcome()

    def stream(self, method: Method[P, R] | str, params: P) -> AsyncStream[R]:
        """Make a STREAM call: iterate over its items, then await its `result()`. With a method's name: plain values."""
        return AsyncStream(self.link, method, *asked(method, params))

    def bytes_call(self, method: Method[Any, Any] | str, params: Any) -> AsyncBytesCall:
        """Make a BYTES call, to send and receive on. With a method's name: plain values."""
        return AsyncBytesCall(self.link, method, *asked(method, params))

    def __getattr__(self, name: str) -> Noun:
        if name in NAMED:
            return Noun(self, NAMED[name])
        raise AttributeError(f"a client has no {name!r}; its nouns are {', '.join(NAMED)}")

    def close(self) -> None:
        """Close the connection; the daemon cancels what is still open on it."""
        self._reconnect = False
        if self._link is not None:
            self._link.end(ConnectionLost("this client was closed"))

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        await asyncio.sleep(0)  # the transport closes its socket in the loop's next round

    def pause_reading(self) -> None:
        """Take no more from the daemon until `resume_reading`: for who can't pass on what comes."""
        if self._link is not None:
            self._link.pause_reading()

    def resume_reading(self) -> None:
        if self._link is not None:
            self._link.resume_reading()
