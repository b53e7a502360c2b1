"""What is drawn, before any terminal is involved: a line is a row of spans, a span is text and the name of its style. Pure.

Screens return lines; `canvas` turns them into what Textual shows, `themes` says what a style's name looks like. Text from guests and
peers must have gone through `harmless` before it gets here.
"""

from __future__ import annotations

import re

from volant.client.cli.text import cut, pad, width_of

Span = tuple[str, str]
"""Text, and the name of its style (see `themes.STYLES`); "" is plain text."""
Line = tuple[Span, ...]

BLANK: Line = ()


def text_of(line: Line) -> str:
    """The line without its styles."""
    return "".join(text for text, _ in line)


def columns_of(line: Line) -> int:
    """How many columns the line takes."""
    return sum([len(text) if text.isascii() else width_of(text) for text, _ in line])


def clipped(line: Line, width: int) -> Line:
    """At most `width` columns of the line; what is cut off shows as an ellipsis."""
    if columns_of(line) <= width:
        return line
    kept: list[Span] = []
    left = width
    for text, style in line:
        taken = width_of(text)
        if taken >= left:
            # Something follows, or it would have fitted: the ellipsis belongs here.
            kept.append((cut(text, left) if taken > left else cut(text + " ", left), style))
            break
        kept.append((text, style))
        left -= taken
    return tuple(span for span in kept if span[0])


def filled(line: Line, width: int, style: str = "") -> Line:
    """Exactly `width` columns: cut, or filled up with blanks of `style`."""
    missing = width - columns_of(line)
    if missing < 0:
        line = clipped(line, width)
        missing = width - columns_of(line)  # a wide character at the edge leaves a column
    return (*line, (" " * missing, style)) if missing > 0 else line


def justified(left: Line, right: Line, width: int, style: str = "") -> Line:
    """`left` at the left edge and `right` at the right one; where there is not room for both, `right` goes first."""
    room = width - columns_of(right)
    if columns_of(left) + 1 > room:
        return filled(left, width, style)
    return (*filled(left, room, style), *right)


def restyled(line: Line, style: str) -> Line:
    """The same text in one style."""
    return ((text_of(line), style),)


def folded(line: Line, width: int, style: str = "") -> list[Line]:
    """The line in as many lines of at most `width` columns as it takes; what does not fit goes below, behind two blanks of `style`."""
    if columns_of(line) <= width:
        return [line]
    lines: list[list[Span]] = [[]]
    used = 0
    for text, style in line:
        for word in re.findall(" *[^ ]+| +$", text):
            if used and used + width_of(word) > width:
                lines.append([("  ", style)])
                word, used = word.lstrip(), 2
            lines[-1].append((word, style))
            used += width_of(word)
    return [clipped(tuple(spans), width) for spans in lines]


def wrapped(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` columns, broken at blanks where there are any."""
    pieces: list[str] = []
    width = max(width, 1)
    for paragraph in text.split("\n"):
        current = ""
        for word in paragraph.split(" "):
            while width_of(word) > width:
                if current:
                    pieces.append(current)
                    current = ""
                piece = word[:width]
                while width_of(piece) > width and len(piece) > 1:
                    piece = piece[:-1]
                pieces.append(piece)
                word = word[len(piece) :]
            joined = f"{current} {word}" if current else word
            if width_of(joined) > width:
                pieces.append(current)
                joined = word
            current = joined
        pieces.append(current)
    return pieces


def cell(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` columns."""
    if len(text) <= width and text.isascii():  # nearly all, many times a second
        return text.rjust(width) if right else text.ljust(width)
    return pad(cut(text, width), width, right=right)
