"""One line of cells: while it is on the screen, as two strings of one length; once it can't change, as runs of styles.

The strings (`Line.text`, `Line.marks`) hold one character for each cell, so that writing, erasing, inserting and deleting are cuts and
joins in C whatever their length. Cells behind the strings' end are blank.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from volant.tui.vt.styles import DEFAULT, Style, StyleTable
from volant.tui.vt.widths import PAD, is_wide, whole

DEFAULT_MARK: Final = "\0"
"""`StyleTable`'s mark of the default style."""
MAX_CLUSTER_BYTES: Final = 21
"""UTF-8 bytes of one cell's character with all that combines with it, as in tmux."""

_SAME_MARK = re.compile(r"(.)\1*", re.DOTALL)


class Run(NamedTuple):
    """Neighbouring cells of one style."""

    text: str
    style: Style
    cells: int
    """Columns that the text takes, which is more than its length with wide characters and less with combining ones."""


class Line:
    """A line of the screen. Column numbers count cells from 0."""

    __slots__ = ("clusters", "marks", "text", "wrapped")

    def __init__(self, text: str = "", marks: str = "") -> None:
        self.text = text
        """A character for each cell; the second cell of a wide one is PAD."""
        self.marks = marks
        """The mark of each cell's style; as long as `text`."""
        self.clusters: dict[int, str] | None = None
        """What to show instead of the bare character in columns where others combine with it."""
        self.wrapped = False
        """Whether the text goes on in the next line because it reached the margin."""

    def put(self, column: int, text: str, mark: str) -> None:
        """Overwrite cells from `column` on with one style."""
        count = len(text)
        old = self.text
        length = len(old)
        if column == length:
            self.text = old + text
            self.marks += mark * count
            return
        if column > length:
            self.text = old + " " * (column - length) + text
            self.marks += DEFAULT_MARK * (column - length) + mark * count
            return
        end = column + count
        self.text = old[:column] + text + old[end:]
        self.marks = self.marks[:column] + mark * count + self.marks[end:]
        if self.clusters:
            self._drop_clusters(column, end)

    def combine(self, column: int, mark: str) -> None:
        """Add a combining character to the cell; one too many is dropped."""
        self._pad_to(column + 1)
        clusters = self.clusters = self.clusters or {}
        cluster = clusters.get(column, self.text[column]) + mark
        if len(cluster.encode()) <= MAX_CLUSTER_BYTES:
            clusters[column] = cluster

    def erase(self, first: int, end: int, mark: str) -> None:
        """Blank the cells from `first` up to `end`, in the style of `mark`."""
        length = len(self.text)
        if mark != DEFAULT_MARK:
            self.put(first, " " * (end - first), mark)
        elif end >= length:
            if first < length:
                self.text, self.marks = self.text[:first], self.marks[:first]
        else:
            self.put(first, " " * (end - first), mark)
        if self.clusters:
            self._drop_clusters(first, end)

    def insert(self, column: int, count: int, mark: str, columns: int) -> None:
        """Shift the cells from `column` on to the right; what passes the last of the `columns` is lost."""
        if column >= len(self.text) and mark == DEFAULT_MARK:
            return
        self._pad_to(column)
        self.text = (self.text[:column] + " " * count + self.text[column:])[:columns]
        self.marks = (self.marks[:column] + mark * count + self.marks[column:])[:columns]
        if self.clusters:
            self.clusters = {
                at + count * (at >= column): cluster for at, cluster in self.clusters.items() if at < column or at + count < columns
            }

    def delete(self, column: int, count: int, mark: str, columns: int) -> None:
        """Take cells out and shift the rest to the left; the cells freed at the end are blank in the style of `mark`."""
        if mark != DEFAULT_MARK:
            self._pad_to(columns)
        end = column + count
        freed = 0 if mark == DEFAULT_MARK else count
        self.text = self.text[:column] + self.text[end:] + " " * freed
        self.marks = self.marks[:column] + self.marks[end:] + mark * freed
        if self.clusters:
            self.clusters = {at - count * (at >= end): cluster for at, cluster in self.clusters.items() if not column <= at < end}

    def blank_halves(self, column: int, end: int, *, leftmost: int = 0) -> None:
        """Blank those halves of wide characters that overwriting the cells from `column` up to `end` would leave.

        A first half in front of the `leftmost` column stays, and is shown as a blank all the same.
        """
        text = self.text
        if text[end : end + 1] == PAD:
            self.put(end, " ", DEFAULT_MARK)
        if text[column : column + 1] == PAD and column > leftmost and is_wide(text[column - 1]):
            self.put(column - 1, " ", DEFAULT_MARK)

    def cut(self, columns: int) -> None:
        """Drop the cells from column `columns` on."""
        self.text, self.marks = self.text[:columns], self.marks[:columns]
        if self.clusters:
            self._drop_clusters(columns, sys.maxsize)

    @classmethod
    def restored(cls, stored: StoredLine, styles: StyleTable) -> Line:
        """A line of the screen that looks as the stored one."""
        marks, start = [], 0
        for end, style in stored.spans or ((len(stored.text), DEFAULT),):
            marks.append(styles.mark(style) * (end - start))
            start = end
        line = cls(stored.text, "".join(marks))
        line.wrapped = stored.wrapped
        line.clusters = dict(stored.clusters) if stored.clusters else None
        return line

    def stored(self, styles: Sequence[Style]) -> StoredLine:
        """The line as it is now, independent of marks."""
        marks = self.marks
        spans: tuple[tuple[int, Style], ...]
        if not marks:
            spans = ()
        elif not marks.strip(marks[0]):
            spans = () if marks[0] == DEFAULT_MARK else ((len(marks), styles[ord(marks[0])]),)
        else:
            spans = tuple((found.end(), styles[ord(found[1])]) for found in _SAME_MARK.finditer(marks))
        return StoredLine(self.text, spans, self.wrapped, self.clusters.copy() if self.clusters else None)

    def _pad_to(self, length: int) -> None:
        missing = length - len(self.text)
        if missing > 0:
            self.text += " " * missing
            self.marks += DEFAULT_MARK * missing

    def _drop_clusters(self, first: int, end: int) -> None:
        self.clusters = {at: cluster for at, cluster in (self.clusters or {}).items() if not first <= at < end} or None


@dataclass(slots=True)
class StoredLine:
    """A line as it was at one moment: what scrolled off the screen, or a snapshot of what is on it."""

    text: str
    """As `Line.text`."""
    spans: tuple[tuple[int, Style], ...]
    """Where each run of one style ends (the column behind it), and the style; empty when all is in the default style."""
    wrapped: bool
    """As `Line.wrapped`."""
    clusters: dict[int, str] | None = None
    """As `Line.clusters`."""

    def runs(self) -> tuple[Run, ...]:
        """What to draw, from column 0 on; behind the last run the line is blank."""
        text = whole(self.text)
        runs, start = [], 0
        for end, style in self.spans or ((len(text), DEFAULT),):
            if end > start:
                runs.append(Run(self._shown(text, start, end), style, end - start))
            start = end
        return tuple(runs)

    def shown(self, first: int, end: int) -> str:
        """The text in the cells from `first` up to `end`."""
        return self._shown(whole(self.text), first, end)

    def cells(self) -> list[str]:
        """What each cell shows; an empty string for the second cell of a wide character."""
        cells = list(whole(self.text))
        for column, cluster in (self.clusters or {}).items():
            if cells[column] == self.text[column]:  # not when it is the half of a wide one
                cells[column] = cluster
        return ["" if cell == PAD else cell for cell in cells]

    def plain(self) -> str:
        """The text without styles, to its last cell that isn't blank (to the margin when it is wrapped)."""
        text = self._shown(whole(self.text), 0, len(self.text))
        return text if self.wrapped else text.rstrip(" ")

    def size(self) -> int:
        """About how many bytes of memory the line takes."""
        return _LINE_BYTES + sys.getsizeof(self.text) + _SPAN_BYTES * len(self.spans) + _CLUSTER_BYTES * len(self.clusters or ())

    def _shown(self, text: str, start: int, end: int) -> str:
        if not self.clusters:
            return text[start:end].replace(PAD, "")
        return "".join(self.cells()[start:end])


_LINE_BYTES: Final = 120
_SPAN_BYTES: Final = 200
_CLUSTER_BYTES: Final = 350
"""Of a StoredLine itself, of a span with a style of its own, and of a cluster with its place in the dict, on 64-bit CPython 3.11."""
