"""Choosing a part of what the terminal shows, and its text for copying."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from volant.tui.vt.terminal import Terminal
from volant.tui.vt.text import Place, is_second_half, joined_at

_WORD: Final = re.compile(r"[\w./:@%+~-]+|\s+|[^\w\s./:@%+~-]+")
"""Words as people copy them: names, paths and addresses whole; between them blanks, and runs of other signs."""


class Extent(Enum):
    """What a selection is made of."""

    CHARACTERS = "characters"
    """From one cell to another, with whole lines between them."""
    WORDS = "words"
    """The same, to the ends of the words there."""
    LINES = "lines"
    """Whole lines, with all that wrapping joined to them."""
    BLOCK = "block"
    """The rectangle between two corners."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What lies between two cells, both of which belong to it, in whichever order."""

    anchor: Place
    head: Place
    extent: Extent = Extent.CHARACTERS

    def bounds(self, terminal: Terminal) -> tuple[Place, Place]:
        """The first cell and the last one, within the lines that are still there."""
        oldest = Place(terminal.first_line, 0)
        newest = Place(terminal.end_line - 1, terminal.columns - 1)
        first, last = sorted(min(max(place, oldest), newest) for place in (self.anchor, self.head))
        if self.extent is Extent.WORDS:
            return _word(terminal, first)[0], _word(terminal, last)[1]
        if self.extent is Extent.LINES:
            return Place(joined_at(terminal, first.line).first, 0), Place(joined_at(terminal, last.line).end - 1, terminal.columns - 1)
        return first, last

    def span(self, terminal: Terminal, number: int) -> tuple[int, int] | None:
        """The cells of this line that belong to it: first column, and the one behind the last; None when there are none."""
        return self._span(terminal, number, *self.bounds(terminal))

    def text(self, terminal: Terminal) -> str:
        """What is selected. Lines that only wrapping parted are one, blanks at the ends of lines are left out."""
        first, last = self.bounds(terminal)
        parts = []
        for number in range(first.line, last.line + 1):
            span = self._span(terminal, number, first, last)
            line = terminal.line(number)
            shown = line.shown(*span) if span is not None else ""
            goes_on = line.wrapped and self.extent is not Extent.BLOCK and number < last.line
            parts.append(shown if goes_on else shown.rstrip(" ") + "\n")
        return "".join(parts).removesuffix("\n")

    def _span(self, terminal: Terminal, number: int, first: Place, last: Place) -> tuple[int, int] | None:
        if not first.line <= number <= last.line:
            return None
        if self.extent is Extent.BLOCK:
            left, right = sorted((self.anchor.column, self.head.column))
        else:
            left = first.column if number == first.line else 0
            right = last.column if number == last.line else terminal.columns - 1
        line = terminal.line(number)
        # Half of a wide character can't be selected.
        return left - is_second_half(line, left), right + 1 + is_second_half(line, right + 1)


def _word(terminal: Terminal, place: Place) -> tuple[Place, Place]:
    """First and last cell of the word at `place`; the cell itself where nothing was printed."""
    text = joined_at(terminal, place.line)
    index = text.index(place)
    for found in _WORD.finditer(text.text):
        if found.start() <= index < found.end():
            return text.place(found.start()), text.place(found.end() - 1)
    return place, place
