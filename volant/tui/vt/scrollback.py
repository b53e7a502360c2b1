"""The lines that left the top of the screen: the newest of them, bounded in number and in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from volant.tui.vt.line import StoredLine

MAX_LINES: Final = 10_000
"""Kept unless said otherwise: a day of an ordinary guest's console, about 4 MB."""
MAX_BYTES: Final = 32 << 20
"""However long and colourful the lines are. Ten thousand lines of 200 columns with ten colours each fit in."""


class Scrollback:
    """A ring of lines, oldest first. A line keeps its number for ever; `first` is the oldest one's that is still there."""

    def __init__(self, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        self._lines: deque[StoredLine] = deque()
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._bytes = 0
        self.first = 0
        """How many lines were dropped so far."""
        self.pullable = 0
        """How many of the newest lines may come back when the screen grows: those that no clearing came after."""

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[StoredLine]:
        return iter(self._lines)

    def __getitem__(self, number: int) -> StoredLine:
        """The line of that number. Raises IndexError for one that was dropped or isn't there yet."""
        if number < self.first:
            raise IndexError(f"line {number} was dropped; the oldest is {self.first}")
        return self._lines[number - self.first]

    def append(self, line: StoredLine) -> None:
        """Take the newest line; the oldest ones go when there are too many."""
        lines = self._lines
        lines.append(line)
        self._bytes += line.size()
        self.pullable += 1
        while len(lines) > self._max_lines or self._bytes > self._max_bytes:
            self._bytes -= lines.popleft().size()
            self.first += 1
        self.pullable = min(self.pullable, len(lines))

    def pop(self) -> StoredLine:
        """Give the newest line back to the screen."""
        line = self._lines.pop()
        self._bytes -= line.size()
        self.pullable -= 1
        return line

    def unwrap_newest(self) -> None:
        """Say that the newest line doesn't go on in the one after it."""
        if self._lines and self._lines[-1].wrapped:
            self._lines[-1].wrapped = False

    def clear(self) -> None:
        """Drop all lines."""
        self.first += len(self._lines)
        self._lines.clear()
        self._bytes = self.pullable = 0

    def replace(self, lines: list[StoredLine], pullable: int) -> None:
        """Have these lines instead, because the width changed; they are numbered anew, behind all numbers given so far."""
        self.clear()
        for line in lines:
            self.append(line)
        self.pullable = min(pullable, len(self._lines))
