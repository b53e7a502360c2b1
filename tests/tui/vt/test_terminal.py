"""What a viewer of the terminal relies on, by value; how it takes what programs print is held against tmux elsewhere."""

from __future__ import annotations

import pytest

from volant.tui.vt.interpreter import MAX_REPLIES, MAX_TITLE
from volant.tui.vt.modes import CursorShape, MouseEncoding, MouseTracking
from volant.tui.vt.styles import DEFAULT, RGB, Attribute, Style
from volant.tui.vt.terminal import Changes, Cursor, Terminal


def printed(text: str, *, columns: int = 10, rows: int = 3, scrollback_lines: int = 100) -> Terminal:
    terminal = Terminal(columns, rows, scrollback_lines=scrollback_lines)
    terminal.feed(text.encode())
    return terminal


def texts(terminal: Terminal) -> list[str]:
    return [terminal.line(number).plain() for number in range(terminal.first_line, terminal.end_line)]


def test_changes_name_the_rows_to_draw_again() -> None:
    terminal = printed("one\r\ntwo")
    assert terminal.take_changes() == Changes(frozenset({0, 1, 2}), 0, 0)
    assert terminal.take_changes() == Changes(frozenset(), 0, 0)
    terminal.feed(b"\x1b[1;5Hx\x1b[3;1Hy")
    assert terminal.take_changes().rows == {0, 2}
    terminal.feed(b"\r\n")
    assert terminal.take_changes() == Changes(frozenset({0, 1, 2}), 0, 1)


def test_lines_keep_their_numbers_until_they_are_dropped() -> None:
    terminal = printed("".join(f"line {n}\r\n" for n in range(10)), scrollback_lines=4)
    assert (terminal.first_line, terminal.screen_line, terminal.end_line) == (4, 8, 11)
    assert texts(terminal) == ["line 4", "line 5", "line 6", "line 7", "line 8", "line 9", ""]
    with pytest.raises(IndexError, match="the oldest is 4"):
        terminal.line(3)
    with pytest.raises(IndexError):
        terminal.line(11)


def test_the_cursor_is_where_the_next_character_goes_or_in_the_last_column() -> None:
    terminal = printed("abc")
    assert terminal.cursor == Cursor(3, 0, visible=True)
    terminal.feed(b"\x1b[?25l1234567")
    assert terminal.cursor == Cursor(9, 0, visible=False)


def test_a_line_comes_in_runs_of_one_style() -> None:
    line = printed("a\x1b[1;31mbc\x1b[0;48;2;1;2;3m世\x1b[m!").line(0)
    assert line.runs() == (
        ("a", DEFAULT, 1),
        ("bc", Style(1, attributes=int(Attribute.BOLD)), 2),
        ("世", Style(background=RGB | 0x010203), 2),
        ("!", DEFAULT, 1),
    )
    assert line.cells() == ["a", "b", "c", "世", "", "!"]
    assert line.shown(1, 5) == "bc世"


@pytest.mark.parametrize(
    ("colour", "foreground"), [("38;2;255;0;16", RGB | 0xFF0010), ("38;2;256;0;0", -1), ("38;5;200", 200), ("97", 15), ("38;2;1;2", -1)]
)
def test_colours(colour: str, foreground: int) -> None:
    assert printed(f"\x1b[{colour}mx").line(0).runs()[0].style.foreground == foreground


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("\x1b[6n", "\x1b[1;1R"),
        ("ab\r\nc\x1b[6n", "\x1b[2;2R"),
        ("\x1b[5n", "\x1b[0n"),
        ("\x1b[c", "\x1b[?1;2c"),
        ("\x1b[>c", "\x1b[>0;0;0c"),
        ("\x1b[18t", "\x1b[8;3;10t"),
        ("\x1b[?2004h\x1b[?2004$p", "\x1b[?2004;1$y"),
        ("\x1b[?2026$p", "\x1b[?2026;0$y"),
        ("\x1b]0;me\x07\x1b[21t", ""),
        ("\x1b]52;c;?\x07\x1b]10;?\x07\x1bP+q544e\x1b\\", ""),
    ],
)
def test_questions_are_answered_but_nothing_is_told_of_the_viewer(question: str, answer: str) -> None:
    terminal = printed(question)
    assert terminal.take_replies().decode() == answer
    assert terminal.take_replies() == b""


def test_answers_that_nobody_takes_are_dropped() -> None:
    terminal = printed("\x1b[6n" * 10_000)
    assert len(terminal.take_replies()) <= MAX_REPLIES


def test_a_title_is_one_line_of_bounded_length() -> None:
    assert printed("\x1b]2;a\u202eb\x07").title == "ab"
    assert printed(f"\x1b]0;{'t' * 9_999}\x07").title == "t" * MAX_TITLE


def test_modes_are_a_copy_of_what_programs_set() -> None:
    terminal = printed("\x1b[?1h\x1b=\x1b[?2004h\x1b[?1002h\x1b[?1006h\x1b[?1004h\x1b[4 q\a\a")
    modes = terminal.modes
    assert modes.application_cursor and modes.application_keypad and modes.bracketed_paste and modes.focus_events
    assert (modes.mouse, modes.mouse_encoding) == (MouseTracking.DRAG, MouseEncoding.SGR)
    assert (modes.cursor_shape, modes.cursor_blinking) == (CursorShape.UNDERLINE, False)
    assert terminal.bells == 2
    modes.application_cursor = False
    assert terminal.modes.application_cursor


def test_a_full_screen_program_leaves_what_was_there() -> None:
    terminal = printed("$ vi\r\n\x1b[?1049h\x1b[2J\x1b[Hfile")
    assert terminal.alternate and texts(terminal) == ["file", "", ""]
    terminal.feed(b"\x1b[?1049l")
    assert not terminal.alternate and texts(terminal) == ["$ vi", "", ""]


def test_a_new_width_wraps_anew_and_a_new_height_takes_lines_back() -> None:
    terminal = printed("0123456789abc\r\n1\r\n2\r\n$ ")
    assert texts(terminal) == ["0123456789", "abc", "1", "2", "$"]
    terminal.resize(20, 3)
    assert texts(terminal) == ["0123456789abc", "1", "2", "$"]
    terminal.resize(20, 4)
    assert terminal.screen_line == terminal.first_line
    terminal.resize(0, 0)
    assert (terminal.columns, terminal.rows) == (2, 1)
