"""The lines on the screen, how they move within a scrolling region, and where they go from there."""

from __future__ import annotations

from typing import Final

from volant.tui.vt.line import DEFAULT_MARK, Line
from volant.tui.vt.reflow import BLANK, Position, reflow
from volant.tui.vt.scrollback import Scrollback
from volant.tui.vt.styles import StyleTable

MIN_COLUMNS: Final = 2
"""A wide character has to fit."""
MAX_COLUMNS: Final = 800
MAX_ROWS: Final = 250
"""A 4K display at a tiny font (5 by 9 pixels). Styles have marks for twice the cells of two such screens (`styles.MAX_STYLES`)."""


def clamped(columns: int, rows: int) -> tuple[int, int]:
    """The size nearest to the one asked for that a screen can have."""
    return min(max(columns, MIN_COLUMNS), MAX_COLUMNS), min(max(rows, 1), MAX_ROWS)


class Grid:
    """`rows` lines of `columns` cells, with what lies above them in `scrollback`. Row numbers count from the top, from 0."""

    def __init__(self, columns: int, rows: int, scrollback: Scrollback) -> None:
        self.columns, self.rows = clamped(columns, rows)
        self.scrollback = scrollback
        self.styles = StyleTable()
        self.lines = [Line() for _ in range(self.rows)]
        self.dirty: set[int] = set()
        """Rows that changed since the viewer last looked."""
        self.all_dirty = True
        """Whether all of them did."""
        self._primary: list[Line] | None = None
        self._primary_size = (self.columns, self.rows)

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown, from which nothing goes to the scrollback."""
        return self._primary is not None

    def show_alternate(self) -> None:
        """Change to an empty alternate screen."""
        if self._primary is None:
            self._primary, self._primary_size = self.lines, (self.columns, self.rows)
            self.lines = [Line() for _ in range(self.rows)]
            self.all_dirty = True

    def show_primary(self, cursor: Position) -> Position:
        """Change back to what the primary screen held, in the present size; returns where the cursor is then."""
        if self._primary is None:
            return cursor
        size = self.columns, self.rows
        self.columns, self.rows = self._primary_size
        self.lines, self._primary = self._primary, None
        self.all_dirty = True
        within = Position(min(cursor.row, self.rows - 1), min(cursor.column, self.columns))
        return self.resize(*size, within) if size != self._primary_size else within

    def blank(self, mark: str) -> Line:
        """A new line, coloured from margin to margin when `mark` is a background (back-colour erase)."""
        return Line() if mark == DEFAULT_MARK else Line(" " * self.columns, mark * self.columns)

    def scroll_up(self, top: int, bottom: int, mark: str) -> None:
        """Move the lines of the region up by one; the top one goes to the scrollback, whichever region it is, as in tmux."""
        lines = self.lines
        gone = lines.pop(top)
        if self._primary is None:
            self.scrollback.append(gone.stored(self.styles.styles))
        lines.insert(bottom, self.blank(mark))
        self.all_dirty = True

    def scroll_down(self, top: int, bottom: int, mark: str) -> None:
        """Move the lines of the region down by one; the bottom one is lost."""
        self.insert_lines(top, bottom, 1, mark)

    def insert_lines(self, row: int, bottom: int, count: int, mark: str) -> None:
        """Put blank lines in front of the one at `row`; as many are lost at the bottom of the region."""
        count = min(count, bottom + 1 - row)
        del self.lines[bottom + 1 - count : bottom + 1]
        self.lines[row:row] = [self.blank(mark) for _ in range(count)]
        self.unwrap(row - 1)
        self.all_dirty = True

    def delete_lines(self, row: int, bottom: int, count: int, mark: str) -> None:
        """Take lines out from `row` on; the region is filled with blank lines at its bottom."""
        count = min(count, bottom + 1 - row)
        self.lines[bottom + 1 : bottom + 1] = [self.blank(mark) for _ in range(count)]
        del self.lines[row : row + count]
        self.unwrap(row - 1)
        self.all_dirty = True

    def clear_lines(self, first: int, end: int, mark: str) -> None:
        """Blank whole lines, from `first` up to `end`."""
        if first >= end:
            return
        self.lines[first:end] = [self.blank(mark) for _ in range(first, end)]
        self.unwrap(first - 1)
        self.dirty.update(range(first, end))

    def clear_into_scrollback(self, mark: str) -> None:
        """Blank the screen; on the primary one the lines move to the scrollback, but for empty ones below the last text."""
        if self._primary is not None:
            self.clear_lines(0, self.rows, mark)
            return
        used = next((row for row in range(self.rows, 0, -1) if self.lines[row - 1].text.strip(" ")), 0)
        for line in self.lines[:used]:
            self.scrollback.append(line.stored(self.styles.styles))
        if used:
            self.scrollback.pullable = 0
        self.lines = [self.blank(mark) for _ in range(self.rows)]
        self.all_dirty = True

    def unwrap(self, row: int) -> None:
        """Say that the line at `row` doesn't go on in the next one; -1 is the newest line of the scrollback."""
        if row >= 0:
            self.lines[row].wrapped = False
        elif self._primary is None:
            self.scrollback.unwrap_newest()

    def collect_styles(self) -> None:
        """Drop the styles that no cell has any more."""
        lines = [*self.lines, *(self._primary or ())]
        renumbered = self.styles.collect(line.marks for line in lines)
        for line in lines:
            line.marks = renumbered(line.marks)

    def resize(self, columns: int, rows: int, cursor: Position) -> Position:
        """Change the size; returns where the cursor is then.

        As in tmux: on the primary screen wrapped lines are wrapped anew, the lines that pass the top move to the scrollback and come
        back from there when there is room. On the alternate screen lines are cut, since the guest's program draws them again; the
        primary one's are adapted when it is shown again.
        """
        columns, rows = clamped(columns, rows)
        wider = columns != self.columns
        self.columns = columns
        cursor = self._set_height(rows, cursor)
        if wider and self._primary is None:
            cursor = self._reflow(cursor)
        elif wider:
            for line in self.lines:
                line.cut(columns)
        self.all_dirty = True
        return Position(min(max(cursor.row, 0), rows - 1), min(cursor.column, columns))

    def _set_height(self, rows: int, cursor: Position) -> Position:
        """Lines below the cursor go first, then those at the top."""
        missing, self.rows = rows - self.rows, rows
        if missing < 0:
            below = min(-missing, len(self.lines) - 1 - cursor.row)
            del self.lines[len(self.lines) - below :]
            above = -missing - below
            if self._primary is None:
                for line in self.lines[:above]:
                    self.scrollback.append(line.stored(self.styles.styles))
            del self.lines[:above]
            return cursor._replace(row=cursor.row - above)
        pulled = min(missing, self.scrollback.pullable) if self._primary is None else 0
        back = [self.scrollback.pop() for _ in range(pulled)]
        self.lines[:0] = [Line.restored(line, self.styles) for line in reversed(back)]
        self.lines += [Line() for _ in range(missing - pulled)]
        return cursor._replace(row=cursor.row + pulled)

    def _reflow(self, cursor: Position) -> Position:
        """Wrap all lines anew; those that reach further up than the screen are the scrollback then."""
        pullable, above = self.scrollback.pullable, len(self.scrollback)
        old = [*self.scrollback, *(line.stored(self.styles.styles) for line in self.lines)]
        lines, cursor = reflow(old, self.columns, cursor._replace(row=cursor.row + above))
        lines += [BLANK] * (self.rows - len(lines))
        self.scrollback.replace(lines[: -self.rows], pullable)
        self.lines = [Line.restored(line, self.styles) for line in lines[-self.rows :]]
        return cursor._replace(row=cursor.row - (len(lines) - self.rows))
