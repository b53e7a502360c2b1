"""Output of workloads at the UI: merged, followed over starts and breaks, and nothing lost without being counted."""

from __future__ import annotations

from typing import Any

from tests.tui.desks import Seat, fault, vm
from tests.tui.scenes_logs import WEBS, feed, gathered, line, merged, opened
from volant.tui import effects
from volant.tui.loglines import Rate, Source
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
    assert followed(seat) == [{"filter": "name:web-1", "tail": 1_000}]
    feed(seat, "web-1", [line(1, "hello")])
    gathered(seat)
    assert "11:59:01.812 hello" in seat.screen()


def test_marked_vms_are_followed_together() -> None:
    seat = Seat(*WEBS, vm(3, "db-1"))
    seat.type("j * k space l")
    (params,) = followed(seat)
    assert len(params["filter"].split(",")) == 2


def test_a_pattern_and_a_filter_of_vms_choose_whom_to_follow() -> None:
    for typed, asked in (("'logs_web-*'", "name:web-*"), ("'logs_deploy:web'", "deploy:web"), ("'logs'", "")):
        seat = Seat(*WEBS, vm(3, "db-1"))
        seat.type(f": {typed} enter")
        assert followed(seat) == [{"filter": asked, "tail": 50}]


def test_a_vm_that_comes_up_later_and_a_new_start_join_in() -> None:
    seat = opened(Seat(*WEBS))
    feed(seat, "web-1", [line(9, "old")])
    seat.change(vm(7, "web-7"))
    feed(seat, "web-7", [line(1, "I am new")])
    feed(seat, "web-1", [], ended="VM 'web-1' starts again")
    feed(seat, "web-1", [line(1, "the second start")], boot=2)
    screen = gathered(seat).screen()
    assert "I am new" in screen and "the second start" in screen
    assert "lost 0" in screen
    assert followed(seat) == []


def test_why_a_vm_says_nothing_is_told_where_nobody_says_anything() -> None:
    seat = opened(Seat(vm(1, status="running")))
    assert "no output yet" in gathered(seat).screen()
    feed(seat, "web-1", [], ended="the guest's agent answered with something else than agreed")
    assert "web-1: the guest's agent answered with something else" in seat.screen()


def test_why_the_daemon_does_not_tell_is_shown() -> None:
    seat = opened(Seat(*WEBS))
    seat.desk.answered(seat.follows[0].tag, fault("there is no call vm.logs_watch", "update volantd"))
    screen = gathered(seat).screen()
    assert "there is no call" in screen and "update volantd" in screen and "ended" in screen


def test_after_a_break_it_goes_on_behind_the_last_line() -> None:
    seat = opened(Seat(*WEBS))
    feed(seat, "web-1", [line(1, "one"), line(2, "two")])
    gathered(seat).screen()
    seat.lose()
    seat.desk.answered(seat.follows[0].tag, fault("the connection ended"))
    assert followed(seat) == []
    seat.connect(*WEBS)
    assert followed(seat) == [{"filter": "", "tail": 50, "after": {WEBS[0]["id"]: [1, 2]}}]
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
    assert len(seat.effects(effects.Unfollow)) == 1
    seat.type("[")
    assert [params["after"] for params in followed(seat)] == [{WEBS[1]["id"]: [1, 2], WEBS[0]["id"]: [1, 4]}]


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
    source = Source("web-1", 1)
    assert source.take([line(500, "x")])[1] == 0
    assert source.take([line(501, "x"), line(510, "y")])[1] == 8


def test_the_output_of_all_vms_is_one_stream_however_many_there_are() -> None:
    seat = opened(Seat(*(vm(number) for number in range(1, 601))))
    assert len(seat.follows) == 1
    for number in range(1, 601):
        feed(seat, f"web-{number}", [line(1, f"from {number}", second=number % 60)])
    screen = gathered(seat).screen(120, 30)
    assert "of 600" in screen and "from 59" in screen


def test_vms_that_change_cost_nothing_however_often() -> None:
    seat = Seat(*WEBS, vm(3, "db-1"))
    seat.type(": 'logs_web-*' enter")
    followed(seat)
    for generation in range(2, 50):
        seat.change(vm(3, "db-1", generation=generation))
    assert followed(seat) == []


def test_logs_are_copied_as_a_line_that_follows_the_same_vms() -> None:
    tail = "| xargs -P 0 -I NAME volant logs NAME --follow"
    for typed, command in (
        ("logs web-1", "volant logs web-1 --follow"),
        ("logs web-*", f"volant vm list -o name --filter 'name:web-*' {tail}"),
        ("logs", f"volant vm list -o name {tail}"),
    ):
        seat = Seat(*WEBS)
        seat.type(f": '{typed.replace(' ', '_')}' enter . C")
        assert seat.effects(effects.Copy) == [effects.Copy(command)]
