"""What the list shows: filters that are completed, and views that are saved under a digit."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.desks import Seat, vm
from volant.tui import effects, views


def test_a_filter_is_completed_by_its_fields_and_by_the_values_that_are_there() -> None:
    seat = Seat(vm(1), vm(2, status="stopped"), vm(3, plugin="postgres"))
    seat.type("/ 'plu' tab 'p' tab enter")
    assert "filter plugin:postgres" in seat.screen() and "1/1" not in seat.screen() and "1/3" in seat.screen()
    seat.type("/ ctrl+u 'state:' tab")
    assert "ready" in seat.screen() and "stopped" in seat.screen()
    seat.type("tab enter")
    assert "filter state:stopped" in seat.screen()
    seat.type("/ ctrl+u 'nothing' tab enter")
    assert "filter nothing" in seat.screen()


def test_a_view_is_saved_under_a_digit_and_shown_again_with_its_filter_and_order() -> None:
    seat = Seat(vm(1, "web-1"), vm(2, "db-1"), vm(3, "web-2"))
    seat.type("/ 'web' enter M V")
    assert "Save under which digit: vms  /web  by memory_mb" in seat.screen()
    seat.type("3")
    (kept,) = seat.effects(effects.KeepViews)
    seat.type("escape N , e 3")
    screen = seat.screen()
    assert "db-1" not in screen
    assert "↑mem" in screen
    assert views.read(kept.text) == seat.desk.views


def test_a_digit_without_a_view_says_how_to_save_one_and_a_screen_of_one_vm_has_no_name() -> None:
    seat = Seat(vm(1))
    seat.type("7")
    assert "nothing is saved under 7 yet; V saves" in seat.screen()
    seat.type("enter V")
    assert "has no name" in seat.screen()


@given(st.text() | st.dictionaries(st.text(max_size=2), st.none() | st.dictionaries(st.text(), st.text())).map(json.dumps))
def test_views_that_were_spoilt_are_passed_over(text: str) -> None:
    kept = views.read(text)
    assert views.read(views.written(kept)) == kept
