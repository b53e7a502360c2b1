"""The file behind a console: absolute offsets, a bounded amount of disk."""

from __future__ import annotations

import os
from pathlib import Path

from volant.daemon.host.files import first_data, punch_hole
from volant.daemon.ports import ConsoleChunk

CONSOLE_KEEP = 4 * 1024 * 1024
"""Bytes of history kept: some hundred boots, or ten minutes of a guest that prints without a pause on a real serial line."""

TRIM_STEP = 1024 * 1024
"""How far the log may grow beyond that before its old part goes, so that trimming is rare."""

_BLOCK = 4096
"""Holes are punched in whole file system blocks; a part of one would only be zeroed."""


class ConsoleLog:
    """Reads and bounds a file that somebody else appends to."""

    def __init__(self, path: Path, *, keep: int = CONSOLE_KEEP, step: int = TRIM_STEP) -> None:
        self._path = path
        self._keep = keep
        self._step = step
        self._base = 0
        """Offset of the file's first byte: grows only where the file system can't punch holes and the file is cut instead."""
        self._start: int | None = None
        """Offset of the first byte kept; None until the file was there to look at."""

    def span(self) -> tuple[int, int]:
        """Offsets of the first byte kept and of the end."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return self._base, self._base
        try:
            return self._span(fd)
        finally:
            os.close(fd)

    def changed_ms(self) -> int:
        """When it was last written to, in milliseconds since 1970; 0 when there is none."""
        try:
            return self._path.stat().st_mtime_ns // 1_000_000
        except FileNotFoundError:
            return 0

    def read(self, offset: int, length: int) -> ConsoleChunk:
        """Up to `length` bytes from `offset`, or from the first byte kept if that comes later; no data at the end."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return ConsoleChunk(offset, b"")
        try:
            start, _ = self._span(fd)
            at = max(offset, start)
            return ConsoleChunk(at, os.pread(fd, length, at - self._base), missed=at - offset)
        finally:
            os.close(fd)

    def trim(self) -> None:
        """Give the old part's disk space back if there is more than is to be kept."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            start, end = self._span(fd)
            if end - start <= self._keep + self._step:
                return
            # In the file, from a block's beginning on.
            new_start = (end - self._keep - self._base) // _BLOCK * _BLOCK
            if punch_hole(fd, 0, new_start):
                self._start = self._base + new_start
            else:
                self._cut(fd, end)
        finally:
            os.close(fd)

    def _span(self, fd: int) -> tuple[int, int]:
        if self._start is None:
            self._start = self._base + first_data(fd)
        return self._start, self._base + os.fstat(fd).st_size

    def _cut(self, fd: int, end: int) -> None:
        """Write the kept part anew into the emptied file. What the VMM appends meanwhile may stand before it: the price of a
        file system without holes."""
        kept = os.pread(fd, self._keep, end - self._keep - self._base)
        os.ftruncate(fd, 0)
        os.write(fd, kept)
        self._start = self._base = end - len(kept)
