"""Wrapping lines anew after the width changed."""

from __future__ import annotations

from typing import Final, NamedTuple

from volant.tui.vt.line import StoredLine
from volant.tui.vt.styles import DEFAULT, Style
from volant.tui.vt.widths import PAD

BLANK: Final = StoredLine("", (), False)


class Position(NamedTuple):
    """A place between cells; both numbers count from 0. A column may be one behind the last: the next character wraps."""

    row: int
    column: int


HOME: Final = Position(0, 0)


def reflow(lines: list[StoredLine], columns: int, cursor: Position) -> tuple[list[StoredLine], Position]:
    """The lines with each group that is joined by wrapping cut at the new margin, and where the cursor is then.

    A cursor behind the text of its line stays behind the text, as in tmux.
    """
    result: list[StoredLine] = []
    moved = cursor
    start = 0
    while start < len(lines):
        end = start
        while lines[end].wrapped and end + 1 < len(lines):
            end += 1
        group = lines[start : end + 1]
        pieces = _cut(_joined(group), columns) if len(group) > 1 or len(group[0].text) > columns else group
        if start <= cursor.row <= end:
            offset = sum(len(line.text) for line in lines[start : cursor.row]) + cursor.column
            behind = cursor.column >= len(lines[cursor.row].text)
            moved = _placed(pieces, None if behind else offset, len(result))
        result += pieces
        start = end + 1
    return result, moved


def _placed(pieces: list[StoredLine], offset: int | None, row: int) -> Position:
    """Where the cell at `offset` of all the pieces is, None being behind the last; `row` is that of the first piece."""
    for piece in pieces[:-1]:
        if offset is not None and offset < len(piece.text):
            break
        row += 1
        offset = offset - len(piece.text) if offset is not None else None
    return Position(row, len(pieces[-1].text) if offset is None else offset)


def _joined(group: list[StoredLine]) -> StoredLine:
    spans: list[tuple[int, Style]] = []
    clusters: dict[int, str] = {}
    length = 0
    for line in group:
        spans += [(length + end, style) for end, style in line.spans or ((len(line.text), DEFAULT),)]
        clusters.update({length + column: cluster for column, cluster in (line.clusters or {}).items()})
        length += len(line.text)
    return StoredLine("".join(line.text for line in group), tuple(spans), group[-1].wrapped, clusters or None)


def _cut(line: StoredLine, columns: int) -> list[StoredLine]:
    """Pieces of at most `columns` cells; a wide character that would be cut goes to the next piece whole."""
    pieces: list[StoredLine] = []
    spans = list(reversed(line.spans))
    clusters = sorted((line.clusters or {}).items(), reverse=True)
    start = 0
    while start < len(line.text) or not pieces:
        end = min(start + columns, len(line.text))
        if line.text[end : end + 1] == PAD and end - start > 1:
            end -= 1
        own: list[tuple[int, Style]] = []
        while spans and start < end:
            span_end, style = spans[-1]
            own.append((min(span_end, end) - start, style))
            if span_end > end:
                break
            spans.pop()
        combined: dict[int, str] = {}
        while clusters and clusters[-1][0] < end:
            at, cluster = clusters.pop()
            combined[at - start] = cluster
        pieces.append(StoredLine(line.text[start:end], tuple(own), True, combined or None))
        start = end
    pieces[-1].wrapped = line.wrapped
    return pieces
