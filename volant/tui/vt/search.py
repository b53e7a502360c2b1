"""Finding text on the screen and in the scrollback."""

from __future__ import annotations

import re
from typing import NamedTuple

from volant.proto.errors import Usage
from volant.tui.vt.terminal import Terminal
from volant.tui.vt.text import Joined, Place, joined_at


class Match(NamedTuple):
    """Where a match begins, and where the cell behind its last one is; they may be in different lines, joined by wrapping."""

    start: Place
    end: Place


def compiled(typed: str) -> re.Pattern[str]:
    """What is searched for: plain text, or a regular expression behind `~`. Without a capital letter case doesn't matter. Usage."""
    regular = typed.startswith("~")
    pattern = typed[1:] if regular else re.escape(typed)
    sensitive = any(letter.isupper() for letter in re.sub(r"\\.", "", typed))  # but not the one of \S
    try:
        return re.compile(pattern, 0 if sensitive else re.IGNORECASE)
    except re.error as error:
        raise Usage(f"the expression can't be read: {error}", hint="without ~ it is searched for as it is typed", at=error.pos) from None


class Search:
    """One pattern in one terminal, whatever it prints meanwhile."""

    def __init__(self, terminal: Terminal, pattern: re.Pattern[str]) -> None:
        self._terminal, self._pattern = terminal, pattern

    def spans(self, number: int) -> list[tuple[int, int]]:
        """The cells of this line that matches cover: first column, and the one behind the last."""
        spans = []
        for start, end in self._matches(joined_at(self._terminal, number)):
            if start.line <= number <= end.line:
                first = start.column if start.line == number else 0
                last = end.column if end.line == number else self._terminal.columns
                if first < last:
                    spans.append((first, last))
        return spans

    def after(self, place: Place) -> Match | None:
        """The next match that begins behind `place`; behind the last one comes the first."""
        terminal = self._terminal
        begin = min(max(place.line, terminal.first_line), terminal.end_line - 1)
        number, wrapped = begin, False
        while True:
            text = joined_at(terminal, number)
            for match in self._matches(text):
                if wrapped or match.start > place:
                    return match
            number = text.end
            if number >= terminal.end_line:
                if wrapped:
                    return None
                number, wrapped = terminal.first_line, True
            elif wrapped and number > begin:
                return None

    def before(self, place: Place) -> Match | None:
        """The nearest match that begins before `place`; before the first one comes the last."""
        terminal = self._terminal
        begin = min(max(place.line, terminal.first_line), terminal.end_line - 1)
        number, wrapped = begin, False
        while True:
            text = joined_at(terminal, number)
            for match in reversed(self._matches(text)):
                if wrapped or match.start < place:
                    return match
            number = text.first - 1
            if number < terminal.first_line:
                if wrapped:
                    return None
                number, wrapped = terminal.end_line - 1, True
            elif wrapped and number < begin:
                return None

    def _matches(self, text: Joined) -> list[Match]:
        """Those of one text, in order; empty ones are none."""
        return [
            Match(text.place(found.start()), _behind(text, found.end() - 1))
            for found in self._pattern.finditer(text.text)
            if found.end() > found.start()
        ]


def _behind(text: Joined, index: int) -> Place:
    """The cell behind that of the character, in the same line."""
    line, column = text.place(index)
    cells = text.lines[line - text.first].cells()
    return Place(line, column + (2 if cells[column + 1 : column + 2] == [""] else 1))
