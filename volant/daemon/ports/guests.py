"""Serial lines and agent channels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import trio

from volant.proto.method import Method

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ConsoleChunk:
    """A piece of a serial line's bytes."""

    offset: int
    """Of the first byte of `data`, counted from the line's first byte ever."""
    data: bytes
    missed: int = 0
    """Bytes before `data` that this reader was too slow (or came too late) for."""
    writer: str = ""
    """Who held the writer's place when it was read; a change comes with a chunk at once, even if it has no data."""
    size: tuple[int, int] = (0, 0)
    """Rows and columns that the guest was told last; zeros: none. A change comes with a chunk at once."""


class ConsoleWriter(Protocol):
    """The one writer's place at a serial line."""

    async def send(self, data: bytes) -> None:
        """Type `data`. WriterTaken once somebody took the place, Denied while the VM doesn't run."""

    async def wait_lost(self) -> str:
        """Returns once somebody took the place: who."""


class ConsoleReader(Protocol):
    """One reader of a console: an iterator over what it shows."""

    offset: int
    """Of the next byte."""
    writer: str
    """Who held the writer's place at the last look; empty: nobody."""
    size: tuple[int, int]
    """Rows and columns that the guest had been told at the last look; zeros: none."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> ConsoleChunk: ...

    def finish(self) -> None:
        """Follow no longer: end once everything written so far has been read."""


class ConsoleHolder(Protocol):
    """The serial line of one VM, over all its boots."""

    size: tuple[int, int]
    """Rows and columns that the guest was told last; zeros: none in this boot. Readers hear of a change by `wake`."""

    def wake(self) -> None:
        """Let every reader look again."""

    async def hold(self, stream: trio.abc.Stream) -> None:
        """Drain `stream` until it ends; readers and the writer work meanwhile."""

    def tail(self, lines: int = 20) -> str:
        """The newest lines, made harmless for a terminal."""

    def end(self) -> int:
        """Offset behind the newest byte, counted from the line's first one ever."""

    def times(self, start: int) -> tuple[tuple[int, int], ...]:
        """When what behind `start` was printed: offsets, and the milliseconds since 1970 by which all before them had been; both grow.
        About one a second of output, fewer of what is old."""

    def lines(self, start: int, end: int) -> tuple[str, ...]:
        """The lines between two offsets as far as they are kept, made harmless for a terminal."""

    def read(self, *, history_bytes: int = ..., from_offset: int | None = None, follow: bool = True) -> ConsoleReader:
        """The newest `history_bytes` (or everything kept from `from_offset`, a negative one counting from the end), then, with `follow`,
        what is added, over all boots, until told to finish. Any number of readers, each at its own pace."""

    def writer(self, holder: str, *, force: bool = False) -> AbstractAsyncContextManager[ConsoleWriter]:
        """The one writer's place. WriterTaken names who holds it; `force` takes it from them."""


class Consoles(Protocol):
    """Every VM's console, by VM id."""

    def console(self, vm_id: str, log_path: Path) -> ConsoleHolder:
        """The holder; the same one for the same VM."""

    def forget(self, vm_id: str) -> None:
        """The VM is destroyed: end its readers."""


class GuestCall(Protocol):
    """One call to an agent under way."""

    async def receive(self, channel: int) -> bytes: ...
    async def send(self, channel: int, data: bytes) -> None: ...
    async def end(self, channel: int) -> None: ...
    async def next_item(self) -> Any: ...
    async def result(self) -> Any: ...


class GuestLink(Protocol):
    """One attached agent channel."""

    version: str

    async def attach(self) -> None:
        """Returns once the agent has answered; waits as long as it takes. ConnectionLost when the pipe ends first."""

    async def run(self) -> None:
        """Route messages until the pipe ends; ProtocolFault when the guest broke the rules."""

    async def call(self, method: Method[P, R], params: P) -> R: ...
    def open(self, method: Method[P, Any], params: P) -> AbstractAsyncContextManager[GuestCall]: ...
    async def aclose(self) -> None: ...


LinkOver = Callable[[trio.abc.Stream], GuestLink]
"""Makes a link over a connected pipe."""
