"""Open STREAM and BYTES calls of the asyncio client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from volant.client.asking import typed_item, typed_result
from volant.client.calls import Moved
from volant.proto.connection import MAX_DATA
from volant.proto.messages import ItemReceived
from volant.proto.method import Method

if TYPE_CHECKING:
    from typing import Self

    from volant.client.aio_link import Link

R = TypeVar("R")


class _Open:
    """What both kinds have in common. Leaving the `async with` block, or `close`, cancels a call that is still open."""

    def __init__(self, link: Link, method: Method[Any, Any] | str, name: str, params: dict[str, Any]) -> None:
        self._link, self._method = link, method
        self._inbox = link.open(name, params)

    @property
    def over(self) -> bool:
        """The daemon has ended the call; what it sent before may still wait to be read."""
        return self._inbox.over

    def close(self) -> None:
        self._link.forget(self._inbox)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def result(self) -> Any:
        """The call's result; waits for it, past what nobody took. Raises the fault it ended with."""
        while await self._next() is not None:
            pass
        return typed_result(self._method, self._inbox.outcome())

    async def _next(self) -> Moved | None:
        """The oldest message that waits, credit given back for it; None when the call is over. Raises its fault."""
        while (message := self._inbox.next_moved()) is None:
            if self._inbox.over:
                self._inbox.outcome()
                return None
            await self._inbox.wait_news()
        granted = self._inbox.granted(message)
        if granted:
            self._link.write(granted)
        return message


class AsyncStream(_Open, Generic[R]):
    """The items of one STREAM call, typed when the method was; then its `result()`."""

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self._next()) is not None:
            if isinstance(message, ItemReceived):
                yield typed_item(self._method, message.item)

    async def batches(self, most: int) -> AsyncIterator[list[Any]]:
        """The items as they came, those that wait together, at most so many at a time: for streams of thousands a second."""
        while (message := await self._next()) is not None:
            waiting: list[Moved] = [message]
            while len(waiting) < most and (more := self._inbox.next_moved()) is not None:
                waiting.append(more)
            yield [typed_item(self._method, each.item) for each in waiting if isinstance(each, ItemReceived)]


class AsyncBytesCall(_Open):
    """One BYTES call."""

    async def __aiter__(self) -> AsyncIterator[Moved]:
        """What comes, in order, until the call is over: items (typed when the method was), data, ends."""
        while (message := await self._next()) is not None:
            yield ItemReceived(message.id, typed_item(self._method, message.item)) if isinstance(message, ItemReceived) else message

    async def send(self, channel: int, data: bytes) -> None:
        """Send all of `data`, waiting for credit. Once the call is over nothing is sent: its fault is raised where it has one."""
        view = memoryview(data)
        while view:
            if self._inbox.over:
                self._inbox.outcome()
                return
            credit = self._link.wire.sendable(self._inbox.id, channel)
            if not credit:
                await self._inbox.wait_news()
                continue
            piece = bytes(view[: min(credit, MAX_DATA)])
            self._link.write(self._link.wire.data(self._inbox.id, channel, piece))
            view = view[len(piece) :]
            await self._link.wait_writable()

    async def end(self, channel: int) -> None:
        """Say that no more comes on `channel`."""
        if not self._inbox.over:
            self._link.write(self._link.wire.end(self._inbox.id, channel))

    async def cancel(self) -> None:
        """Ask the daemon to end the call; its fault comes all the same."""
        if not self._inbox.over:
            self._link.write(self._link.wire.cancel(self._inbox.id))
