"""What our terminal holds, in the form that tmux's grid is read in, and the comparison of the two."""

from __future__ import annotations

from tests.tui.vt.tmux import Pane, Row
from volant.tui.vt.line import StoredLine
from volant.tui.vt.modes import MouseEncoding, MouseTracking
from volant.tui.vt.styles import DEFAULT
from volant.tui.vt.terminal import Terminal
from volant.tui.vt.widths import PAD


def cells(line: StoredLine, columns: int) -> Row:
    """The line's cells up to the margin, but not the second ones of wide characters."""
    styles = [style for (end, style), (start, _) in zip(line.spans, ((0, DEFAULT), *line.spans), strict=False) for _ in range(start, end)]
    styles += [DEFAULT] * (columns - len(styles))
    clusters = line.clusters or {}
    text = line.text.ljust(columns)
    return [(clusters.get(column, text[column]), styles[column]) for column in range(columns) if text[column] != PAD]


def screen(terminal: Terminal) -> list[Row]:
    """All rows of the screen."""
    return [cells(terminal.line(number), terminal.columns) for number in range(terminal.screen_line, terminal.end_line)]


def states(terminal: Terminal) -> dict[str, str]:
    """What tmux has format variables for, by their names."""
    modes, cursor = terminal.modes, terminal.cursor
    flags = {
        "alternate_on": terminal.alternate,
        "cursor_flag": modes.cursor_visible,
        "insert_flag": modes.insert,
        "wrap_flag": modes.autowrap,
        "origin_flag": modes.origin,
        "keypad_cursor_flag": modes.application_cursor,
        "keypad_flag": modes.application_keypad,
        "mouse_standard_flag": modes.mouse is MouseTracking.CLICKS,
        "mouse_button_flag": modes.mouse is MouseTracking.DRAG,
        "mouse_all_flag": modes.mouse is MouseTracking.MOTION,
        "mouse_sgr_flag": modes.mouse_encoding is MouseEncoding.SGR,
    }
    return {"cursor_y": str(cursor.row), **{name: str(int(flag)) for name, flag in flags.items()}}


def assert_same(terminal: Terminal, pane: Pane, *, scrollback: bool = True) -> None:
    """Hold cursor, modes, scrollback, the joining of wrapped lines, and every cell of the screen against tmux."""
    ours = states(terminal)
    theirs = dict(zip(ours, pane.states(*ours), strict=True))
    assert ours == theirs
    # A cursor that waits behind the last column is drawn in it.
    assert terminal.cursor.column == min(int(pane.states("cursor_x")[0]), terminal.columns - 1)
    if scrollback:
        lines = [cells(terminal.line(number), terminal.columns) for number in range(terminal.first_line, terminal.screen_line)]
        history = pane.history()
        assert len(lines) == len(history)
        for number, (line, row) in enumerate(zip(lines, history, strict=True)):
            assert line[: len(row)] == row, f"line {number} of the scrollback"
    for number, (mine, (theirs_row, last)) in enumerate(zip(screen(terminal), pane.screen(), strict=True)):
        if len(mine) == len(theirs_row) + 1 and last is not None:
            theirs_row = [*theirs_row, last]
        assert mine == theirs_row, f"row {number}"
