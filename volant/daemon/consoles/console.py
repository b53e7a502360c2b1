"""The serial line of one VM, over all its boots: a log file that the VMM writes, and whoever reads and types.

The VMM appends every byte to the log by itself, from the first one on and also while no daemon runs. What arrives on its stream
is only read away (some VMMs would stop the guest for a reader that doesn't) and taken as the sign that the log has grown. So readers
read the file, each at its own pace, and none of them can hold up another or the guest.

The log's old part is punched out, so that a guest that prints for ever takes `keep` bytes of disk: what is there moves between
`start` and `end`, and offsets only grow. When what was printed is noted beside it, to a second or so.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import trio

from volant.daemon.consoles.log import ConsoleLog
from volant.daemon.consoles.text import harmless_lines
from volant.daemon.consoles.times import ConsoleTimes, Mark
from volant.daemon.ports import ConsoleChunk
from volant.proto.errors import Denied, WriterTaken

_log = logging.getLogger("volant.consoles")

READ_BYTES = 65_536
"""One read, from the socket or the log: what a guest prints in some milliseconds at full speed."""

HISTORY_BYTES = 65_536
"""History that a reader gets unasked: some screens full, and a boot with its messages."""

TAIL_BYTES = 65_536
"""Where `tail` looks for lines; a longer last line is cut at its beginning."""

LATE_LOOKS_S = (0.005, 0.05, 0.5, 2.0)
"""The VMM sends a byte first and logs it then. After the last byte of a burst, readers look again after these seconds, so that
a VMM that was put aside in between is waited for, too."""

FIRST_LOOK_S, GATHER_S = 0.0005, 0.002
"""How long a reader lets bytes gather. The first after a pause comes soon, since it may be the echo of a key that somebody waits for; a
serial line delivers the others one by one, and nobody notices two milliseconds."""

TRIM_EVERY = 262_144
"""Bytes drained between looks at the log's size."""

NOTE_EVERY_S = 1.0
"""Between two notes of when what was printed: as exactly as people say it, and next to no work for a guest that prints all the while."""


class Console:
    """One VM's line; satisfies `ports.ConsoleHolder`."""

    def __init__(self, vm_id: str, log_path: Path) -> None:
        self.vm_id = vm_id
        self.log = ConsoleLog(log_path)
        """For the readers."""
        self.size = (0, 0)
        """See `ports.ConsoleHolder`."""
        self._times = ConsoleTimes(log_path.with_name(f"{log_path.stem}.times"))
        self._noted_at = float("-inf")
        """When they were noted last, on trio's clock."""
        self._grown = trio.lowlevel.ParkingLot()
        self._stream: trio.abc.Stream | None = None
        self._writer: Writer | None = None
        self._typing = trio.Lock()
        self._closed = False

    async def hold(self, stream: trio.abc.Stream) -> None:
        """Drain `stream` until it ends, and close it; readers and the writer work meanwhile."""
        self._stream = stream
        self.size = (0, 0)
        self._note()
        self._trim()
        try:
            async with stream:
                await self._drain(stream)
        finally:
            if self._stream is stream:
                self._stream = None
            self._note()
            self._trim()
            self._grown.unpark_all()

    def times(self, start: int) -> tuple[Mark, ...]:
        """See `ports.ConsoleHolder`."""
        try:
            return tuple(mark for mark in self._times.marks() if mark[0] > start)
        except OSError as error:
            _log.debug("when the console of VM %s printed what can't be read: %s", self.vm_id, error)
            return ()

    def read(self, *, history_bytes: int = HISTORY_BYTES, from_offset: int | None = None, follow: bool = True) -> Reader:
        """See `ports.ConsoleHolder`. With `follow` it ends when the VM is destroyed; leave the loop to end it earlier."""
        start, end = self.log.span()
        if from_offset is None or from_offset < 0:
            offset = max(start, end - history_bytes if from_offset is None else end + from_offset)
        else:
            offset = min(from_offset, end)
        return Reader(self, offset, follow)

    @asynccontextmanager
    async def writer(self, holder: str, *, force: bool = False) -> AsyncIterator[Writer]:
        """See `ports.ConsoleHolder`."""
        if self._writer is not None:
            if not force:
                raise WriterTaken(
                    f"{self._writer.holder} is typing on this console", hint="read along without --write, or take over with --force"
                )
            self._writer.lose(holder)
        self._writer = writer = Writer(holder, self)
        self.wake()
        try:
            yield writer
        finally:
            if self._writer is writer:
                self._writer = None
                self.wake()

    @property
    def typist(self) -> str:
        """Who holds the writer's place; empty: nobody."""
        return self._writer.holder if self._writer is not None else ""

    def tail(self, lines: int = 20) -> str:
        """The newest lines, made harmless for a terminal."""
        start, end = self.log.span()
        data = self.log.read(max(start, end - TAIL_BYTES), TAIL_BYTES).data
        return "\n".join(harmless_lines(data)[-lines:]) if lines > 0 else ""

    def end(self) -> int:
        """See `ports.ConsoleHolder`."""
        return self.log.span()[1]

    def lines(self, start: int, end: int) -> tuple[str, ...]:
        """See `ports.ConsoleHolder`. At most the last TAIL_BYTES of them."""
        first = max(start, end - TAIL_BYTES)
        chunk = self.log.read(first, max(end - first, 0))
        return tuple(harmless_lines(chunk.data[: max(end - chunk.offset, 0)]))

    def close(self) -> None:
        """The VM is destroyed: readers end once they have read everything."""
        self._closed = True
        self.wake()

    def wake(self) -> None:
        """Let every reader look again."""
        self._grown.unpark_all()

    async def wait_grown(self, last_given: float) -> bool:
        """Return when the log may have grown; False at once when the VM is destroyed and it never will. `last_given` is when this
        reader got something last, on trio's clock."""
        if self._closed:
            return False
        await self._grown.park()
        paused = trio.current_time() - last_given > GATHER_S
        await trio.sleep(FIRST_LOOK_S if paused else GATHER_S)
        return True

    async def type(self, data: bytes) -> None:
        """Send `data` to the running VM, one sender at a time; Denied when there is none, or it ends meanwhile."""
        async with self._typing:
            try:
                if self._stream is None:
                    raise trio.ClosedResourceError
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise Denied("nobody listens on this console: the VM does not run", hint="start the VM") from None

    async def _drain(self, stream: trio.abc.Stream) -> None:
        late = drained = 0
        self._grown.unpark_all()  # what the guest said before anybody listened is in the log alone
        while True:
            data: bytes | bytearray | None = None
            try:
                with trio.move_on_after(LATE_LOOKS_S[late] if late < len(LATE_LOOKS_S) else float("inf")):
                    data = await stream.receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            if data is not None and not data:
                return
            late = 0 if data else late + 1
            if late == len(LATE_LOOKS_S) or (data and trio.current_time() - self._noted_at >= NOTE_EVERY_S):
                self._note()
            drained += len(data or b"")
            if drained >= TRIM_EVERY:
                self._trim()
                drained = 0
            self._grown.unpark_all()

    def _trim(self) -> None:
        try:
            self.log.trim()
        except OSError as error:
            # Too long a history is better than a guest that stands still because nobody drains it.
            _log.warning("the console log of VM %s can't be shortened: %s", self.vm_id, error)

    def _note(self) -> None:
        """What is in the log was printed by the time of its last change, whether anybody listened or not."""
        self._noted_at = trio.current_time()
        try:
            start, end = self.log.span()
            self._times.note(end, self.log.changed_ms(), kept_from=start)
        except OSError as error:
            # The console itself matters more than when it said what.
            _log.debug("when the console of VM %s printed what can't be noted: %s", self.vm_id, error)


class Reader:
    """One reader's place in the log. No generator: it may be left anywhere without having to be closed."""

    def __init__(self, console: Console, offset: int, follow: bool) -> None:
        self._console = console
        self.offset = offset
        """See `ports.ConsoleReader`."""
        self.writer, self.size = console.typist, console.size
        """See `ports.ConsoleReader`."""
        self._follow = follow
        self._last_given = float("-inf")

    def __aiter__(self) -> Reader:
        return self

    async def __anext__(self) -> ConsoleChunk:
        await trio.lowlevel.checkpoint()
        while True:
            chunk = self._console.log.read(self.offset, READ_BYTES)
            writer, size = self._console.typist, self._console.size
            if chunk.data or ((writer, size) != (self.writer, self.size) and self._follow):
                self.writer, self.size = writer, size
                self._last_given = trio.current_time()
                self.offset = chunk.offset + len(chunk.data)
                return replace(chunk, writer=writer, size=size)
            # Nothing waits between the look at the log and this, so no growth is missed.
            if not self._follow or not await self._console.wait_grown(self._last_given):
                raise StopAsyncIteration

    def finish(self) -> None:
        """See `ports.ConsoleReader`."""
        self._follow = False
        self._console.wake()


class Writer:
    """The writer's place; satisfies `ports.ConsoleWriter`."""

    def __init__(self, holder: str, console: Console) -> None:
        self.holder = holder
        self._console = console
        self._taken_by = ""
        self._lost = trio.Event()
        self._sending = trio.CancelScope()

    async def send(self, data: bytes) -> None:
        """Type `data`; waits while the guest doesn't take it."""
        if not self._taken_by:
            self._sending = trio.CancelScope()
            with self._sending:
                await self._console.type(data)
        if self._taken_by:
            raise WriterTaken(f"{self._taken_by} took over this console", hint="take it back with --force")

    async def wait_lost(self) -> str:
        """Returns once somebody took the place: who."""
        await self._lost.wait()
        return self._taken_by

    def lose(self, taken_by: str) -> None:
        """Somebody takes the place; a send under way is given up, for the guest may never take it."""
        self._taken_by = taken_by
        self._lost.set()
        self._sending.cancel()
