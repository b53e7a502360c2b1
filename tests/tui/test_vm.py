"""One VM at the UI: what it costs beside its facts, and its events, beside the pages and as a page with a cursor."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tui.desks import Seat, event, fault
from tests.tui.scenes import FLEET, fleet, overview, then
from volant.tui import effects
from volant.tui.lines import columns_of, text_of
from volant.tui.model import Happened
from volant.tui.screens.detail import told

WEB = FLEET[4]


def opened(*, width: int = 80) -> Seat:
    """The page of web-01, on a terminal of so many columns."""
    seat = fleet()
    seat.type("G k enter")
    seat.screen(width, 30)
    return seat


def test_the_overview_tells_what_it_costs_as_that_is_pushed() -> None:
    screen = overview()().screen(140, 30)
    assert "▆▇▇ 80% of 100%" in screen
    assert "98M resident" in screen


def test_a_vm_that_does_not_run_has_no_figures() -> None:
    seat = fleet()
    seat.type("G k k enter")
    assert "memory  " not in seat.screen()


def test_events_stand_beside_the_pages_where_there_is_room_and_are_asked_for_once() -> None:
    narrow, wide = opened(), opened(width=140)
    assert [method for method, _ in narrow.asked()] == ["vm.get"]
    wide.screen(140, 30)
    asked = wide.asked()
    assert asked == [("vm.get", "web-01"), ("event.list", {"vm": WEB["id"], "last": 200})]
    wide.answer(WEB, {"items": [event(4, "VM_RUNNING", WEB, "pid 4005")], "seq": 7, "oldest": 1})
    wide.desk.heard(Happened((event(20, "VM_PAUSED", WEB, "asked by ada"), event(21, "VM_READY", FLEET[0]))))
    right = [line.partition("│ ")[2] for line in wide.screen(140, 30).splitlines()]
    at = right.index("── events ───────────────────────────────────────────")
    assert right[at + 1 : at + 4] == ["11:59:20 VM_PAUSED asked by ada", "11:59:04 VM_RUNNING pid 4005", ""]


def test_after_a_break_events_are_asked_for_again() -> None:
    seat = opened(width=140)
    seat.asked()
    seat.lose()
    seat.screen(140, 30)
    seat.connect(*FLEET)
    seat.screen(140, 30)
    assert "event.list" in [method for method, _ in seat.asked()]


def test_the_page_of_events_has_a_cursor_that_stays_in_it() -> None:
    seat = then(overview("e", 80, 14), "j j j j")()
    assert ">11:59:03.000 VM_STARTING" in seat.screen(80, 14)
    seat.type("g")
    assert ">11:59:06.000 VM_READY" in seat.screen(80, 14)
    assert "event 1 of 3" in seat.screen(80, 14)


def test_enter_on_an_event_goes_to_its_moment_and_n_returns() -> None:
    seat = then(overview("e", 80, 24), "j enter")()
    assert seat.desk.past is not None
    seat.asked()
    seat.answer({"items": [event(seq, kind, WEB) for seq, kind in ((3, "VM_STARTING"), (4, "VM_RUNNING"), (6, "VM_READY"))], "oldest": 3})
    screen = seat.screen()
    assert "PAST 2026-01-31 11:59:04" in screen
    assert "#4 VM_RUNNING" in screen
    assert "[Overview]" in screen
    seat.type("n")
    assert "PAST" not in seat.screen()


def test_the_chosen_event_is_shown_as_a_whole_and_can_be_copied() -> None:
    seat = then(overview("e"), "j j")()
    screen = seat.screen(140, 24)
    assert "│   {\n" in screen and '"author": "uid:0(root)",' in screen
    seat.type(". e")
    (copied,) = seat.effects(effects.Copy)
    assert json.loads(copied.text)["data"]["ask"] == "vm.start"


def test_events_that_cannot_be_had_are_told_and_those_heard_are_shown() -> None:
    seat = fleet()
    seat.type("G k e")
    seat.asked()
    seat.answer(fault("the store can't be read", "try again"))
    assert "the store can't be read" in seat.screen()
    seat.desk.heard(Happened((event(20, "VM_PAUSED", WEB),)))
    assert "VM_PAUSED" in seat.screen()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain words", ["text        plain words"]),
        ('{"a": {"b": 1}}', ["text", "  {", '    "a": {', '      "b": 1', "    }", "  }"]),
        ("{not json}", ["text        {not json}"]),
        ("[" * 1_000 + "]" * 1_000, None),
        ("[" * 900 + "]" * 900, None),
        ("[" + "1, " * 2_000 + "1]", None),
        ("long " * 100_000, None),
        ("\x1b[31mred", ["text        \\x1b[31mred"]),
    ],
)
def test_text_that_is_json_is_laid_out(value: Any, expected: list[str] | None) -> None:
    lines = told({"text": value, "empty": ""}, 40)
    assert all(columns_of(line) <= 40 for line in lines)
    assert len(lines) <= 201
    assert expected is None or [text_of(line).rstrip() for line in lines] == expected
