"""The host and its operations at the UI."""

from __future__ import annotations

from typing import Any

from tests.tui.desks import Seat, fault, vm
from tests.tui.scenes_host import INFO, LEFT_OVER, REPLICAS, give, host, ledger, operations, stats
from volant.tui import effects
from volant.tui.glyphs import Glyphs


def test_what_the_ledger_finds_is_told_with_what_to_do() -> None:
    seat = host(LEFT_OVER)()
    screen = seat.screen()
    assert "61 objects, 1 of them missing or unowned" in screen
    assert "unowned: tap vol3f2a1c; ip link delete vol3f2a1c" in screen
    seat.type("c")
    assert "comparing with the host" in seat.screen()
    give(seat, "system.ledger", ledger())
    assert "the host has just these" in seat.screen()


def test_the_figures_are_pushed_while_one_looks_and_not_longer() -> None:
    seat = Seat(vm(1))
    seat.type(", h")
    give(seat, "system.info", INFO)
    (watch,) = seat.effects(effects.Follow)
    assert watch.method == "vm.stats_watch"
    assert "measuring" in seat.screen()
    seat.desk.streamed(watch.tag, [stats(0, 50), stats(2, 50)])
    assert "50% of 400% by VMs" in seat.screen()
    seat.type("escape")
    assert seat.effects(effects.Unfollow) == [effects.Unfollow(watch.tag)]


def test_without_acceleration_or_kernel_it_says_so() -> None:
    seat = Seat(vm(1))
    seat.type(", h")
    slow = {**INFO["hypervisors"][0], "accel": "tcg", "accel_reason": "the KVM device hangs"}
    give(seat, "system.info", {**INFO, "hypervisors": [slow], "kernel": ""})
    screen = seat.screen()
    assert "tcg: the KVM device hangs" in screen
    assert "none set up" in screen


def test_a_refused_question_is_shown_and_the_rest_goes_on() -> None:
    seat = Seat(vm(1))
    seat.type(", h")
    give(seat, "system.info", INFO)
    give(seat, "system.ledger", fault("the store can't be read"))
    assert "the store can't be read" in seat.screen()


def test_after_a_break_everything_is_asked_anew() -> None:
    seat = host()()
    seat.lose()
    seat.asked()
    seat.desk.answered(0, None)
    seat.connect(vm(1))
    assert {method for method, _ in seat.asked()} == {"system.info", "system.ledger"}


def test_operations_show_how_far_they_are_and_what_failed() -> None:
    screen = operations().screen(120, 24)
    assert "2 of 6 done" in screen
    assert "it is being deleted" in screen
    assert "starting   VM" in screen


def test_an_operation_tells_everything_about_it() -> None:
    seat = operations()
    seat.type("G enter")
    screen = seat.screen(120, 30)
    assert "as a command: volant vm restart" in screen
    assert "what failed:" in screen
    seat.type("escape . c")
    assert [copy.text.split()[:3] for copy in seat.effects(effects.Copy)] == [["volant", "vm", "restart"]]


def test_nothing_under_way_says_what_would_be_here() -> None:
    seat = Seat(vm(1))
    seat.type(": 'ops' enter")
    assert "Nothing is under way" in seat.screen()
    assert "or stop, are listed here." in " ".join(seat.screen(40, 15).split()), "what does not fit goes below"
    assert seat.desk.next_change_s() is None


def test_ascii_terminals_get_bars_too() -> None:
    from volant.tui.figures import bar, sparkline

    glyphs = Glyphs(ascii=True)
    assert bar(1, 2, 8, glyphs) == "####...."
    assert bar(1, 1_000, 8, glyphs) == "#......."
    assert bar(0, 0, 4, glyphs) == "...."
    assert sparkline([0, 5, 10], 5, 10, glyphs) == "  _=#"
    assert sparkline([], 3, 0, glyphs) == "   "


# ------------------------------------------------------------------------------------------------------- figures in the list


def measuring(*vms: dict[str, Any]) -> tuple[Seat, int]:
    """The list with what each VM costs, and the tag of the stream."""
    seat = Seat(*vms)
    seat.type("%")
    (watch,) = seat.effects(effects.Follow)
    seat.desk.streamed(watch.tag, [stats(0, 10, 80, 30), stats(2, 10, 80, 30)])
    return seat, watch.tag


def test_the_list_shows_sorts_and_filters_by_what_vms_cost() -> None:
    seat, _ = measuring(*REPLICAS[:3])
    screen = seat.screen()
    assert "CPU%" in screen
    assert "80.0" in screen
    assert "182M" in screen
    seat.type("o % g")
    assert "> web-2" in seat.screen()
    seat.type("/ 'cpu>20_rss>1M' enter")
    assert "2/3" in seat.screen()


def test_figures_stay_with_their_vms_when_these_change_come_and_go() -> None:
    seat, tag = measuring(*REPLICAS[:3])
    seat.change({**REPLICAS[1], "generation": 2, "status": "paused"})
    assert "80.0" in seat.screen()
    seat.change(vm(50, "fresh"), gone=[REPLICAS[1]["id"]])
    screen = seat.screen()
    assert "fresh" in screen
    assert "80.0" not in screen
    seat.desk.streamed(tag, [stats(4, 20)])
    assert "3/3" in seat.screen()


def test_measuring_ends_with_its_key_and_while_nobody_looks() -> None:
    seat, tag = measuring(*REPLICAS[:3])
    seat.type("enter")
    assert seat.effects(effects.Unfollow) == [effects.Unfollow(tag)]
    seat.type("escape")
    *_, again = seat.effects(effects.Follow)
    seat.effects(effects.Unfollow)  # of the VM's page, which measured as well
    seat.type("o % %")
    assert seat.effects(effects.Unfollow) == [effects.Unfollow(again.tag)]
    assert "CPU%" not in seat.screen()
    assert "3/3" in seat.screen()


def test_a_daemon_that_does_not_measure_is_asked_once() -> None:
    seat = Seat(vm(1))
    seat.type("%")
    (watch,) = seat.effects(effects.Follow)
    seat.desk.answered(watch.tag, fault("there is no method vm.stats_watch"))
    assert "there is no method" in seat.screen()
    seat.change(vm(1, generation=2))
    assert seat.effects(effects.Follow) == []


def test_after_a_break_it_is_measured_again() -> None:
    seat, tag = measuring(*REPLICAS[:3])
    seat.lose()
    seat.desk.answered(tag, fault("the connection ended"))
    seat.connect(*REPLICAS[:3])
    assert [follow.method for follow in seat.effects(effects.Follow)] == ["vm.stats_watch"]
