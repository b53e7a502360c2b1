"""What is found on the screen and in the scrollback, and where."""

from __future__ import annotations

import pytest

from volant.proto.errors import Usage
from volant.tui.vt.search import Search, compiled
from volant.tui.vt.terminal import Terminal
from volant.tui.vt.text import Place


def printed(text: str, *, columns: int = 20, rows: int = 4) -> Terminal:
    terminal = Terminal(columns, rows)
    terminal.feed(text.replace("\n", "\r\n").encode())
    return terminal


def found(terminal: Terminal, typed: str) -> list[Place]:
    """Where all matches begin, from the top."""
    search, places = Search(terminal, compiled(typed)), []
    place = Place(-1, 0)
    while (match := search.after(place)) is not None and match.start > place:
        place = match.start
        places.append(place)
    return places


TEXT = "one error\ntwo\nError three\nfour\nfive ERROR error\n$ "


@pytest.mark.parametrize(
    ("typed", "places"),
    [
        ("error", [(0, 4), (2, 0), (4, 5), (4, 11)]),
        ("Error", [(2, 0)]),
        ("~err|f", [(0, 4), (2, 0), (3, 0), (4, 0), (4, 5), (4, 11)]),
        ("~^f", [(3, 0), (4, 0)]),
        ("~o$", [(1, 2)]),
        ("~", []),
        ("~x*", []),
        ("e.", []),
        ("nowhere", []),
    ],
)
def test_text_is_found_in_screen_and_scrollback(typed: str, places: list[tuple[int, int]]) -> None:
    assert found(printed(TEXT), typed) == places


def test_an_expression_that_cannot_be_read_is_told_with_its_place() -> None:
    with pytest.raises(Usage, match="can't be read") as raised:
        compiled("~a(b")
    assert raised.value.data["at"] == 1


def test_what_wrapping_parted_is_found_and_covers_cells_of_both_lines() -> None:
    terminal = printed("x" * 17 + "needle and more\n", columns=20)
    search = Search(terminal, compiled("needle"))
    match = search.after(Place(-1, 0))
    assert match is not None
    assert (match.start, match.end) == ((0, 17), (1, 3))
    assert [search.spans(line) for line in range(3)] == [[(17, 20)], [(0, 3)], []]


def test_wide_and_combining_characters_count_their_cells() -> None:
    terminal = printed("漢字 e\u0301x 漢x\n")
    search = Search(terminal, compiled("x"))
    assert search.spans(0) == [(6, 7), (10, 11)]
    assert Search(terminal, compiled("字")).spans(0) == [(2, 4)]
    assert Search(terminal, compiled("e\u0301")).spans(0) == [(5, 6)]


def test_next_and_previous_go_round() -> None:
    terminal = printed(TEXT)
    search = Search(terminal, compiled("error"))
    last = search.before(Place(terminal.end_line, 0))
    assert last is not None and last.start == (4, 11)
    before = search.before(last.start)
    assert before is not None and before.start == (4, 5)
    first = search.after(last.start)
    assert first is not None and first.start == (0, 4)
    again = search.before(first.start)
    assert again is not None and again.start == (4, 11)


def test_the_only_match_is_found_from_itself() -> None:
    search = Search(printed("word"), compiled("word"))
    for match in (search.after(Place(0, 0)), search.before(Place(0, 0))):
        assert match is not None and match.start == (0, 0)


def test_a_search_sees_what_is_printed_later_and_forgets_what_went() -> None:
    terminal = Terminal(20, 2, scrollback_lines=3)
    search = Search(terminal, compiled("mark"))
    assert search.after(Place(0, 0)) is None
    terminal.feed(b"mark\r\n" + b"x\r\n" * 3)
    match = search.after(Place(-1, 0))
    assert match is not None and match.start == (0, 0)
    terminal.feed(b"x\r\n" * 5)
    assert search.after(Place(-1, 0)) is None
    assert search.before(Place(10**9, 0)) is None
