"""A terminal with a person at it: the command on a pseudo-terminal, what it shows, and what is typed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from tests.patience import PATIENCE_S


class Terminal:
    """One command on a pseudo-terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str], *, columns: int = 80, rows: int = 24) -> None:
        self.keyboard, self._theirs = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self._theirs)
        self.screen = b""
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            preexec_fn=_control,
        )

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.keyboard, text)

    def see(self, text: bytes) -> bytes:
        """Everything shown up to here, as soon as `text` is among it."""
        end = time.monotonic() + PATIENCE_S
        while text not in self.screen:
            assert time.monotonic() < end and self._read(), f"{text!r} never came; there is {self.screen!r}"
        return self.screen

    def finish(self) -> tuple[int, str]:
        """Wait for its end: the exit code, and all that was shown, with plain line ends."""
        end = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end; there is {self.screen!r}"
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode, self.screen.decode().replace("\r\n", "\n")

    @property
    def restored(self) -> bool:
        """The terminal's settings are what they were."""
        return termios.tcgetattr(self._theirs) == self.before

    @property
    def raw(self) -> bool:
        return not termios.tcgetattr(self._theirs)[3] & termios.ICANON

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.keyboard)
        os.close(self._theirs)

    def _read(self, seconds: float = 1.0) -> bool:
        ready, _, _ = select.select([self.keyboard], [], [], seconds)
        if ready:
            self.screen += os.read(self.keyboard, 65_536)
        return bool(ready) or seconds == 1.0


def _control() -> None:
    """In the child: the pseudo-terminal becomes the one that its Ctrl-C and its hang-up come from."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
