"""The chosen line of logs and events: seen as a whole, copied, opened, and the way to its moment."""

from __future__ import annotations

import json

from tests.tui.desks import Seat, vm
from tests.tui.scenes import events, fleet
from tests.tui.scenes_logs import feed, gathered, line, merged, opened
from volant.tui import effects
from volant.tui.screens.past_output import PastConsole
from volant.tui.screens.vm import VmScreen


def right(seat: Seat) -> list[str]:
    """What is right of the rule on a large terminal."""
    return [each.partition("│ ")[2] for each in seat.screen(140, 24).splitlines() if "│" in each]


def logs() -> Seat:
    """Two VMs' output, looked at on a large terminal."""
    seat = merged()()
    seat.screen(140, 24)
    return seat


def test_the_newest_line_is_shown_as_a_whole_and_the_chosen_one_from_then_on() -> None:
    seat = logs()
    assert right(seat)[0].startswith("── newest line ──")
    assert "vm          web-2" in right(seat)
    seat.type("k")
    assert right(seat)[0].startswith("── line ──")
    assert [each for each in right(seat)[1:] if each] == [
        "time        2026-01-31T11:59:07.812Z", "vm          web-1", "stream      stdout", "text        GET /status 200",
    ]  # fmt: skip
    assert ">11:59:07.812 web-1          GET /status 200" in seat.screen(140, 24)


def test_output_that_is_json_is_laid_out() -> None:
    seat = gathered(opened(Seat(vm(1, "web-1"))))
    feed(seat, "web-1", [line(1, json.dumps({"level": "warn", "took": {"ms": 812}}))])
    assert '      "ms": 812' in right(seat)


def test_the_pane_can_be_put_away_and_is_not_there_on_small_terminals() -> None:
    seat = logs()
    seat.type("k")
    assert "│" not in seat.screen(100, 24)
    seat.type("z")
    assert "│" not in seat.screen(140, 24)


def test_the_chosen_line_stays_where_it_is_while_others_come() -> None:
    seat = logs()
    seat.type("k k")
    feed(seat, "web-1", [line(number, "more", second=10 + number) for number in range(5, 40)])
    assert ">11:59:03.812 web-2          listening on :8000" in seat.screen(140, 24)
    seat.type("G")
    assert ">" not in seat.screen(80, 24).split("\n", 2)[2].rsplit("\n", 3)[0]


def test_a_long_chosen_line_is_seen_whole_when_lines_are_broken() -> None:
    seat = gathered(opened(Seat(vm(1, "web-1"))))
    feed(seat, "web-1", [line(number, f"line {number} " + "word " * 40) for number in range(1, 30)])
    seat.type("W")
    seat.screen(60, 15)
    seat.type("g j j j")
    rows = seat.screen(60, 15).splitlines()
    first = next(at for at, row in enumerate(rows) if row.startswith(">11:59:04.812 line 4 word"))
    assert sum(row.count("word") for row in rows[first : first + 5]) == 40


def test_enter_opens_the_vm_of_the_chosen_line() -> None:
    seat = logs()
    seat.type("k enter")
    assert isinstance(seat.desk.screen, VmScreen)
    assert seat.desk.screen.title == "web-1"


def test_the_console_as_it_was_when_a_line_came() -> None:
    seat = logs()
    seat.type("k c")
    assert isinstance(seat.desk.screen, PastConsole)
    assert seat.desk.past is not None
    assert "console web-1" in seat.screen()


def test_everything_as_it_was_when_an_event_happened() -> None:
    seat = events()
    seat.screen(140, 24)
    seat.type("k k m")
    assert seat.desk.past is not None
    assert isinstance(seat.desk.screen, VmScreen)
    assert seat.desk.screen.title == "agent-01"


def test_a_line_of_a_vm_that_is_gone_has_a_moment_and_no_console() -> None:
    seat = logs()
    seat.change(gone=[str(each) for each in seat.desk.snapshot.vms])
    seat.type("k c")
    assert "its VM is no more" in seat.screen()
    seat.type("m")
    assert seat.desk.past is not None
    assert seat.desk.screen is seat.desk.home


def test_a_guest_that_says_nonsense_about_its_times_leads_nowhere() -> None:
    seat = gathered(opened(Seat(vm(1, "web-1"))))
    feed(seat, "web-1", [{**line(1, "hello"), "time": "\x1b[2J yesterday"}])
    seat.screen(140, 24)
    seat.type("m")
    assert seat.desk.past is None
    assert "is no moment" in seat.screen(140, 24)
    assert "\x1b" not in seat.screen(140, 24)


def test_a_line_is_copied_as_it_is_and_as_json() -> None:
    seat = logs()
    seat.type("k . l")
    seat.type(". j")
    plain, whole = (copy.text for copy in seat.effects(effects.Copy))
    assert plain == "GET /status 200"
    assert json.loads(whole)["vm"] == "web-1"


def test_without_lines_keys_say_nothing_wrong() -> None:
    seat = fleet()
    seat.type(", e k m c enter")
    assert seat.desk.past is None
