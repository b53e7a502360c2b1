"""The terminal as its viewer sees it: bytes in, lines of styled runs out. Owns no socket, no clock and no widget."""

from __future__ import annotations

from dataclasses import dataclass, replace

from volant.tui.vt.interpreter import Interpreter
from volant.tui.vt.line import StoredLine
from volant.tui.vt.modes import Modes
from volant.tui.vt.parser import Parser
from volant.tui.vt.screen import Screen
from volant.tui.vt.scrollback import MAX_LINES, Scrollback


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where to draw the cursor: cells from the left and rows of the screen from the top, both from 0."""

    column: int
    row: int
    visible: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What to draw again since the last time."""

    rows: frozenset[int]
    """Rows of the screen, from 0."""
    first_line: int
    """Number of the oldest line; lower ones are gone."""
    screen_line: int
    """Number of the line in the screen's first row. A viewer that has scrolled back keeps its place by these two."""


class Terminal:
    """An 80x24 terminal, or another size, with scrollback.

    Lines are numbered from 0 for the first that there ever was; numbers grow towards the bottom of the screen and stay with their line
    until the width changes or lines are taken back from the scrollback because the height grew.
    """

    def __init__(self, columns: int = 80, rows: int = 24, *, scrollback_lines: int = MAX_LINES) -> None:
        self._scrollback = Scrollback(scrollback_lines)
        self._screen = Screen(columns, rows, self._scrollback)
        self._interpreter = Interpreter(self._screen)
        self._parser = Parser(self._interpreter)

    def feed(self, data: bytes) -> None:
        """Take what the guest printed next, cut anywhere. Never raises for any bytes."""
        self._parser.feed(data)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, within `grid.clamped`; see `Grid.resize` for what becomes of the lines."""
        self._screen.resize(columns, rows)

    @property
    def columns(self) -> int:
        return self._screen.grid.columns

    @property
    def rows(self) -> int:
        return self._screen.grid.rows

    @property
    def cursor(self) -> Cursor:
        screen = self._screen
        return Cursor(min(screen.x, screen.grid.columns - 1), screen.y, screen.modes.cursor_visible)

    @property
    def modes(self) -> Modes:
        """A copy of the modes in force."""
        return replace(self._screen.modes)

    @property
    def alternate(self) -> bool:
        """Whether a full-screen program shows the alternate screen, which has no scrollback."""
        return self._screen.grid.alternate

    @property
    def title(self) -> str:
        """What the guest wants the window called; printable characters only."""
        return self._interpreter.title

    @property
    def bells(self) -> int:
        """How often the guest rang so far."""
        return self._interpreter.bells

    def take_replies(self) -> bytes:
        """Answers to the guest's questions since the last time: to be sent by the one viewer that holds the keyboard, else dropped."""
        replies = bytes(self._interpreter.replies)
        self._interpreter.replies.clear()
        return replies

    def take_changes(self) -> Changes:
        """What changed since the last time; the first time everything."""
        grid = self._screen.grid
        rows = frozenset(range(grid.rows)) if grid.all_dirty else frozenset(row for row in grid.dirty if row < grid.rows)
        grid.dirty.clear()
        grid.all_dirty = False
        return Changes(rows, self.first_line, self.screen_line)

    @property
    def first_line(self) -> int:
        """Number of the oldest line there is."""
        return self._scrollback.first

    @property
    def screen_line(self) -> int:
        """Number of the line in the screen's first row."""
        return self._scrollback.first + len(self._scrollback)

    @property
    def end_line(self) -> int:
        """Number behind that of the screen's last line."""
        return self.screen_line + self._screen.grid.rows

    def line(self, number: int) -> StoredLine:
        """The line of that number as it is now. Raises IndexError unless `first_line` <= number < `end_line`."""
        row = number - self.screen_line
        if row < 0:
            return self._scrollback[number]
        grid = self._screen.grid
        return grid.lines[row].stored(grid.styles.styles)
