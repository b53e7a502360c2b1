"""The pane beside the list of VMs: facts, the end of the console, events; asked for when the cursor rests, then pushed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tui.desks import Seat, event, fault, vm
from tests.tui.scenes import FLEET, PRINTED, fleet, glanced, rest
from volant.tui import effects
from volant.tui.lines import columns_of, text_of
from volant.tui.model import Happened
from volant.tui.screens.vm_pane import between_words, grid

WIDE, HIGH = 140, 40


def pane(seat: Seat, columns: int = WIDE, rows: int = HIGH) -> list[str]:
    """What is right of the rule."""
    return [line.partition("│")[2].strip() for line in seat.screen(columns, rows).splitlines() if "│" in line]


def attached(seat: Seat) -> effects.Attach:
    (attach,) = seat.effects(effects.Attach)
    assert isinstance(attach, effects.Attach)
    return attach


def test_going_through_the_list_asks_for_nothing() -> None:
    seat = fleet()
    for _ in range(5):
        seat.type("j")
        seat.screen(WIDE, HIGH)
        seat.now += 0.1
    assert seat.asked() == []


def test_a_cursor_that_rests_brings_the_console_and_what_happened_once() -> None:
    seat = fleet()
    seat.screen(WIDE, HIGH)
    wait = seat.desk.next_change_s()
    assert wait is not None and wait <= 0.3
    rest(seat, WIDE, HIGH)
    rest(seat, WIDE, HIGH)
    assert attached(seat).params["name"] == "agent-01"
    assert seat.asked() == [("event.list", {"vm": FLEET[0]["id"], "last": 20})]


def test_only_to_look() -> None:
    seat = fleet()
    rest(seat, WIDE, HIGH)
    assert attached(seat).params["write"] is False


def test_the_end_of_the_console_is_seen_as_it_grows() -> None:
    seat = glanced("", WIDE, HIGH)()
    assert "web-01:~# uptime" in pane(seat)
    watch = seat.glance
    seat.desk.streamed(watch, [b"whoami\r\nroot\r\n"])
    assert pane(seat)[pane(seat).index("web-01:~# whoami") + 1] == "root"


def test_of_a_console_that_floods_the_end_is_seen() -> None:
    seat = glanced("", WIDE, HIGH)()
    for number in range(100):
        seat.desk.streamed(seat.glance, [b"%d " % number + b"x" * 60 + b"\r\n" for _ in range(100)])
    printed = [line for line in pane(seat) if line.endswith("xxx")]
    assert len(printed) > 10
    assert all(line.startswith("99 ") for line in printed)


def test_events_go_on_with_what_happens() -> None:
    seat = glanced("", WIDE, HIGH)()
    seat.desk.heard(Happened((event(20, "VM_STOPPED", FLEET[0], "asked by ada"),)))
    lines = pane(seat)
    at = lines.index("── events ───────────────────────────────────────────")
    assert lines[at + 1 : at + 3] == ["11:59:20 VM_STOPPED asked by ada", "11:59:06 VM_READY ready after 812ms"]


@pytest.mark.parametrize("leave", ["j", "enter", "z", "<"])
def test_what_is_not_looked_at_is_closed(leave: str) -> None:
    seat = fleet()
    rest(seat, WIDE, HIGH)
    tag = attached(seat).tag
    seat.type(leave)
    seat.screen(WIDE, HIGH)
    closed = effects.Unfollow(tag) in seat.effects(effects.Unfollow)
    assert closed or leave == "<"


def test_a_terminal_that_becomes_narrow_closes_it() -> None:
    seat = fleet()
    rest(seat, WIDE, HIGH)
    tag = attached(seat).tag
    seat.screen(100, HIGH)
    assert effects.Unfollow(tag) in seat.effects(effects.Unfollow)
    assert seat.effects(effects.Attach) == []


def test_after_a_break_and_after_a_new_boot_it_goes_on_where_it_was() -> None:
    seat = glanced("", WIDE, HIGH)()
    tag = seat.glance
    seat.lose()
    seat.desk.answered(tag, fault("the daemon closed the connection"))
    assert "web-01:~# uptime" in pane(seat)
    seat.connect(*FLEET)
    rest(seat, WIDE, HIGH)
    again = attached(seat)
    assert again.params["from_offset"] == len(PRINTED)
    seat.desk.answered(again.tag, {})
    rest(seat, WIDE, HIGH)
    assert seat.effects(effects.Attach) == []
    seat.change({**FLEET[0], "boot": 2})
    rest(seat, WIDE, HIGH)
    assert attached(seat).params["name"] == "agent-01"


def test_what_is_refused_leaves_the_facts() -> None:
    seat = fleet()
    rest(seat, WIDE, HIGH)
    attach = attached(seat)
    seat.asked()
    seat.desk.answered(attach.tag, fault("it has no console"))
    seat.answer(fault("the store can't be read"))
    lines = pane(seat)
    assert lines[0] == "agent-01                                      ● ready"
    assert not any("console" in line for line in lines)


def test_no_address_and_no_label_is_broken() -> None:
    pairs = [("net", "bridged 192.168.127.6 52:54:00:5e:00:05"), ("labels", "env=prod, a-label-that-is-very-long=indeed")]
    for width in range(25, 90):
        lines = grid(pairs, width)
        assert all(columns_of(line) <= width for line in lines)
        assert any("52:54:00:5e:00:05" in text_of(line) for line in lines)
        assert any("env=prod" in text_of(line) for line in lines)
    assert between_words("a-label-that-is-very-long=indeed", 10) == ["a-label-t…"]


def test_what_vms_cost_is_there_while_it_is_measured() -> None:
    seat = fleet()
    seat.type("%")
    (watch,) = [each for each in seat.effects(effects.Follow) if each.method == "vm.stats_watch"]

    def used(second: int) -> dict[str, Any]:
        item = {"id": FLEET[0]["id"], "name": "agent-01", "boot": 1, "cpu_ns": second * 500_000_000, "memory_bytes": 64 << 20}
        return {"at_ns": second * 1_000_000_000, "items": [item]}

    seat.desk.streamed(watch.tag, [used(second) for second in range(0, 20, 2)])
    assert any(line.startswith("cpu") and line.endswith("50% of 100%") for line in pane(seat))
    assert any(line.startswith("memory") and line.endswith("64M resident") for line in pane(seat))


def test_what_failed_last_and_what_happened_last_stand_below_the_list() -> None:
    seat = fleet()
    assert " ! build-01 failed 2026-01-31 11:59: the kernel panicked: no init" in seat.screen(80, 24)
    assert "build-01 failed" not in seat.screen(60, 14)
    seat.desk.heard(Happened((event(20, "VM_STOPPED", FLEET[4], "asked by ada"),)))
    assert "11:59:20 VM_STOPPED web-01         asked by ada" in seat.screen(WIDE, HIGH)
    seat.change(vm(2, "build-01"))
    assert "build-01 failed" not in seat.screen(80, 24)
