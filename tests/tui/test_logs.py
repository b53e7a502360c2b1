"""Output of workloads at the UI: merged, followed over starts and breaks, and nothing lost without being counted."""

from __future__ import annotations

from typing import Any

from tests.tui.desks import Seat, fault, vm
from tests.tui.scenes_logs import WEBS, feed, gathered, line, merged, opened
from volant.tui import effects
from volant.tui.loglines import Rate, Source
from volant.tui.screens.logs import MOST_SOURCES
from volant.tui.screens.reader import KEPT_LINES


def followed(seat: Seat) -> list[dict[str, Any]]:
    """Parameters of the streams that were opened since the last time."""
    fresh = seat.effects(effects.Follow)
    seat.follows += fresh
    return [dict(each.params) for each in fresh]


def test_lines_of_several_vms_come_in_the_order_of_their_times() -> None:
    screen = merged()().screen()
    texts = ["the workload is started", "listening on :8000", "GET /status 200", "slow query"]
    places = [screen.index(text) for text in texts]
    assert places == sorted(places)
    assert "web-1" in screen
    assert "LIVE" in screen


def test_lines_that_were_lost_at_the_source_are_counted_on_the_screen() -> None:
    seat = merged()()
    assert "lost 2" in seat.screen()
    feed(seat, "web-2", [line(100, "later")])
    assert "lost 99" in seat.screen()


def test_one_vm_begins_with_more_lines_and_without_names() -> None:
    seat = Seat(*WEBS)
    seat.type("l")
    assert followed(seat) == [{"name": "web-1", "tail": 1_000, "follow": True}]
    feed(seat, "web-1", [line(1, "hello")])
    gathered(seat)
    assert "11:59:01.812 hello" in seat.screen()


def test_marked_vms_are_followed_together() -> None:
    seat = Seat(*WEBS, vm(3, "db-1"))
    seat.type("j * k space l")
    names = {params["name"] for params in followed(seat)}
    assert len(names) == 2


def test_a_pattern_and_a_filter_of_vms_choose_whom_to_follow() -> None:
    for typed in ("'logs_web-*'", "'logs_deploy:web'"):
        seat = Seat(*WEBS, vm(3, "db-1"))
        seat.type(f": {typed} enter")
        assert {params["name"] for params in followed(seat)} == {"web-1", "web-2"}


def test_a_vm_that_comes_up_later_joins_in_and_a_new_start_is_followed_from_its_beginning() -> None:
    seat = opened(Seat(*WEBS))
    feed(seat, "web-1", [line(9, "old")])
    seat.change(vm(7, "web-7"))
    assert [params["name"] for params in followed(seat)] == ["web-7"]
    seat.desk.answered(seat.follows[0].tag, {"name": "web-1"})
    seat.change(vm(1, "web-1", generation=2, boot=2))
    assert followed(seat) == [{"name": "web-1", "tail": 50, "follow": True}]


def test_an_agent_that_is_missing_is_asked_again_only_when_the_vm_changed() -> None:
    seat = opened(Seat(vm(1, status="running")))
    seat.desk.answered(seat.follows[0].tag, fault("the agent does not answer yet"))
    gathered(seat)
    assert "the agent does not answer yet" in seat.screen()
    seat.change(vm(2))
    assert [params["name"] for params in followed(seat)] == ["web-2"]
    seat.change(vm(1, status="ready", generation=2))
    assert [params["name"] for params in followed(seat)] == ["web-1"]


def test_after_a_break_it_goes_on_behind_the_last_line() -> None:
    seat = opened(Seat(*WEBS[:1]))
    feed(seat, "web-1", [line(1, "one"), line(2, "two")])
    gathered(seat).screen()
    seat.lose()
    seat.desk.answered(seat.follows[0].tag, fault("the connection ended"))
    seat.connect(*WEBS[:1])
    assert followed(seat) == [{"name": "web-1", "tail": -1, "follow": True, "after": 2}]
    feed(seat, "web-1", [line(3, "three")])
    screen = seat.screen()
    assert screen.count("two") == 1
    assert "three" in screen


def test_pausing_holds_still_and_the_filter_works_meanwhile() -> None:
    seat = merged("p")()
    feed(seat, "web-1", [line(5, "while held"), line(6, "again")])
    assert "while held" not in seat.screen()
    assert "held, 2 wait" in seat.screen()
    seat.type("/ 'query' enter")
    screen = seat.screen()
    assert "slow query" in screen
    assert "listening" not in screen
    seat.type("escape p")
    assert "while held" in seat.screen()


def test_a_filter_keeps_what_it_took_when_the_ring_lets_go_of_everything_else() -> None:
    seat = merged("/ 'needle' enter")()
    feed(seat, "web-1", [line(5, "a needle")])
    feed(seat, "web-1", [line(seq, "hay") for seq in range(6, KEPT_LINES + 100)])
    screen = seat.screen()
    assert "a needle" in screen
    assert "older ones dropped" in screen


def test_leaving_ends_the_streams_and_coming_back_goes_on() -> None:
    seat = merged()()
    seat.type("escape")
    assert len(seat.effects(effects.Unfollow)) == 2
    seat.type("[")
    assert [params["after"] for params in followed(seat)] == [4, 2]


def test_text_of_guests_drives_no_terminal_and_keeps_no_colours() -> None:
    seat = merged()()
    feed(seat, "web-1", [line(5, "\x1b[31mred\x1b[0m \x1b]52;c;eA==\x07 \x1b[2J")])
    screen = seat.screen()
    assert "red" in screen
    assert "\x1b" not in screen


def test_a_line_opens_its_vm() -> None:
    seat = merged("enter")()
    assert "Open which VM?" in seat.screen()
    seat.type("2")
    assert "> web-" in seat.screen()


def test_nobody_to_follow_says_how_to_name_somebody() -> None:
    seat = opened(Seat(vm(1, status="stopped")))
    assert ":logs web-*" in seat.screen()


def test_the_rate_is_of_the_last_moments() -> None:
    rate = Rate()
    for second in range(10):
        rate.count(second, 100)
    assert rate.per_second(9.5) == 100
    assert rate.per_second(100) == 0


def test_a_source_begins_without_having_lost_anything() -> None:
    source = Source("web-1")
    assert source.take([line(500, "x")])[1] == 0
    assert source.take([line(501, "x"), line(510, "y")])[1] == 8


def test_of_too_many_vms_some_are_followed_and_the_others_are_told() -> None:
    seat = opened(Seat(*(vm(number) for number in range(1, MOST_SOURCES + 6))))
    assert len(seat.follows) == MOST_SOURCES
    assert "5 VMs more are not followed" in gathered(seat).screen(120)


def test_vms_that_are_not_meant_cost_nothing_however_often_they_change() -> None:
    seat = Seat(*WEBS, vm(3, "db-1"))
    seat.type(": 'logs_web-*' enter")
    followed(seat)
    for generation in range(2, 50):
        seat.change(vm(3, "db-1", generation=generation))
    assert followed(seat) == []
