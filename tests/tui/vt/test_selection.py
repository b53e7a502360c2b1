"""What is copied of what a guest printed."""

from __future__ import annotations

import pytest

from tests.tui.vt.test_search import printed
from volant.tui.vt.selection import Extent, Selection
from volant.tui.vt.text import Place

TEXT = "alpha beta gamma\nls /usr/lib  x=1\n漢字 wide\n" + "w" * 18 + "rap across two lines\nlast"


@pytest.mark.parametrize(
    ("anchor", "head", "extent", "copied"),
    [
        ((0, 6), (0, 9), Extent.CHARACTERS, "beta"),
        ((0, 9), (0, 6), Extent.CHARACTERS, "beta"),
        ((0, 11), (1, 1), Extent.CHARACTERS, "gamma\nls"),
        ((0, 11), (2, 19), Extent.CHARACTERS, "gamma\nls /usr/lib  x=1\n漢字 wide"),
        ((0, 7), (0, 7), Extent.WORDS, "beta"),
        ((1, 5), (1, 5), Extent.WORDS, "/usr/lib"),
        ((0, 8), (1, 5), Extent.WORDS, "beta gamma\nls /usr/lib"),
        ((3, 19), (3, 19), Extent.WORDS, "w" * 18 + "rap"),
        ((1, 3), (1, 3), Extent.LINES, "ls /usr/lib  x=1"),
        ((4, 0), (4, 0), Extent.LINES, "w" * 18 + "rap across two lines"),
        ((2, 5), (3, 5), Extent.LINES, "漢字 wide\n" + "w" * 18 + "rap across two lines"),
        ((0, 1), (1, 4), Extent.BLOCK, "lpha\ns /u"),
        ((1, 4), (0, 1), Extent.BLOCK, "lpha\ns /u"),
        ((2, 1), (2, 2), Extent.CHARACTERS, "漢字"),
        ((3, 16), (4, 2), Extent.BLOCK, "w" * 15 + "\nacross two line"),
        ((5, 10), (5, 12), Extent.CHARACTERS, ""),
        ((-5, 3), (0, 4), Extent.CHARACTERS, "alpha"),
        ((5, 0), (99, 4), Extent.CHARACTERS, "last"),
    ],
)
def test_a_selection_is_copied_as_it_was_printed(anchor: tuple[int, int], head: tuple[int, int], extent: Extent, copied: str) -> None:
    terminal = printed(TEXT)
    assert Selection(Place(*anchor), Place(*head), extent).text(terminal) == copied


def test_the_cells_of_a_selection_in_each_line() -> None:
    terminal = printed(TEXT)
    linear = Selection(Place(0, 6), Place(2, 1))
    assert [linear.span(terminal, line) for line in range(4)] == [(6, 20), (0, 20), (0, 2), None]
    block = Selection(Place(0, 6), Place(2, 3), Extent.BLOCK)
    assert [block.span(terminal, line) for line in range(4)] == [(3, 7), (3, 7), (2, 7), None]


def test_a_selection_stays_with_its_lines_while_the_guest_prints() -> None:
    terminal = printed("keep this\n")
    chosen = Selection(Place(0, 0), Place(0, 8))
    terminal.feed(b"more\r\n" * 50)
    assert chosen.text(terminal) == "keep this"
