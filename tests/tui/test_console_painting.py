"""How a guest's cells are drawn: exactly as wide as they are, in its colours, and harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color

from volant.client.cli.text import harmless
from volant.tui.console.painting import CURRENT, MATCH, Mark, named, painted, read
from volant.tui.lines import Line, columns_of, text_of
from volant.tui.themes import Look
from volant.tui.vt.styles import DEFAULT, RGB, Attribute, Style
from volant.tui.vt.terminal import Terminal


def drawn(text: str, *, width: int = 40, marks: tuple[Mark, ...] = ()) -> Line:
    terminal = Terminal(40, 2)
    terminal.feed(text.encode())
    return painted(terminal.line(0), width, marks)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("世界x", "世界x"),
        ("e\u0301x", "e\u0301x"),
        ("─│┌", "─│┌"),
        ("👩\u200d👩\u200d👧x", "👩x"),
        ("❤\ufe0fx", "❤x"),
        ("a\u202eb", "ab"),
    ],
)
def test_every_cell_takes_its_columns_on_every_terminal(text: str, shown: str) -> None:
    assert text_of(drawn(text)) == shown


def test_styles_come_in_runs_with_names_that_can_be_read_back() -> None:
    assert drawn("a\x1b[1;31mbc\x1b[m d") == (("a", ""), ("bc", "vt 1 -1 -1 1"), (" d", ""))
    for style in (DEFAULT, Style(3, RGB | 0x102030, 200, int(Attribute.BOLD | Attribute.CURLY_UNDERLINE))):
        assert not named(style) if style == DEFAULT else read(named(style)) == style


def test_a_narrow_pane_cuts_without_half_characters() -> None:
    assert drawn("abcdef", width=3) == (("abc", ""),)
    assert text_of(drawn("世界世", width=5)) == "世界 "


def test_marks_lie_over_the_guests_styles_and_beyond_its_text() -> None:
    reverse = f"vt -1 -1 -1 {int(Attribute.REVERSE)}"
    assert drawn("abc", marks=(Mark(1, 2, None),)) == (("a", ""), ("b", reverse), ("c", ""))
    assert drawn("a", marks=(Mark(2, 4, None),)) == (("a ", ""), ("  ", reverse))
    found = drawn("one two", marks=(Mark(0, 7, MATCH), Mark(4, 7, CURRENT)))
    assert found == (("one ", named(MATCH)), ("two", named(CURRENT)))
    assert drawn("\x1b[7mx", marks=(Mark(0, 1, None),)) == (("x", ""),)


def test_colours_and_attributes_become_the_terminals_own() -> None:
    look = Look("ansi")
    style = look[named(Style(9, RGB | 0x010203, -1, int(Attribute.BOLD | Attribute.STRIKE | Attribute.DOUBLE_UNDERLINE)))]
    assert style.color == Color.from_ansi(9) and style.bgcolor == Color.from_rgb(1, 2, 3)
    assert style.bold and style.strike and style.underline and not style.dim
    mono = Look("mono")[named(Style(9, 4, -1, int(Attribute.REVERSE)))]
    assert mono.color is None and mono.bgcolor is None and mono.reverse
    assert look["no such style"] == look[""]


@given(
    st.lists(st.one_of(st.text(max_size=12), st.sampled_from(["世", "\u0301", "\u200d", "\x1b[7m", "\ufe0f", "\u202e"])), max_size=20).map(
        "".join
    ),
    st.integers(1, 45),
)
def test_whatever_is_printed_fits_and_is_harmless(text: str, width: int) -> None:
    for marks in ((), (Mark(0, 40, MATCH),)):
        line = drawn(text.replace("\n", ""), width=width, marks=marks)
        assert columns_of(line) <= width
        assert harmless(text_of(line)) == text_of(line)
        if marks:
            assert columns_of(line) == min(width, 40)
