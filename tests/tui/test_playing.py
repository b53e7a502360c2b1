"""Letting the past go on by itself: at a speed, from any moment, and to the end of what is known."""

from __future__ import annotations

from tests.tui.desks import Seat
from tests.tui.scenes_past import DB, WEB, answer_events, looking_back, replayed


def db(seat: Seat) -> str:
    """The state of db-1 that is looked at."""
    return next((str(each["status"]) for each in seat.desk.snapshot.vms.values() if each["name"] == "db-1"), "")


def wait(seat: Seat, seconds: float) -> str:
    """The screen after so much time, which is drawn whenever it would be."""
    until = seat.now + seconds
    while (soon := seat.desk.next_change_s()) is not None and seat.now + soon <= until:
        seat.now += soon
        seat.screen()
    seat.now = until
    return seat.screen(100)


def test_time_goes_on_as_fast_as_it_went() -> None:
    seat = looking_back("@ '#4' enter")
    assert db(seat) == "pending"
    seat.type("space")
    assert db(seat) == "pending"
    wait(seat, 1.5)
    assert db(seat) == "starting"
    screen = wait(seat, 1)
    assert db(seat) == "failed"
    assert "▸x1 2026-01-31 11:59:06" in screen
    seat.type("space")
    assert "▸" not in wait(seat, 60) and db(seat) == "failed"


def test_it_goes_faster_and_slower_and_says_so() -> None:
    seat = looking_back("@ '#1' enter ) ) space")
    assert "▸x5 2026-01-31 11:59:01" in seat.screen(100)
    wait(seat, 1)
    assert db(seat) == "failed"
    seat.type("(")
    assert "▸x2" in seat.screen(100)
    seat.type("( (")
    assert "as slow as it goes" in seat.screen(100)
    seat.type(") ) ) )")
    assert "▸x60" in seat.screen(100)
    seat.type(")")
    assert "as fast as it goes" in seat.screen(100)


def test_it_stops_where_nothing_more_is_known() -> None:
    seat = looking_back("@ '#7' enter space")
    screen = wait(seat, 5)
    assert db(seat) == "crashed"
    assert "nothing later is known; n returns to now" in screen
    assert seat.desk.next_change_s() is not None  # the message goes
    wait(seat, 20)
    assert seat.desk.next_change_s() is None
    seat.type("space")
    assert "nothing later is known here" in seat.screen(100)


def test_steps_and_leaps_work_meanwhile() -> None:
    seat = looking_back("@ '#1' enter space { }")
    assert "#6 VM_FAILED" in seat.screen(100)
    wait(seat, 1)
    assert db(seat) == "starting"
    seat.type("< <")
    assert db(seat) == "starting" and "#5" in seat.screen(100)
    wait(seat, 1)
    assert db(seat) == "failed"
    seat.type("n")
    assert "PAST" not in seat.screen() and db(seat) == "crashed"


def test_a_recording_says_whether_it_plays_and_how_fast() -> None:
    seat = replayed()
    assert "‖x1" in seat.screen()
    seat.type("space")
    assert "▸x1" in seat.screen()
    screen = wait(seat, 5)
    assert "the recording ends here" in screen and "‖x1" in screen
    (state,) = (each["status"] for each in seat.desk.snapshot.vms.values())
    assert state == "ready"


def test_keys_while_the_events_are_on_their_way_are_obeyed_in_their_order() -> None:

    seat = Seat(WEB, DB)
    seat.type("@ '#4' enter ) space")
    answer_events(seat)
    assert "▸x2" in seat.screen(100)
    wait(seat, 1.1)
    assert db(seat) == "failed"
