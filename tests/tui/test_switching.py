"""Looking at another daemon without leaving: by `:ctx`, whatever state it is in."""

from __future__ import annotations

from tests.tui.desks import Seat, vm
from volant.tui import effects

STAGING = "/run/staging/volantd.sock"


def seat_of_two() -> Seat:
    seat = Seat(vm(1))
    seat.desk.daemons = {"local": seat.desk.place, "staging": STAGING}
    return seat


def test_the_other_daemon_takes_the_place_of_this_one_at_once() -> None:
    seat = seat_of_two()
    seat.type("l : 'ctx_staging' enter")
    assert effects.Switch(STAGING) in seat.desk.effects
    screen = seat.screen()
    assert screen.startswith(" volant  staging  … connecting")
    assert "web-1" not in screen
    assert f"connecting to {STAGING}" in screen
    seat.connect(vm(2, "other-1"), seq=3)
    assert "other-1" in seat.screen()
    assert seat.desk.snapshot.seq == 3


def test_what_was_under_way_is_closed_and_told() -> None:
    seat = seat_of_two()
    seat.type("l escape x S y")
    open_calls = [each.tag for each in seat.desk.effects if isinstance(each, effects.Follow | effects.Call)]
    seat.type(": 'ctx_staging' enter")
    assert {each.tag for each in seat.effects(effects.Unfollow)} >= set(open_calls)
    assert "1 of what was asked of local is still under way there" in seat.screen(100, 24)
    assert seat.desk.operations == []


def test_nothing_of_the_first_one_is_shown_later() -> None:
    seat = seat_of_two()
    seat.type("enter")
    seat.asked()
    calls = seat.calls
    seat.type(": 'ctx_staging' enter")
    seat.calls = calls
    seat.answer(vm(1))
    seat.type("[")
    assert "web-1" not in seat.screen()


def test_a_daemon_that_is_down_leaves_the_way_back_open() -> None:
    seat = seat_of_two()
    seat.type(": 'ctx_staging' enter")
    seat.lose("no daemon listens")
    screen = seat.screen()
    assert f"not connected to {STAGING}" in screen
    seat.type(": 'ctx_local' enter")
    seat.connect(vm(1))
    assert "web-1" in seat.screen()
    assert seat.screen().startswith(" volant  local  ● live")


def test_the_menu_lists_them_with_their_sockets() -> None:
    seat = seat_of_two()
    seat.type(", c")
    screen = seat.screen()
    assert "> 1  local          /run/volant/volantd.sock  (this one)" in screen
    assert f"  2  staging        {STAGING}" in screen
    seat.type("2")
    assert seat.desk.context == "staging"


def test_names_are_completed() -> None:
    seat = seat_of_two()
    seat.type(": 'ctx_st' tab enter")
    assert seat.desk.context == "staging"


def test_a_name_that_nobody_has_is_told_in_the_bar() -> None:
    seat = seat_of_two()
    seat.type(": 'ctx_prod' enter")
    assert "there is no context 'prod'" in seat.screen()
    assert "local, staging" in seat.screen()


def test_the_same_one_is_not_left() -> None:
    seat = seat_of_two()
    seat.type(": 'ctx_local' enter")
    assert "this is local" in seat.screen()
    assert "web-1" in seat.screen()


def test_a_recording_stays_with_its_host() -> None:
    seat = seat_of_two()
    seat.desk.bound = "this is being recorded"
    seat.type(": 'ctx_staging' enter")
    assert "this is being recorded, which is of one host" in seat.screen(100, 24)
    seat.type("escape , c 2")
    assert "this is being recorded" in seat.screen(100, 24)
    assert seat.desk.context == "local"


def test_looking_back_ends_with_the_daemon_that_was_looked_back_on() -> None:
    seat = seat_of_two()
    seat.type("<")
    seat.type(": 'ctx_staging' enter")
    assert seat.desk.past is None
    assert "PAST" not in seat.screen()


def test_a_copied_command_reaches_the_daemon_that_is_looked_at() -> None:
    seat = seat_of_two()
    seat.type(". C")
    assert seat.effects(effects.Copy) == [effects.Copy("volant vm list")]
    seat.type(": 'ctx_staging' enter")
    seat.connect(vm(2, "other-1"), vm(3, "other-2"))
    seat.type("/ 'a_b' enter . C escape . c , h . C")
    assert [copied.text for copied in seat.effects(effects.Copy)] == [
        f"volant --socket {STAGING} vm list --filter 'a b'",
        f"volant --socket {STAGING} vm get other-1",
        f"(export VOLANT_SOCKET={STAGING}; volant system info; volant ledger --check)",
    ]
