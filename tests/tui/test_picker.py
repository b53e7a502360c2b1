"""Choosing a line of a stream that goes on."""

from __future__ import annotations

import pytest

from volant.tui.screens import reader
from volant.tui.screens.picker import Picker


def picker(count: int, room: int = 5) -> Picker[int]:
    made: Picker[int] = Picker()
    made.add(range(count))
    made.view(room)
    return made


def test_none_is_chosen_while_the_end_is_followed() -> None:
    lines = picker(20)
    assert (lines.chosen, lines.line) == (None, 19)
    lines.act("down")
    lines.add([20])
    assert (lines.view(5)[-1], lines.chosen, lines.line) == (20, None, 20)


def test_going_up_chooses_the_line_above_the_newest_and_scrolls_only_when_it_must() -> None:
    lines = picker(20)
    lines.act("up")
    assert (lines.view(5), lines.chosen, lines.line) == ([15, 16, 17, 18, 19], 3, 18)
    for _ in range(4):
        lines.act("up")
    assert (lines.view(5), lines.chosen, lines.line) == ([14, 15, 16, 17, 18], 0, 14)


def test_the_chosen_line_stays_while_others_come_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "KEPT_LINES", 20)
    lines: Picker[int] = Picker()
    lines.add(range(20))
    lines.view(5)
    lines.act("up")
    lines.add(range(20, 30))
    assert lines.line == 18
    assert lines.view(5)[lines.chosen or 0] == 18


def test_the_ends_are_reached_and_not_passed() -> None:
    lines = picker(20)
    lines.act("first")
    assert (lines.view(5), lines.line) == ([0, 1, 2, 3, 4], 0)
    lines.act("up")
    assert lines.line == 0
    lines.act("page.down")
    lines.act("page.down")
    assert lines.line == 8
    lines.act("last")
    assert (lines.chosen, lines.line) == (None, 19)


def test_down_onto_the_newest_line_chooses_it_and_does_not_follow() -> None:
    lines = picker(20)
    lines.act("up")
    lines.act("down")
    lines.add([20])
    assert lines.line == 19


def test_a_filter_keeps_the_chosen_line_where_it_takes_it() -> None:
    lines = picker(20)
    for _ in range(5):
        lines.act("up")
    assert lines.line == 14
    lines.filter(lambda number: number % 2 == 0)
    assert lines.line == 14
    lines.filter(lambda number: number % 2 == 1)
    assert lines.line in lines.shown
    lines.filter(lambda number: False)
    assert lines.view(5) == []
    assert lines.chosen is None


def test_fewer_lines_than_there_is_room() -> None:
    lines = picker(2)
    lines.act("up")
    assert (lines.view(5), lines.chosen) == ([0, 1], 0)
