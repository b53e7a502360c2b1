"""What of a terminal's lines is seen: following the end or scrolled back, with what was searched for and what is selected. Pure."""

from __future__ import annotations

from typing import Final

from volant.tui.console.painting import CURRENT, MATCH, Mark, painted
from volant.tui.lines import Line
from volant.tui.vt.search import Match, Search, compiled
from volant.tui.vt.selection import Extent, Selection
from volant.tui.vt.terminal import Terminal
from volant.tui.vt.text import Place

_EXTENTS: Final = {"select": Extent.CHARACTERS, "select.words": Extent.WORDS, "select.lines": Extent.LINES, "select.block": Extent.BLOCK}
"""Actions of context `copy` that begin to select, or go on with another kind."""


class View:
    """Lines are numbered as `Terminal` numbers them."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._top: int | None = None
        """Number of the first line that is seen; None: the end is followed."""
        self._height = 1
        self._search: Search | None = None
        self._match: Match | None = None
        self._copying: Place | None = None
        self._anchor: Place | None = None
        self._extent = Extent.CHARACTERS
        self._drawn: dict[int, Line] = {}
        """Lines as they were painted, but for those with marks."""
        self._drawn_as: object = None

    # ----------------------------------------------------------------------------------------------------------- drawing

    def lines(self, width: int, height: int, *, cursor: bool) -> list[Line]:
        """What is seen in so much room; `cursor`: with the guest's."""
        terminal = self._terminal
        self._height = height
        self._forget_changed(width)
        first = self.first
        shown = terminal.cursor
        cursor_line = terminal.screen_line + shown.row if cursor and shown.visible and self._copying is None else -1
        selection = self.selection
        found: list[Line] = []
        for number in range(first, min(first + height, terminal.end_line)):
            marks = self._marks(number, selection)
            if number == cursor_line:
                marks.append(Mark(shown.column, shown.column + 1, None))
            if marks:
                found.append(painted(terminal.line(number), width, marks))
                continue
            line = self._drawn.get(number)
            if line is None:
                line = self._drawn[number] = painted(terminal.line(number), width)
            found.append(line)
        return found

    def _forget_changed(self, width: int) -> None:
        terminal = self._terminal
        changes = terminal.take_changes()
        drawn_as = (width, terminal.columns, terminal.rows, changes.screen_line)
        if drawn_as != self._drawn_as:
            # Lines that scrolled away may have changed before they did.
            self._drawn_as = drawn_as
            self._drawn.clear()
        for row in changes.rows:
            self._drawn.pop(changes.screen_line + row, None)

    def _marks(self, number: int, selection: Selection | None) -> list[Mark]:
        marks = [Mark(*span, MATCH) for span in self._search.spans(number)] if self._search is not None else []
        if self._match is not None and self._match.start.line <= number <= self._match.end.line:
            start, end = self._match
            first = start.column if number == start.line else 0
            marks.append(Mark(first, end.column if number == end.line else self._terminal.columns, CURRENT))
        if selection is not None and (chosen := selection.span(self._terminal, number)) is not None:
            marks.append(Mark(*chosen, None))
        if self._copying is not None and self._copying.line == number:
            marks.append(Mark(self._copying.column, self._copying.column + 1, CURRENT if selection is not None else None))
        return marks

    # --------------------------------------------------------------------------------------------------------- scrolling

    @property
    def first(self) -> int:
        """Number of the first line that is seen."""
        terminal = self._terminal
        if self._top is not None:
            return max(terminal.first_line, min(self._top, self._last_top))
        # The whole screen where it fits, with what is above it; else the part with the cursor.
        if terminal.rows <= self._height:
            return self._last_top
        return terminal.screen_line + max(0, terminal.cursor.row - self._height + 1)

    @property
    def _last_top(self) -> int:
        return max(self._terminal.first_line, self._terminal.end_line - self._height)

    @property
    def following(self) -> bool:
        return self._top is None

    @property
    def below(self) -> int:
        """How many lines there are below what is seen; 0 while the end is followed."""
        return 0 if self._top is None else max(0, self._terminal.end_line - self.first - self._height)

    def follow(self) -> None:
        """See the end from now on."""
        self._top = None

    def scroll(self, by: int) -> None:
        """Up or down by so many lines; at the end it is followed."""
        top = max(self._terminal.first_line, self.first + by)
        self._top = top if top < self._last_top else None

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal this size; what is seen stays as far from the end as it was."""
        terminal = self._terminal
        if (terminal.columns, terminal.rows) == (columns, rows):
            return
        back = terminal.end_line - self.first
        terminal.resize(columns, rows)
        self._top = None if self._top is None else terminal.end_line - back
        self._match = self._copying = self._anchor = None

    def act(self, action: str) -> bool:
        """Do what an action of context `text` means; whether it is one."""
        page = max(1, self._height - 1)
        steps = {"down": 1, "up": -1, "page.down": page, "page.up": -page}
        if action in steps:
            self.scroll(steps[action])
        elif action == "first":
            self.scroll(self._terminal.first_line - self._terminal.end_line)
        elif action == "last":
            self.follow()
        else:
            return False
        return True

    # --------------------------------------------------------------------------------------------------------- searching

    def search(self, typed: str) -> bool:
        """Highlight what is searched for, and go to the nearest match above the end of what is seen; whether there is one. Usage."""
        self._match = None
        self._search = Search(self._terminal, compiled(typed)) if typed.removeprefix("~") else None
        return self._go_to(self._search.before(Place(self.first + self._height, 0)) if self._search is not None else None)

    @property
    def searching(self) -> bool:
        return self._search is not None

    def end_search(self) -> None:
        self._search = self._match = None

    def next_match(self, *, up: bool) -> bool:
        """Go to the next match upwards or downwards, round the ends; whether there is one."""
        if self._search is None:
            return False
        here = self._match.start if self._match is not None else Place(self.first + self._height, 0)
        return self._go_to(self._search.before(here) if up else self._search.after(here))

    def _go_to(self, match: Match | None) -> bool:
        if match is not None:
            self._match = match
            self._see(match.start.line)
            if self._copying is not None:
                self._copying = match.start
        return match is not None

    def _see(self, number: int) -> None:
        """Scroll so that the line is seen: in the middle, where it was not."""
        if not self.first <= number < self.first + self._height:
            self.scroll(number - self._height // 2 - self.first)

    # ----------------------------------------------------------------------------------------------------------- copying

    @property
    def copying(self) -> bool:
        """Whether copy mode is on: a cursor of its own, and what it selects."""
        return self._copying is not None

    @property
    def selection(self) -> Selection | None:
        if self._copying is None or self._anchor is None:
            return None
        return Selection(self._anchor, self._copying, self._extent)

    def begin_copying(self) -> None:
        """A cursor where the guest's is, or in the middle of what is seen."""
        terminal = self._terminal
        cursor = Place(terminal.screen_line + terminal.cursor.row, terminal.cursor.column)
        seen = self.first <= cursor.line < self.first + self._height
        self._copying = self._match.start if self._match is not None else cursor if seen else Place(self.first + self._height // 2, 0)
        self._anchor = None
        self._top = self.first  # what is selected must not run away

    def end_copying(self) -> None:
        self._copying = self._anchor = None
        self.follow()

    def copy(self, action: str) -> bool:
        """Do what an action of context `copy` means to cursor and selection; whether it is one."""
        if self._copying is None:
            return False
        if action in _EXTENTS:
            extent = _EXTENTS[action]
            self._anchor = None if self._anchor is not None and extent is self._extent else self._anchor or self._copying
            self._extent = extent
            return True
        moved = self._moved(action, self._copying)
        if moved is None:
            return False
        terminal = self._terminal
        line = max(terminal.first_line, min(moved.line, terminal.end_line - 1))
        self._copying = Place(line, max(0, min(moved.column, terminal.columns - 1)))
        if line < self.first:
            self._top = line
        elif line >= self.first + self._height:
            self._top = line - self._height + 1
        return True

    def _moved(self, action: str, at: Place) -> Place | None:
        page, terminal = max(1, self._height - 1), self._terminal
        steps = {"down": (1, 0), "up": (-1, 0), "left": (0, -1), "right": (0, 1), "page.down": (page, 0), "page.up": (-page, 0)}
        if action in steps:
            return Place(at.line + steps[action][0], at.column + steps[action][1])
        match action:
            case "first":
                return Place(terminal.first_line, 0)
            case "last":
                return Place(terminal.end_line - 1, 0)
            case "line.begin":
                return Place(at.line, 0)
            case "line.end":
                return Place(at.line, len(terminal.line(at.line).plain()) - 1)
            case "word.next" | "word.previous":
                return self._word(at, up=action == "word.previous")
        return None

    def _word(self, at: Place, *, up: bool) -> Place:
        found = Search(self._terminal, _WORDS)
        match = found.before(at) if up else found.after(at)
        return match.start if match is not None and (match.start < at) == up else at


_WORDS: Final = compiled(r"~\S+")
