"""How busy the host is, in the top line: pushed, and silent while nothing happens."""

from __future__ import annotations

from tests.tui.desks import Seat, fault, vm
from volant.tui import effects


def top(seat: Seat, width: int = 80) -> str:
    return seat.screen(width, 24).splitlines()[0]


def test_what_the_daemon_pushes_is_in_the_top_line() -> None:
    seat = Seat(vm(1), vm(2, status="failed"))
    assert "cpu" not in top(seat)
    seat.busy(31)
    assert "cpu 31%   mem 12.4/64G   vms 1 up, 1 failed /2" in top(seat)
    seat.busy(90, used_mib=60_416, progressing=1, degraded=2, ready=5)
    assert "90%   mem 59/64G   vms 1 up, 1 failed /2   deploys 1 rolling, 2 degraded" in top(seat, 140)


def test_where_room_is_short_what_counts_most_stays() -> None:
    seat = Seat(vm(1))
    seat.busy(31, progressing=1)
    assert [word in top(seat) for word in ("cpu", "mem", "vms 1 up", "deploys")] == [True, True, True, False]
    assert top(seat, 45).split() == ["volant", "local", "●", "live", "vms", "1", "up", "/1", "RW"]
    assert "live" in top(seat, 22)


def test_the_sparkline_moves_on_until_it_is_flat_and_then_nothing_wakes_up() -> None:
    seat = Seat()
    seat.busy(0)
    top(seat, 140)
    assert seat.desk.next_change_s() is None
    seat.now += 20
    seat.busy(100)
    assert "▁▁▁▁▁▁▁▁▁█ 100%" in top(seat, 140)
    wakes = 0
    while (wait := seat.desk.next_change_s()) is not None:
        seat.now += wait
        top(seat, 140)
        wakes += 1
    assert "██████████ 100%" in top(seat, 140)
    assert wakes < 12


def test_a_sparkline_that_is_not_seen_wakes_nobody() -> None:
    seat = Seat()
    seat.busy(0)
    seat.now += 20
    seat.busy(100)
    top(seat, 80)
    assert seat.desk.next_change_s() is None


def test_a_connection_that_is_lost_takes_its_figures_along_and_the_next_brings_new_ones() -> None:
    seat = Seat(vm(1))
    seat.busy(31)
    seat.lose()
    assert "cpu" not in top(seat)
    seat.connect(vm(1))
    assert "cpu" not in top(seat)
    seat.busy(5)
    assert "cpu 5%" in top(seat)


def test_an_older_daemon_that_has_no_figures_is_asked_once() -> None:
    seat = Seat(vm(1))
    seat.desk.answered(seat.figures, fault("there is no method system.watch"))
    seat.change(vm(1, status="stopped"))
    assert seat.effects(effects.Follow) == []
    assert "vms 0 up /1" in top(seat)


def test_the_past_has_no_figures() -> None:
    seat = Seat(vm(1))
    seat.busy(31)
    seat.type("<")
    assert "cpu" not in top(seat)


def test_a_daemon_without_a_name_is_called_by_the_end_of_its_path() -> None:
    seat = Seat(vm(1))
    seat.desk.context = "/home/somebody/of/a/long/name/run/volantd.sock"
    assert "/run/volantd.sock" in top(seat)
    assert "/home" not in top(seat)


def test_a_large_terminal_tells_what_was_asked_for_last_and_how_it_went() -> None:
    seat = Seat(vm(1))
    seat.type("x S y")
    seat.now += 0.4
    seat.asked()
    seat.answer({})
    seat.now += 20
    assert "last: volant vm stop web-1 (ok, 400ms)" in seat.screen(140, 24)
    assert "last:" not in seat.screen(80, 24)
