"""Writes what the UI hears into a recording, and reads one: the files behind `volant tui --record` and `--replay`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from volant.proto.errors import InvalidParams, NoSuchFile, Usage
from volant.tui.model import Heard
from volant.tui.past.recording import MAX_BYTES, MAX_LINES, Head, head_line, news_line, read
from volant.tui.past.tape import Tape


class Recorder:
    """A recording that grows. Once it is full, or can't be written, it ends there; the UI goes on."""

    def __init__(self, path: str, *, place: str, ended: Callable[[str], None]) -> None:
        """Makes the file, for this user's eyes. Usage where there is one already, or it can't be made; `ended` hears later why it ended."""
        self._path, self._ended = path, ended
        self._began = time.monotonic()
        try:
            self._file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", buffering=0)  # noqa: SIM115 - it lives as long as this
        except FileExistsError:
            raise Usage(f"{path} exists already", hint="name another file for the recording") from None
        except (OSError, ValueError) as error:
            raise Usage(f"{path} can't be made: {error}", hint="name a file in a folder that you may write to") from None
        self._bytes = self._lines = 0
        self._write(head_line(place, time.time()))

    def heard(self, news: Heard) -> None:
        """Record news."""
        if not self._file.closed:
            self._write(news_line(time.monotonic() - self._began, news))

    def close(self) -> None:
        self._file.close()

    def _write(self, line: bytes) -> None:
        self._bytes += len(line)
        self._lines += 1
        if self._bytes > MAX_BYTES or self._lines > MAX_LINES:
            self._end(f"the recording {self._path} is full; what happens from now on is not in it")
            return
        try:
            written = self._file.write(line)
        except OSError as error:
            self._end(f"the recording {self._path} ended: {error.strerror}")
            return
        if written != len(line):
            self._end(f"the recording {self._path} ended: there is no room for it")

    def _end(self, why: str) -> None:
        self._file.close()
        self._ended(why)


def load(path: str) -> tuple[Head, Tape]:
    """A recording. NoSuchFile, InvalidParams."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # a FIFO would keep us waiting
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise NoSuchFile(f"{path} can't be read: {error}", hint="`volant tui --record FILE` makes a recording") from None
    head, tape = read(data or b"")
    if not len(tape):
        raise InvalidParams(f"{path} holds nothing but its beginning", hint="`volant tui --record FILE` makes a recording")
    return head, tape
