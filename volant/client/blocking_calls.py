"""Open STREAM and BYTES calls of the blocking client."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from volant.client.asking import typed_item, typed_result
from volant.client.calls import Inbox, Moved
from volant.proto.connection import MAX_DATA
from volant.proto.messages import DataReceived, ItemReceived

if TYPE_CHECKING:
    from typing import Self

    from volant.client.blocking import Client
    from volant.proto.method import Method

R = TypeVar("R")

IN, OUT = 0, 1
"""The channels that carry what goes to the callee, and what it puts out (`STDIN` and `STDOUT` in the contract)."""

_MAX_UNSENT = 256 * 1024
"""`try_send` takes no more while so much waits for the daemon to read."""


class _Open:
    """What both kinds have in common. Leaving the `with` block, or `close`, cancels a call that is still open."""

    def __init__(self, client: Client, method: Method[Any, Any] | str, inbox: Inbox) -> None:
        self._client, self._method, self._inbox = client, method, inbox
        self._rest: dict[int, bytes] = {}
        """What `read` was given and has not passed on, by channel."""

    @property
    def over(self) -> bool:
        """The daemon has ended the call; what it sent before may still wait to be read."""
        return self._inbox.over

    def fileno(self) -> int:
        """For select: readable when something may have come. Not before `receive_ready` was asked what has come already."""
        return self._client.fileno()

    def close(self) -> None:
        self._client.forget(self._inbox)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _outcome(self) -> Any:
        while not self._inbox.over:
            self._drop()
            self._client.pump()
        result = self._inbox.outcome()
        return self._client.handed(self._method, result) if isinstance(self._method, str) else typed_result(self._method, result)

    def _item(self, message: ItemReceived) -> Any:
        if isinstance(self._method, str):
            return self._client.handed(self._method, message.item, is_item=True)
        return typed_item(self._method, message.item)

    def _drop(self) -> None:
        while (message := self._inbox.next_moved()) is not None:
            self._client.write(self._inbox.granted(message))


class Stream(_Open, Generic[R]):
    """The items of one STREAM call, typed when the method was; then its `result`."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while True:
            message = self._inbox.next_item()
            if message is not None:
                return self._item(message)
            if self._inbox.over:
                self._inbox.outcome()
                raise StopIteration
            self._client.pump()

    def came(self) -> list[Any]:
        """The items that came while something else was waited for on this client. Looks for no more."""
        items = []
        while (message := self._inbox.next_item()) is not None:
            items.append(self._item(message))
        return items

    @property
    def result(self) -> R:
        """The call's result; waits for it, past items that nobody took. Raises the fault it ended with."""
        result: R = self._outcome()
        return result


class BytesCall(_Open):
    """One BYTES call. Read it like a file (`read`, `write`, `finish`), or message by message (iterate, or `receive_ready` and select)."""

    def __iter__(self) -> Iterator[Moved]:
        """What comes, in order, until the call is over: items (typed when the method was), data, ends. Raises the fault it ended with."""
        while True:
            message = self._inbox.next_moved()
            if message is not None:
                yield self._consumed(message)
            elif self._inbox.over:
                self._inbox.outcome()
                return
            else:
                self._client.pump()

    def receive_ready(self) -> list[Moved]:
        """What has come by now, without waiting; check `over` behind it."""
        while not self._inbox.over and self._client.pump(wait=False):
            pass
        ready = []
        while (message := self._inbox.next_moved()) is not None:
            ready.append(self._consumed(message))
        return ready

    def read(self, size: int = -1, channel: int = OUT) -> bytes:
        """The next bytes on `channel`, at most `size`; b"" at its end. Waits for some. Raises the fault that the call ended with."""
        while not (rest := self._rest.pop(channel, b"")):
            message = self._inbox.next_on(channel)
            if isinstance(message, DataReceived):
                self._consumed(message)
                self._rest[channel] = message.data
            elif message is not None:
                return b""
            elif self._inbox.over:
                self._inbox.outcome()
                return b""
            else:
                self._client.pump()
        data = rest if size < 0 else rest[:size]
        if len(data) < len(rest):
            self._rest[channel] = rest[len(data) :]
        return data

    def item(self) -> Any:
        """The next item; waits for it. Raises the fault that the call ended with; None when it ended without one."""
        while (message := self._inbox.next_item()) is None:
            if self._inbox.over:
                self._inbox.outcome()
                return None
            self._client.pump()
        return self._item(message)

    def send(self, channel: int, data: bytes) -> None:
        """Send all of `data`, waiting for credit. Once the call is over nothing is sent: its fault is raised where it has one."""
        view = memoryview(data)
        while view:
            sent = self.try_send(channel, view[:MAX_DATA])
            view = view[sent:]
            if self._inbox.over:
                self._inbox.outcome()
                return
            if not sent:
                self._client.pump()

    def try_send(self, channel: int, data: bytes | memoryview) -> int:
        """Send what credit and the daemon allow now; how many bytes of `data` that were. 0 also once the call is over."""
        if self._inbox.over or self._client.unsent > _MAX_UNSENT:
            return 0
        wire = self._client.wire
        sent = 0
        while piece := bytes(data[sent : sent + min(MAX_DATA, wire.sendable(self._inbox.id, channel))]):
            self._client.write(wire.data(self._inbox.id, channel, piece))
            sent += len(piece)
            if self._client.unsent > _MAX_UNSENT:
                break
        return sent

    def end(self, channel: int) -> None:
        """Say that no more comes on `channel`."""
        if not self._inbox.over:
            self._client.write(self._client.wire.end(self._inbox.id, channel))

    @property
    def wants_write(self) -> bool:
        """Something sent waits for the daemon to read: select for writing too, then call `flush`."""
        return self._client.unsent > 0

    def flush(self) -> None:
        """Send what the socket takes now of what waits; never blocks."""
        self._client.write(b"")

    def write(self, data: bytes) -> int:
        """`send` on channel `in`, as files spell it."""
        self.send(IN, data)
        return len(data)

    def finish(self) -> None:
        """`end` of channel `in`."""
        self.end(IN)

    def cancel(self) -> None:
        """Ask the daemon to end the call; its fault comes all the same."""
        if not self._inbox.over:
            self._client.write(self._client.wire.cancel(self._inbox.id))

    def result(self) -> Any:
        """The call's result; waits for it, past what nobody read. Raises the fault it ended with."""
        return self._outcome()

    def _consumed(self, message: Moved) -> Moved:
        granted = self._inbox.granted(message)
        if granted:
            self._client.write(granted)
        return ItemReceived(message.id, self._item(message)) if isinstance(message, ItemReceived) else message
