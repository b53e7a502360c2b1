"""Places in a terminal's lines, and lines that wrapping joined as the one text that was printed. Search and copying build on it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from volant.tui.vt.line import StoredLine
from volant.tui.vt.terminal import Terminal
from volant.tui.vt.widths import PAD

MAX_JOINED: Final = 200
"""Lines taken as one text. A guest that never ends its line could make the whole scrollback one, which each search would go through."""


class Place(NamedTuple):
    """A cell: the number of its line, as `Terminal` counts, and its column from 0."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Neighbouring lines that are one text."""

    first: int
    """Number of the first line."""
    lines: tuple[StoredLine, ...]
    text: str
    """What is shown, without blanks at its end."""
    _starts: tuple[int, ...]
    """Where in `text` each line begins."""

    @property
    def end(self) -> int:
        """Number behind the last line's."""
        return self.first + len(self.lines)

    def place(self, index: int) -> Place:
        """The cell of the character at `index` of the text; behind the last one for its length."""
        row = max(at for at, start in enumerate(self._starts) if start <= index)
        cells = self.lines[row].cells()
        left = index - self._starts[row]
        for column, cell in enumerate(cells):
            if left < len(cell):
                return Place(self.first + row, column)
            left -= len(cell)
        return Place(self.first + row, len(cells))

    def index(self, place: Place) -> int:
        """Where in the text the cell's character begins; the text's length for a cell behind it."""
        row = place.line - self.first
        cells = self.lines[row].cells()[: place.column]
        return min(self._starts[row] + sum(map(len, cells)), len(self.text))


def joined_at(terminal: Terminal, number: int) -> Joined:
    """The text that the line of this number is a part of."""
    first = number
    while first > terminal.first_line and number - first < MAX_JOINED and terminal.line(first - 1).wrapped:
        first -= 1
    lines = [terminal.line(first)]
    while lines[-1].wrapped and first + len(lines) < terminal.end_line and len(lines) < MAX_JOINED:
        lines.append(terminal.line(first + len(lines)))
    shown = [line.shown(0, len(line.text)) for line in lines]
    starts = tuple(accumulate(map(len, shown[:-1]), initial=0))
    return Joined(first, tuple(lines), "".join(shown).rstrip(" "), starts)


def is_second_half(line: StoredLine, column: int) -> bool:
    """Whether the cell is the right half of a wide character."""
    return line.text[column : column + 1] == PAD
