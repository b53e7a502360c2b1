"""When a serial line printed what: a sparse index in a file beside its log.

An entry says that by its time everything before its offset had been printed. They are 16 bytes each, two little-endian 64-bit numbers: the
offset, and milliseconds since 1970 (UTC). Both only grow.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

MAX_MARKS = 16_384
"""256 KiB: the times of a guest that prints all the while to the second for four hours, and of what it printed before to some seconds."""

_MARK = struct.Struct("<QQ")

Mark = tuple[int, int]
"""An offset, and the milliseconds since 1970 by which everything before it had been printed."""


class ConsoleTimes:
    """Grows mark by mark. What is wrong in the file, such as half a mark, is passed over and written anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._latest: Mark = (0, 0)
        self._count: int | None = None
        """Marks in the file; None until it was looked at."""

    @property
    def offset(self) -> int:
        """Of the newest mark."""
        self._look()
        return self._latest[0]

    def note(self, offset: int, at_ms: int, *, kept_from: int = 0) -> None:
        """By this time everything before `offset` had been printed; what lies before `kept_from` is no longer kept. OSError when it can't
        be written down."""
        count = self._look()
        if offset < self._latest[0]:  # another log stands in the place of the one that this is of
            self._path.unlink(missing_ok=True)
            count, self._latest = 0, (0, 0)
        if offset == self._latest[0]:
            return
        if count >= MAX_MARKS:
            count = self._thin(kept_from)
        self._latest = (offset, max(at_ms, self._latest[1]))  # the host's clock may have been set back
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(fd, _MARK.pack(*self._latest), count * _MARK.size)
            os.ftruncate(fd, (count + 1) * _MARK.size)  # what was wrong behind it might look right one day
        finally:
            os.close(fd)
        self._count = count + 1

    def marks(self) -> list[Mark]:
        """All there are, in order."""
        try:
            data = self._path.read_bytes()[: MAX_MARKS * _MARK.size]
        except FileNotFoundError:
            return []
        found: list[Mark] = []
        for offset, at_ms in _MARK.iter_unpack(data[: len(data) - len(data) % _MARK.size]):
            if found and (offset <= found[-1][0] or at_ms < found[-1][1]):
                break  # a power cut left something else here
            found.append((offset, at_ms))
        return found

    def _look(self) -> int:
        if self._count is None:
            marks = self.marks()
            self._count, self._latest = len(marks), marks[-1] if marks else (0, 0)
        return self._count

    def _thin(self, kept_from: int) -> int:
        """Make room: marks of what is gone go, and if these are few, every other one of the older half. How many are left."""
        marks = [mark for mark in self.marks() if mark[0] >= kept_from]
        half = len(marks) // 2
        if len(marks) > MAX_MARKS * 3 // 4:
            marks = [*marks[:half:2], *marks[half:]]
        # In place and without a sync, which would hold up the whole daemon: where it is cut short the marks grow no more, and end there.
        with self._path.open("r+b") as file:
            file.write(b"".join(_MARK.pack(*mark) for mark in marks))
            file.truncate()
        return len(marks)
