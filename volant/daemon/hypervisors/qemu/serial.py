"""The serial line of one QEMU: what the guest prints is read from its log, and what is typed goes through a FIFO.

A socket would do for both, but QEMU logs a byte that a full socket refuses, tries it again, and logs it again. Each byte is a message of
its own there, of which some 270 fill the socket: with every pause of whoever drains it the log had bytes twice. This way QEMU is refused
nothing, and a guest never stands still because of us.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from volant.daemon.host.growth import GrowthWatch
from volant.proto.errors import ConnectionLost, LaunchFailed

PREFIX = "line"
"""QEMU's `pipe` opens this with `.in` and with `.out`, each for reading and writing: so it never sees an end of what is typed."""
READ_BYTES = 65_536
"""One read: what a guest prints in some milliseconds at full speed."""


@dataclass(frozen=True, slots=True)
class SerialFiles:
    """What QEMU opens: a folder of its own, for it gets a descriptor of that, and every other path is closed to its user."""

    folder: Path

    @classmethod
    def of(cls, runtime_dir: Path) -> SerialFiles:
        return cls(runtime_dir / "console")

    @property
    def typed(self) -> Path:
        """The FIFO."""
        return self.folder / f"{PREFIX}.in"

    @property
    def printed(self) -> Path:
        """Leads to /dev/null: QEMU's log has it all."""
        return self.folder / f"{PREFIX}.out"

    @contextmanager
    def made(self, owner: tuple[int, int]) -> Iterator[int]:
        """The files, new ones whatever a dead VMM left there; the folder's descriptor meanwhile. `owner`: user and group of the VMM.
        LaunchFailed."""
        try:
            fd = self._make(owner)
        except OSError as error:
            raise LaunchFailed(f"can't make {self.folder}: {error.strerror}", hint="let the daemon write its runtime folder") from None
        try:
            yield fd
        finally:
            os.close(fd)

    def _make(self, owner: tuple[int, int]) -> int:
        self.remove()
        self.folder.mkdir()
        self.folder.chmod(0o711)
        os.mkfifo(self.typed, 0o600)
        os.chown(self.typed, *owner)
        self.printed.symlink_to(os.devnull)
        return os.open(self.folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def remove(self) -> None:
        """Take the names away."""
        shutil.rmtree(self.folder, ignore_errors=True)


class SerialLine(trio.abc.Stream):
    """Received is what the guest prints from now on; `end` is called when the VMM is dead."""

    def __init__(self, files: SerialFiles, log: Path, growth: GrowthWatch) -> None:
        """OSError when there are no such files; ConnectionLost when no VMM has them open."""
        with ExitStack() as stack:
            try:
                self._typed = os.open(files.typed, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                raise ConnectionLost("nobody listens on the VM's console", hint="see whether the VM still runs") from None
            stack.callback(os.close, self._typed)
            self._log = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, self._log)
            self._growing = stack.enter_context(growth.watching(log))
            self._offset = os.fstat(self._log).st_size
            self._open: ExitStack | None = stack.pop_all()
        self._over = False

    def end(self) -> None:
        """No more is printed."""
        self._over = True
        self._growing.lot.unpark_all()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        while self._open is not None:
            over = self._over
            # A log whose old part was cut is shorter than it was.
            self._offset = min(self._offset, os.fstat(self._log).st_size)
            data = os.pread(self._log, max_bytes or READ_BYTES, self._offset)
            self._offset += len(data)
            if data or over:
                return data
            await self._growing.wait()
        raise trio.ClosedResourceError

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        await trio.lowlevel.checkpoint()
        while view:
            if self._open is None:
                raise trio.ClosedResourceError
            try:
                view = view[os.write(self._typed, view) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._typed)
            except BrokenPipeError:
                raise trio.BrokenResourceError from None

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.wait_writable(self._typed)

    async def aclose(self) -> None:
        if self._open is not None:
            trio.lowlevel.notify_closing(self._typed)
            opened, self._open = self._open, None
            self._growing.lot.unpark_all()
            opened.close()
        await trio.lowlevel.checkpoint()
