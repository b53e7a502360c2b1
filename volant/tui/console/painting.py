"""A guest's lines as what the canvas shows. Pure.

The look of a cell travels as a style's name, `vt` and numbers, that `themes.Look` reads. Whatever a guest printed, the text takes exactly
its cells on the viewer's terminal: a character that terminals disagree on is shown by its base alone, or by U+FFFD.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from volant.client.cli.text import harmless, width_of
from volant.tui.lines import Line, Span
from volant.tui.vt.line import StoredLine
from volant.tui.vt.styles import DEFAULT, Attribute, Style

PREFIX = "vt "
"""Begins the name of a style that a guest chose."""
_KNOWN = 4_096
"""Names kept: more than a screen of colourful programs uses. One more costs a microsecond."""

MATCH = Style(foreground=0, background=3, attributes=int(Attribute.UNDERLINE))
CURRENT = Style(foreground=0, background=11, attributes=int(Attribute.UNDERLINE | Attribute.BOLD))
"""What was found, and which of them is looked at; underlined, so that it is seen without colours too."""


class Mark(NamedTuple):
    """Cells that look different from how the guest wants them."""

    first: int
    end: int
    style: Style | None
    """None: as the guest wants them, reversed."""


@lru_cache(_KNOWN)
def named(style: Style) -> str:
    """The name of a style."""
    return "" if style == DEFAULT else f"{PREFIX}{style.foreground} {style.background} {style.underline_colour} {style.attributes}"


def read(name: str) -> Style:
    """The style of a name that `named` gave."""
    return Style(*map(int, name.removeprefix(PREFIX).split(" ")))


def painted(line: StoredLine, width: int, marks: Iterable[Mark] = ()) -> Line:
    """At most `width` columns of a line; marks lie over it, the later ones on top."""
    marks = [mark for mark in marks if mark.first < mark.end]
    if marks or line.clusters or not line.text.isascii() or len(line.text) > width:
        return _by_cell(line, width, marks)
    return tuple([(run.text, named(run.style)) for run in line.runs()])


def _by_cell(line: StoredLine, width: int, marks: Iterable[Mark]) -> Line:
    cells = line.cells()[: width + 1]
    if cells[width : width + 1] == [""] and width:
        cells[width - 1] = " "  # half of a wide character is no character
    del cells[width:]
    styles: list[Style] = []
    for end, style in line.spans or ((len(line.text), DEFAULT),):
        styles += [style] * (end - len(styles))
    del styles[width:]
    for first, end, marked in marks:
        missing = min(end, width) - len(cells)
        cells += [" "] * missing
        styles += [DEFAULT] * missing
        for at in range(first, min(end, width)):
            styles[at] = marked or styles[at]._replace(attributes=styles[at].attributes ^ int(Attribute.REVERSE))
    spans: list[Span] = []
    start = 0
    for at in range(1, len(cells) + 1):
        # The second half of a wide character is drawn with the first one, whatever its own style.
        if at == len(cells) or (styles[at] != styles[start] and cells[at]):
            text = "".join([_shown(cell, 1 + (cells[n + 1 : n + 2] == [""])) for n, cell in enumerate(cells[start:at], start) if cell])
            spans.append((text, named(styles[start])))
            start = at
    return tuple(spans)


@lru_cache(_KNOWN)
def _shown(cell: str, columns: int) -> str:
    """A cell's character with what combines with it, in exactly so many columns on every terminal."""
    for text in (cell, cell[0]):
        if width_of(text) == columns and harmless(text) == text:
            return text
    return "\ufffd".ljust(columns)
