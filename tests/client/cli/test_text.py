"""Text of guests and peers on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.client.cli import text

HOSTILE = "\x1b]0;owned\x07 \x9b31m \x1b[2J\x7f \u202egnp.exe\u2066 \ufeff"


def controls(value: str) -> list[str]:
    return [char for char in value if ord(char) < 32 or 0x7F <= ord(char) < 0xA0 or char in "\u202e\u2066\ufeff"]


@given(st.text())
def test_nothing_that_a_terminal_obeys_survives(value: str) -> None:
    assert controls(text.harmless(value)) == []
    assert set(controls(text.harmless_block(value))) <= {"\n", "\t"}
    assert set(controls(text.harmless_log_line(value, colour=False))) <= {"\n", "\t"}


def test_controls_are_spelled_out() -> None:
    assert text.harmless("a\x1b[31mb\nc\td") == r"a\x1b[31mb\nc\td"
    assert text.harmless(HOSTILE).startswith(r"\x1b]0;owned\x07 \x9b31m")
    assert text.harmless("Grüße, 世界") == "Grüße, 世界"


def test_a_block_keeps_its_lines() -> None:
    assert text.harmless_block("one\r\ntwo\tx\rthree\x1b[A") == "one\ntwo\tx\\rthree\\x1b[A"


def test_log_colours_stay_only_where_colours_are_wanted_and_end_with_the_line() -> None:
    line = "\x1b[31mred\x1b[2J"
    assert text.harmless_log_line(line, colour=True) == "\x1b[31mred\\x1b[2J\x1b[0m"
    assert text.harmless_log_line(line, colour=False) == "red\\x1b[2J"


@pytest.mark.parametrize(
    ("value", "width", "cut"),
    [("web-1", 5, "web-1"), ("web-10", 5, "web-…"), ("世界世界", 5, "世界…"), ("世界世界", 4, "世…"), ("abc", 1, "…"), ("abc", 0, "")],
)
def test_cut_counts_columns(value: str, width: int, cut: str) -> None:
    assert text.cut(value, width) == cut
    assert text.width_of(text.cut(value, width)) <= width


@given(st.text(max_size=40), st.integers(0, 50))
def test_cut_never_exceeds_its_width(value: str, width: int) -> None:
    assert text.width_of(text.cut(text.harmless(value), width)) <= width


def test_a_tsv_field_holds_no_tab_and_no_line_end() -> None:
    assert text.tsv_field("a\tb\nc\\d") == "a\\tb\\nc\\\\d"
