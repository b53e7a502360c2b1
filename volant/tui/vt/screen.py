"""The screen of a terminal: its cursor, its pen, and what writing and the control functions do to its cells.

Where terminals differ it does as tmux 3.3a, against which it is tested: a cursor behind the last column waits there until the next
character wraps; erasing colours cells with the pen's background (back-colour erase); a character that combines joins the cell left of
the cursor; lines that scroll off any region of the primary screen go to the scrollback.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from volant.tui.vt.grid import Grid
from volant.tui.vt.line import DEFAULT_MARK
from volant.tui.vt.modes import Modes
from volant.tui.vt.reflow import HOME, Position
from volant.tui.vt.scrollback import Scrollback
from volant.tui.vt.styles import DEFAULT, DEFAULT_COLOUR, Style
from volant.tui.vt.widths import PAD, RUN_OF_ASCII, RUN_OF_UNPRINTABLE, RUN_OF_WIDE, RUN_OF_ZERO, RUNS

_TAB_WIDTH: Final = 8
_ZERO_WIDTH_JOINER: Final = "\u200d"

LINE_DRAWING: Final = str.maketrans("`abcdefghijklmnopqrstuvwxyz{|}~", "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·")
"""DEC Special Graphics (VT100 User Guide, table 3-9)."""


@dataclass(slots=True)
class Charsets:
    """Which of the two character sets is in use, and which of them draw lines."""

    shifted: bool = False
    """G1 after SO, G0 after SI."""
    g0_draws: bool = False
    g1_draws: bool = False

    @property
    def drawing(self) -> bool:
        """Whether text is written as lines now."""
        return self.g1_draws if self.shifted else self.g0_draws


@dataclass(frozen=True, slots=True)
class SavedCursor:
    """What DECSC keeps for DECRC."""

    position: Position = HOME
    pen: Style = DEFAULT
    shifted: bool = False
    g0_draws: bool = False
    g1_draws: bool = False
    origin: bool = False


class Screen:
    """Cursor column `x` (equal to the number of columns when the next character wraps) and row `y` count from 0."""

    def __init__(self, columns: int, rows: int, scrollback: Scrollback) -> None:
        self.grid = Grid(columns, rows, scrollback)
        self.preceding = ""
        """The text directly before the control function that is being done; what REP repeats."""
        self._reset_state()

    def _reset_state(self) -> None:
        self.x = self.y = 0
        self.top, self.bottom = 0, self.grid.rows - 1
        """First and last row of the scrolling region."""
        self.modes = Modes()
        self.charsets = Charsets()
        self.saved = SavedCursor()
        self._before_alternate: SavedCursor | None = None
        self._joining = False
        self.set_pen(DEFAULT)
        self.reset_tabs()
        self.refresh_writing()

    def reset(self) -> None:
        """RIS: as new, but for the scrollback, which gets what was on the screen."""
        self.grid.show_primary(Position(0, 0))
        self.grid.clear_into_scrollback(DEFAULT_MARK)
        self._reset_state()

    def reset_softly(self) -> None:
        """DECSTR: modes, pen, character sets and region as new; cells and cursor stay."""
        self.modes.reset_softly()
        self.charsets = Charsets()
        self.saved = SavedCursor()
        self.top, self.bottom = 0, self.grid.rows - 1
        self.set_pen(DEFAULT)
        self.refresh_writing()

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as `Grid.resize` says; the region is the whole screen then, the tab stops are new if the width changed."""
        width = self.grid.columns
        self.y, self.x = self.grid.resize(columns, rows, Position(self.y, self.x))
        self.top, self.bottom = 0, self.grid.rows - 1
        if self.grid.columns != width:
            self.reset_tabs()

    def show_alternate(self, *, save_cursor: bool) -> None:
        """Change to the alternate screen, empty; the cursor stays where it is, and may be kept for the way back."""
        if not self.grid.alternate:
            self._before_alternate = SavedCursor(Position(self.y, self.x), self.pen) if save_cursor else self._before_alternate
            self.grid.show_alternate()

    def show_primary(self, *, restore_cursor: bool) -> None:
        """Change back to the primary screen; the kept cursor may be restored, even when the primary screen is shown already."""
        cursor = Position(self.y, self.x)
        if restore_cursor and self._before_alternate is not None:
            cursor = self._before_alternate.position
            self.set_pen(self._before_alternate.pen)
        cursor = self.grid.show_primary(cursor)
        self.x, self.y = min(cursor.column, self.grid.columns - 1), min(cursor.row, self.grid.rows - 1)

    def collect_styles(self) -> None:
        """Drop the styles that nothing uses any more, if there are many."""
        if self.grid.styles.full:
            self.grid.collect_styles()
            self.set_pen(self.pen)

    # ------------------------------------------------------------------------------------------------------------- pen

    def set_pen(self, pen: Style) -> None:
        """Write in this style from now on, and erase in its background."""
        self.pen = pen
        styles = self.grid.styles
        self.mark = styles.mark(pen)
        background = pen.background
        self.erase_mark = DEFAULT_MARK if background == DEFAULT_COLOUR else styles.mark(Style(background=background))

    def refresh_writing(self) -> None:
        """To be called after a change of `modes` or `charsets`: finds out whether text can be written the short way."""
        self._plain = self.modes.autowrap and not self.modes.insert and not self.charsets.drawing

    # --------------------------------------------------------------------------------------------------------- writing

    def write(self, text: str) -> None:
        """Write characters, none of them a control character."""
        if self._plain and text.isascii():
            self._write_ascii(text)
            return
        if self.charsets.drawing:
            text = text.translate(LINE_DRAWING)
        for run in RUNS.finditer(text):
            kind, characters = run.lastindex, run[0]
            if kind == RUN_OF_ASCII and self._plain:
                self._write_ascii(characters)
            elif kind == RUN_OF_ZERO:
                for character in characters:
                    self._write_combining(character)
            elif kind != RUN_OF_UNPRINTABLE:
                if self._joining and kind != RUN_OF_ASCII:
                    self._write_combining(characters[0])
                    characters = characters[1:]
                self._joining = False
                if kind == RUN_OF_WIDE:
                    self._write_cells("".join([character + PAD for character in characters]), 2)
                else:
                    self._write_cells(characters, 1)

    def _write_ascii(self, text: str) -> None:
        """The short way, for nearly everything: autowrap, nothing to insert, all characters one cell wide."""
        self._joining = False
        grid = self.grid
        columns = grid.columns
        while text:
            if self.x >= columns:
                self._wrap()
            x = self.x
            piece = text if len(text) <= columns - x else text[: columns - x]
            line = grid.lines[self.y]
            if not line.text.isascii():
                # tmux leaves the first half in column 0 when ASCII overwrites the second one.
                line.blank_halves(x, x + len(piece), leftmost=1)
            line.put(x, piece, self.mark)
            grid.dirty.add(self.y)
            self.x = x + len(piece)
            text = text[len(piece) :]

    def _write_cells(self, cells: str, width: int) -> None:
        """Write characters that take `width` cells each."""
        grid, modes = self.grid, self.modes
        columns = grid.columns
        while cells:
            if self.x > columns - width:
                if modes.autowrap:
                    self._wrap()
                elif width == 1:
                    self.x = columns - 1
                else:
                    return  # as in tmux: one that doesn't fit isn't written
            x = self.x
            room = columns - x - (columns - x) % width
            piece, cells = cells[:room], cells[room:]
            if not modes.autowrap and width == 1 and cells:
                # The cursor stays in the last column, where each character overwrites the one before.
                piece, cells = piece[:-1] + cells[-1], ""
            line = grid.lines[self.y]
            if modes.insert:
                line.insert(x, len(piece), DEFAULT_MARK, columns)
            elif not line.text.isascii():
                line.blank_halves(x, x + len(piece))
            line.put(x, piece, self.mark)
            grid.dirty.add(self.y)
            self.x = x + len(piece)
            if not modes.autowrap:
                self.x = min(self.x, columns - 1)

    def _write_combining(self, character: str) -> None:
        """Join a character to the cell left of the cursor; what follows a joiner is joined too, whatever its width."""
        if character == _ZERO_WIDTH_JOINER and not self._joining:
            self._joining = True
            return
        joined = (_ZERO_WIDTH_JOINER, character) if self._joining else (character,)
        self._joining = False
        line = self.grid.lines[self.y]
        column = self.x - 1
        while column >= 0 and line.text[column : column + 1] == PAD:
            column -= 1
        if column >= 0:
            for one in joined:
                line.combine(column, one)
            self.grid.dirty.add(self.y)

    def _wrap(self) -> None:
        self.grid.lines[self.y].wrapped = True
        self.x = 0
        self._next_line(DEFAULT_MARK)

    def repeat(self, count: int) -> None:
        """REP: write the last character again, at most to the margin."""
        if self.preceding:
            self.write(self.preceding[-1] * max(0, min(count, self.grid.columns - self.x)))

    # -------------------------------------------------------------------------------------------------- lines and tabs

    def _next_line(self, mark: str) -> None:
        if self.y == self.bottom:
            self.grid.scroll_up(self.top, self.bottom, mark)
        elif self.y < self.grid.rows - 1:
            self.y += 1

    def index(self) -> None:
        """LF, IND: down by one, scrolling at the bottom of the region."""
        self._next_line(self.erase_mark)

    def new_line(self) -> None:
        """CR and LF, NEL."""
        self.x = 0
        self._next_line(self.erase_mark)

    def reverse_index(self) -> None:
        """RI: up by one, scrolling at the top of the region."""
        if self.y == self.top:
            self.grid.scroll_down(self.top, self.bottom, self.erase_mark)
        elif self.y > 0:
            self.y -= 1

    def carriage_return(self) -> None:
        """CR."""
        self.x = 0

    def backspace(self) -> None:
        """BS: left by one; from the start of a wrapped line to the end of the one before."""
        if self.x > 0:
            self.x -= 1
        elif self.y > 0 and self.grid.lines[self.y - 1].wrapped:
            self.x, self.y = self.grid.columns - 1, self.y - 1

    def tab(self) -> None:
        """HT: to the next tab stop, or the last column."""
        last = self.grid.columns - 1
        if self.x < last:
            self.x = next((x for x in range(self.x + 1, last) if x in self.tabs), last)

    def back_tab(self, count: int) -> None:
        """CBT: to the `count`th tab stop to the left, or the first column."""
        x = min(self.x, self.grid.columns - 1)
        stops = sorted(stop for stop in self.tabs if stop < x)
        self.x = stops[-count] if count <= len(stops) else 0

    def set_tab(self) -> None:
        """HTS."""
        if self.x < self.grid.columns:
            self.tabs.add(self.x)

    def reset_tabs(self) -> None:
        """A stop at every eighth column."""
        self.tabs = set(range(_TAB_WIDTH, self.grid.columns, _TAB_WIDTH))

    # ---------------------------------------------------------------------------------------------------------- cursor

    def up(self, count: int) -> None:
        """CUU: stops at the top of the region unless it starts above."""
        self.x = min(self.x, self.grid.columns - 1)
        self.y = max(self.y - count, 0 if self.y < self.top else self.top)

    def down(self, count: int) -> None:
        """CUD: stops at the bottom of the region unless it starts below."""
        self.x = min(self.x, self.grid.columns - 1)
        self.y = min(self.y + count, self.grid.rows - 1 if self.y > self.bottom else self.bottom)

    def right(self, count: int) -> None:
        """CUF."""
        self.x = min(self.x + count, self.grid.columns - 1)

    def left(self, count: int) -> None:
        """CUB."""
        self.x = max(self.x - count, 0)

    def move_to_column(self, column: int) -> None:
        """HPA, CHA."""
        self.x = min(column, self.grid.columns - 1)

    def move_to_row(self, row: int) -> None:
        """VPA; counts from the top of the region in origin mode."""
        self.y = min(row + self.top, self.bottom) if self.modes.origin else min(row, self.grid.rows - 1)

    def move_to(self, row: int, column: int) -> None:
        """CUP."""
        self.move_to_row(row)
        self.move_to_column(column)

    def set_region(self, top: int, bottom: int) -> None:
        """DECSTBM: scroll only these rows, at least two of them, from now on; the cursor goes home."""
        last = self.grid.rows - 1
        top, bottom = min(top, last), min(bottom, last)
        if top < bottom:
            self.x = self.y = 0
            self.top, self.bottom = top, bottom

    def set_origin(self, on: bool) -> None:
        """DECOM; the cursor goes home."""
        self.modes.origin = on
        self.move_to(0, 0)

    def save_cursor(self) -> None:
        """DECSC."""
        sets = self.charsets
        self.saved = SavedCursor(Position(self.y, self.x), self.pen, sets.shifted, sets.g0_draws, sets.g1_draws, self.modes.origin)

    def restore_cursor(self) -> None:
        """DECRC."""
        saved = self.saved
        self.set_pen(saved.pen)
        self.charsets = Charsets(saved.shifted, saved.g0_draws, saved.g1_draws)
        self.modes.origin = saved.origin
        self.x = min(saved.position.column, self.grid.columns - 1)
        self.y = min(saved.position.row, self.grid.rows - 1)
        self.refresh_writing()
