"""The daemon goes away and comes back: what stays on the screen, what is refused meanwhile, and what is told afterwards."""

from __future__ import annotations

from tests.tui.desks import Seat, vm
from volant.tui import effects
from volant.tui.model import Connecting, EventsLost


def test_while_disconnected_the_data_stays_and_actions_refuse_with_the_reason() -> None:
    seat = Seat(vm(1, status="stopped"))
    seat.lose("the daemon was killed")
    seat.now += 12
    seat.type("x")
    screen = seat.screen()
    assert "DISCONNECTED 12s: the daemon was killed" in screen
    assert "start  (not connected)" in screen
    seat.type("s escape delete y")
    assert seat.asked() == []
    assert seat.desk.next_change_s() == 1.0
    seat.type("ctrl+r")
    assert len(seat.effects(effects.Reconnect)) == 1


def test_however_long_the_reason_is_the_retry_and_what_helps_are_told_and_stay_while_it_is_tried() -> None:
    seat = Seat(vm(1))
    seat.lose("nobody answers at /home/somebody/with/a/long/name/run/volant/volantd.sock: volantd is not running")
    assert "DISCONNECTED" in seat.screen(60, 15) and "retry in 3s (Ctrl-R now)" in seat.screen(60, 15)
    assert "start volantd" in seat.screen(60, 15)
    assert "DISCONNE" in seat.screen(20, 5)
    lines = len(seat.screen().split("web-1")[1].splitlines())
    seat.desk.heard(Connecting(seat.now))
    assert "trying now" in seat.screen() and "start volantd" in seat.screen()
    assert len(seat.screen().split("web-1")[1].splitlines()) == lines
    seat.connect(vm(1))
    assert "DISCONNECTED" not in seat.screen()


def test_a_question_that_was_open_when_the_daemon_went_does_nothing() -> None:
    seat = Seat(vm(1))
    seat.type("x S")
    seat.lose()
    seat.type("y")
    assert seat.asked() == []
    assert "not connected" in seat.screen()


def test_what_is_different_after_a_break_is_told() -> None:
    seat = Seat(vm(1), vm(2), vm(3))
    seat.lose()
    seat.connect(vm(1), vm(2, status="crashed"), vm(4))
    assert "up to date again: +1 ~1 -1" in seat.screen()


def test_missed_events_are_counted_on_the_screen() -> None:
    seat = Seat(vm(1))
    seat.desk.heard(EventsLost(oldest=20))
    assert "12 events missed" in seat.screen()


def test_nothing_wakes_up_while_nothing_changes() -> None:
    """Old VMs: their ages change once an hour, and until then nothing is drawn or sent."""
    seat = Seat(vm(1, created_at="2026-01-20T11:30:00.000Z"))
    seat.now += 20
    assert (seat.desk.next_change_s() or 0) > 60
    assert Seat().desk.next_change_s() is None


def test_neither_the_reason_nor_what_helps_is_cut_off_on_eighty_columns() -> None:
    seat = Seat(vm(1))
    seat.lose("nobody answers at /run/user/1000/volant/volantd.sock: volantd is not running")
    lines = seat.screen().splitlines()
    assert lines[-5].startswith(" ✖ DISCONNECTED 0s ")
    below = " ".join(line.strip() for line in lines[-4:-2])
    assert below == "nobody answers at /run/user/1000/volant/volantd.sock: volantd is not running; start volantd"
    assert "volantd is not running" in seat.screen(140, 40).splitlines()[-4], "on one line where it fits"
