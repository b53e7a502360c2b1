"""Hostile bytes: nothing raises, it doesn't matter where they are cut, and memory stays bounded."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.vt.grids import screen, states
from volant.tui.vt.interpreter import MAX_REPLIES
from volant.tui.vt.keys import encode_key
from volant.tui.vt.parser import MAX_STRING
from volant.tui.vt.search import Search, compiled
from volant.tui.vt.selection import Extent, Selection
from volant.tui.vt.terminal import Terminal
from volant.tui.vt.text import Place

PIECES = st.sampled_from(
    [
        "\x1b[", "\x1b]", "\x1bP", "\x1b_", "\x1b\\", "\x1b", "\x9b", "\x07", "\x18", "?", "<", ">", "=", "!", "$", " ", ":", ";", "0", "1",
        "2", "5", "9", "38", "48", "99999999999", "-1", "m", "H", "J", "K", "L", "M", "P", "@", "X", "S", "T", "r", "h", "l", "b", "c", "n",
        "p", "q", "s", "t", "u", "Z", "1049", "2004", "6", "\n", "\r", "\b", "\t", "\x0e", "\x0f", "(0", "#8", "D", "E", "7", "8",
        "text", "世界", "e\u0301", "\u0301", "\u200d", "\ufe0f", "👩", "\uffff", "\ufffe", "\x80", "\ud7ff", "\x7f", "\0",
    ]
)  # fmt: skip
GARBAGE = st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=120).map(lambda parts: "".join(parts).encode()))
SIZES = st.tuples(st.integers(-1, 30), st.integers(-1, 12))


def look(terminal: Terminal) -> None:
    """Everything that a viewer does with what is there."""
    terminal.take_changes()
    assert len(terminal.take_replies()) <= MAX_REPLIES
    assert terminal.title.isprintable()
    for number in range(terminal.first_line, terminal.end_line):
        line = terminal.line(number)
        assert sum(run.cells for run in line.runs()) == len(line.text) <= terminal.columns
        assert not any(ord(char) < 32 for run in line.runs() for char in run.text)
    cursor = terminal.cursor
    assert 0 <= cursor.column < terminal.columns and 0 <= cursor.row < terminal.rows
    encode_key("up", terminal.modes)
    for typed in ("e", "~.", "界"):
        search = Search(terminal, compiled(typed))
        search.after(Place(0, 0))
        search.before(Place(5, 5))
        search.spans(terminal.screen_line)
    for extent in Extent:
        Selection(Place(0, 3), Place(terminal.end_line, 9), extent).text(terminal)


@given(st.lists(st.one_of(GARBAGE, SIZES), max_size=12))
def test_no_bytes_and_no_sizes_raise(steps: list[bytes | tuple[int, int]]) -> None:
    terminal = Terminal(20, 6, scrollback_lines=30)
    for step in steps:
        if isinstance(step, bytes):
            terminal.feed(step)
        else:
            terminal.resize(*step)
        look(terminal)


@given(GARBAGE, st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_it_does_not_matter_where_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    whole, pieces = Terminal(20, 6), Terminal(20, 6)
    whole.feed(data)
    at = step = 0
    while at < len(data):
        size = cuts[step % len(cuts)]
        pieces.feed(data[at : at + size])
        at, step = at + size, step + 1
    assert screen(pieces) == screen(whole)
    assert states(pieces) == states(whole)
    assert (pieces.title, pieces.take_replies(), pieces.cursor) == (whole.title, whole.take_replies(), whole.cursor)


def endless(kind: str) -> Iterator[bytes]:
    """640 kB of one thing."""
    chunk = 20_000
    pieces = {
        "lines": lambda n: b"%d some line\r\n" % n * (chunk // 12),
        "one line": lambda n: b"x" * chunk,
        "string": lambda n: (b"\x1b]0;" if n == 0 else b"") + b"s" * chunk,
        "parameters": lambda n: (b"\x1b[" if n == 0 else b"") + b"1;" * (chunk // 2),
        "intermediates": lambda n: (b"\x1b[" if n == 0 else b"") + b" " * chunk,
        "combining": lambda n: (b"a" if n == 0 else b"") + "\u0301".encode() * (chunk // 2),
        "joiners": lambda n: "👩\u200d".encode() * (chunk // 7),
        "clusters": lambda n: "e\u0301\u0302\u0303".encode() * (chunk // 7),
        "colours": lambda n: b"".join(b"\x1b[38;2;%d;%d;%dm#" % (n, k >> 8, k & 255) for k in range(chunk // 20)),
        "titles": lambda n: b"\x1b]2;%d\x07\x1b[22t" % n * (chunk // 12),
        "questions": lambda n: b"\x1b[6n\x1b[c" * (chunk // 7),
        "tabs": lambda n: b"\x1b[9999;9999H\x1bH\x1b7" * (chunk // 16),
        "unknown": lambda n: b"".join(b"\x1b[%d;%dz" % (n, k) for k in range(chunk // 10)),
        "scrolled": lambda n: b"\x1b[999S\x1b[2J\x1b[?1049h\x1b[?1049l" * (chunk // 100),
    }  # fmt: skip
    for n in range(32):
        yield pieces[kind](n)


MOST = 500_000
"""Bytes that a terminal with 300 lines of scrollback may take, less than what was fed."""
MORE = {"clusters": 4_000_000, "colours": 12_000_000}
"""What it may take where each cell brings a string, or a style, of its own."""


@pytest.mark.parametrize(
    "kind",
    ["lines", "one line", "string", "parameters", "intermediates", "combining", "joiners", "clusters", "colours", "titles", "questions",
     "tabs", "unknown", "scrolled"],
)  # fmt: skip
def test_memory_is_bounded_whatever_never_ends(kind: str) -> None:
    terminal = Terminal(80, 24, scrollback_lines=300)
    tracemalloc.start()
    try:
        for chunk in endless(kind):
            terminal.feed(chunk)
            assert tracemalloc.get_traced_memory()[0] < MORE.get(kind, MOST)
    finally:
        tracemalloc.stop()
    terminal.feed(b"\x18\x1bc\x1b[0mback\r\n")
    assert "back" in terminal.line(terminal.screen_line).plain()


def test_a_string_that_never_ends_silences_nobody_for_good() -> None:
    terminal = Terminal()
    terminal.feed(b"\x1b]0;" + b"s" * (MAX_STRING + 10) + b"\r\nseen")
    assert any("seen" in terminal.line(number).plain() for number in range(terminal.first_line, terminal.end_line))
