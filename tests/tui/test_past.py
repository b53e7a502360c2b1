"""Looking back from the UI: to a moment, event by event, what is shown of it, that nothing can be changed there, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.desks import WALL, Seat, event, fault, vm
from tests.tui.scenes_past import DB, EVENTS, WEB, answer_events, looking_back, replayed, told
from volant.tui import effects
from volant.tui.effects import Attach, Follow
from volant.tui.model import Changed, Happened
from volant.tui.past.printed import Printed


def states(seat: Seat) -> dict[str, str]:
    return {str(each["name"]): str(each["status"]) for each in seat.desk.snapshot.vms.values()}


def test_stepping_back_and_forth_shows_vms_as_they_were() -> None:
    seat = looking_back()
    assert states(seat) == {"web-1": "ready", "db-1": "crashed"}
    seen = []
    for _ in EVENTS:
        seat.type("<")
        seen.append(states(seat).get("db-1"))
    assert seen == ["ready", "starting", "failed", "starting", "pending", None, None, None, None]
    assert states(seat) == {}
    seat.type("<")
    assert "nothing earlier is known" in seat.screen()
    seat.type("> > >")
    assert states(seat) == {"web-1": "ready"}


def test_a_moment_is_typed() -> None:
    seat = looking_back("@ '11:59:06' enter")
    assert states(seat) == {"web-1": "ready", "db-1": "failed"}
    assert "PAST 2026-01-31 11:59:06  54s ago  #6 VM_FAILED db-1" in seat.screen(100)
    seat.type("@ '#3' enter")
    assert states(seat) == {"web-1": "ready"}
    seat.type("@ '58s_ago' enter")
    assert states(seat) == {"web-1": "starting"}
    seat.type("@ '1h_ago' enter")
    assert states(seat) == {}
    seat.type("@ 'soon' enter")
    assert "is no moment" in seat.screen()
    seat.type("escape @ 'now' enter")
    assert states(seat) == {"web-1": "ready", "db-1": "crashed"}
    assert "PAST" not in seat.screen()


def test_keys_are_of_the_past_before_its_events_are_there() -> None:
    """A burst means what it would mean typed slowly: nothing after the first key changes anything, and no step is lost."""
    seat = Seat(WEB, DB)
    seat.type("< X < ctrl+d < {")
    assert "looking back ..." in seat.screen(100)
    assert "this is the past" in seat.screen(100)
    answer_events(seat)
    assert "#6 VM_FAILED" in seat.screen(100)
    assert states(seat)["db-1"] == "failed"
    seat = Seat(WEB, DB)
    seat.type("< < n")
    assert "PAST" not in seat.screen()
    assert len(seat.effects(effects.Unfollow)) == 1
    seat = Seat(WEB, DB)
    seat.type(": 'past' enter k k")
    answer_events(seat)
    assert "#7 VM_STARTING" in seat.screen(100)


def test_ages_are_those_of_the_moment() -> None:
    seat = looking_back("@ '11:59:04' enter")
    (line,) = (line for line in seat.screen().splitlines() if "web-1 " in line and "ready" in line)
    assert line.endswith(" 3s")


def test_failures_are_a_key_apart() -> None:
    seat = looking_back("{")
    assert "#9 VM_CRASHED" in seat.screen(100)
    seat.type("{")
    assert "#6 VM_FAILED" in seat.screen(100)
    seat.type("{")
    assert "no trouble before" in seat.screen()
    seat.type("}")
    assert "#9 VM_CRASHED" in seat.screen(100)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("x", "start  (the past)"),
        ("x s", "start: the past"),
        ("ctrl+d", "delete: this is the past, which stays as it was; n returns to now"),
        ("X", "kill: this is the past"),
        ("s", "shell: this is the past"),
        ("r", "call db-1: is not known of the past"),
        (": 'vm_stop_web-1' enter", "is about now, and this is the past"),
        (": 'vm_get_web-1' enter", "is about now, and this is the past"),
        (": 'deployments' enter", "deployments: is not known of the past"),
        (", h", "host: is not known of the past"),
        ("enter X", "kill: this is the past"),
    ],
)
def test_nothing_can_be_changed_and_why_is_told(keys: str, why: str) -> None:
    seat = looking_back()
    seat.type(f"g {keys}")
    assert [each for each in seat.desk.effects if isinstance(each, effects.Call | effects.Run | effects.Send)] == []
    assert why in seat.screen(120)


def test_before_the_first_vm_nobody_is_asked_to_make_one() -> None:
    seat = looking_back("@ '10d_ago' enter")
    assert "There was no VM at this moment" in seat.screen()
    assert "make one" not in seat.screen()


def test_the_past_is_marked_on_every_screen_and_at_any_size() -> None:
    seat = looking_back()
    for keys in ("", "enter", "tab", "escape l", "escape a", "escape : 'past' enter", "?"):
        seat.type(keys)
        assert "PAST 2026-01-31 11:59:09" in seat.screen(), keys
        assert "RO" in seat.screen().splitlines()[0]
        for size in ((20, 5), (40, 12), (60, 15)):
            assert "PAST" in seat.screen(*size) and "n now" in seat.screen(*size)


def test_what_happens_meanwhile_is_heard_and_shown_on_the_way_back() -> None:
    seat = looking_back()
    seat.type("<")
    seat.desk.heard(Changed((vm(3, "new-1"),), (), 10, complete=True))
    seat.desk.heard(Happened((event(10, "VM_CREATED", vm(3, "new-1")),)))
    assert "new-1" not in states(seat)
    seat.type("n")
    assert states(seat) == {"web-1": "ready", "db-1": "crashed", "new-1": "ready"}
    assert "new-1" in seat.screen()


def test_one_vm_as_it_was() -> None:
    seat = looking_back("@ '11:59:06' enter")
    seat.type("g enter")
    screen = seat.screen(100, 40)
    assert "failed" in screen and "no disk" in screen
    seat.type("e")
    assert "VM_FAILED" in seat.screen() and "VM_CRASHED" not in seat.screen()
    seat.type("m")
    assert "events don't tell its metrics" in seat.screen()
    seat.type("d @ '11:59:02' enter")
    assert "it did not exist at this moment" in seat.screen()
    assert [each for each in seat.desk.effects if isinstance(each, effects.Call)] == []


def said(about: dict[str, Any], *seconds: int, text: str = "line", boot: int = 1) -> dict[str, Any]:
    """A plain `VmLines`: what it said in these seconds of 11:59."""
    lines = [{"seq": at, "time": f"2026-01-31T11:59:{at:02}.500Z", "stream": "stdout", "text": f"{text} {at}\x1b[31m"} for at in seconds]
    return {"id": about["id"], "name": about["name"], "boot": boot, "lines": lines, "ended": ""}


def test_the_log_of_a_start_that_is_over_went_with_its_guest() -> None:
    seat = looking_back("@ '11:59:05' enter")
    seat.desk.heard(Changed((vm(2, "db-1", generation=20, boot=3),), (), 10, complete=True))
    seat.type("g l")
    (follow,) = seat.effects(Follow)
    seat.desk.streamed(follow.tag, [said(DB, 59, text="of the third start")])
    seat.desk.answered(follow.tag, {})
    assert "that start is over" in seat.screen() and "its console is kept" in seat.screen()
    seat = looking_back()
    seat.type("g l")
    (follow,) = seat.effects(Follow)
    seat.desk.answered(follow.tag, {})
    assert "that start is over" in seat.screen(), "it crashed"
    seat = looking_back()
    seat.type("g l")
    (follow,) = seat.effects(Follow)
    seat.desk.answered(follow.tag, fault("the connection is gone", "it comes back"))
    assert "the connection is gone" in seat.screen()


def test_the_logs_of_many_are_merged_and_end_at_the_moment() -> None:
    seat = looking_back("@ '11:59:08' enter")
    seat.type(": 'logs' enter")
    (follow,) = seat.effects(Follow)
    assert (follow.method, follow.params) == ("vm.logs_watch", {"filter": "", "tail": 1_000, "follow": False})
    seat.desk.streamed(follow.tag, [said(WEB, 3, 6, 8, text="web"), said(DB, 5, 7, 9, text="db")])
    seat.desk.answered(follow.tag, {})
    screen = seat.screen()
    places = [screen.index(text) for text in ("web 3", "db 5", "web 6", "db 7")]
    assert places == sorted(places)
    assert "web 8" not in screen and "web-1 " in screen
    seat.type("@ '11:59:03.700' enter")
    assert "web 3" in seat.screen() and "db" not in seat.screen()
    assert seat.effects(Follow) == []
    seat.type("escape : 'logs_db*' enter")
    (follow,) = seat.effects(Follow)
    assert follow.params["filter"] == "name:db*"


def version(number: int, second: int, memory_mb: int, **more: Any) -> dict[str, Any]:
    """A version of a configuration, made at 11:59 and so many seconds."""
    return {
        "version": number, "note": "created" if number == 1 else "changed", "changes": ["memory_mb"], "author": "uid:0(root)", "origin": "",
        "created_at": f"2026-01-31T11:59:{second:02}.500Z", "config": {"memory_mb": memory_mb, "restart": "no", **more},
    }  # fmt: skip


def test_the_configuration_is_that_of_the_moment() -> None:
    seat = looking_back("@ '11:59:09' enter")
    seat.type("g y")
    assert seat.asked() == [("vm.config_history", "db-1")]
    assert "asking" in seat.screen()
    items = [version(1, 4, 128), version(2, 6, 256), version(3, 8, 512, restart="always"), version(4, 30, 1024)]
    seat.answer({"name": "db-1", "running_version": 0, "items": items})
    screen = seat.screen()
    assert "version 3 of 3" in screen and "512" in screen and "1024" not in screen
    assert "from the next start on" not in screen, "it does not run any more"
    seat.type("@ '11:59:08.700' enter")
    screen = seat.screen()
    assert "512" in screen and "from the next start on: memory_mb" in screen and "restart," not in screen
    seat.type("tab")
    screen = seat.screen()
    assert "version 3" in screen and "version 4" not in screen
    assert next(line for line in screen.splitlines() if "version 2" in line).endswith("runs")
    seat.type("@ '11:59:05' enter y")
    assert "version 1 of 1" in seat.screen()
    assert seat.asked() == []


def test_why_a_configuration_of_then_is_not_known() -> None:
    seat = looking_back("@ '11:59:04' enter")
    seat.type("g y")
    seat.asked()
    seat.answer({"name": "db-1", "running_version": 5, "items": [version(5, 30, 128)]})
    assert "the versions of that time are no longer kept" in seat.screen()
    seat = looking_back("{")
    seat.desk.heard(Changed((), (DB["id"],), 10, complete=True))
    seat.type("g y")
    assert "it was deleted since then" in seat.screen()
    seat = replayed()
    seat.type("y")
    assert "a recording holds no configurations" in seat.screen()
    assert seat.asked() == []


def test_the_tape_goes_along_with_its_cursor() -> None:
    seat = looking_back()
    seat.type(": 'past' enter k k k")
    assert states(seat)["db-1"] == "failed"
    assert "PAST 2026-01-31 11:59:06" in seat.screen()
    seat.type("g")
    assert states(seat) == {}
    seat.type("G enter")
    assert seat.desk.screen is seat.desk.home
    assert (seat.desk.home.rows.record or {})["name"] == "db-1"


def test_the_tape_opens_from_now_and_with_a_moment() -> None:
    for line, state in (("past", "crashed"), ("past_11:59:08", "ready")):
        seat = Seat(WEB, DB)
        seat.type(f": '{line}' enter")
        answer_events(seat)
        assert states(seat)["db-1"] == state
        assert seat.desk.screen.title == "past"


def test_the_log_ends_at_the_moment() -> None:
    seat = looking_back()
    seat.type("g l")
    (follow,) = seat.effects(Follow)
    assert (follow.method, follow.params) == ("vm.logs_watch", {"filter": f"id:{DB['id']}", "tail": -1, "follow": False})
    seat.desk.streamed(follow.tag, [said(DB, 5, 7, 9)])
    seat.desk.answered(follow.tag, {})
    assert "line 7" in seat.screen() and "line 9" not in seat.screen()
    seat.type("< < <")
    assert "line 5" in seat.screen() and "line 7" not in seat.screen()


def test_the_console_is_that_of_the_boot() -> None:
    seat = looking_back()
    seat.type("< < < g a")
    (attach,) = seat.effects(Attach)
    assert attach.params == {"name": "db-1", "from_offset": 100, "follow": False, "times": True}
    seat.desk.streamed(attach.tag, [{"offset": 110}, b"first boot\r\n" + b"x" * 127, b"second boot"])
    screen = seat.screen()
    assert "first boot" in screen and "second" not in screen
    assert "of this boot, as a whole" in screen
    assert seat.effects(effects.Unfollow) == [effects.Unfollow(attach.tag)]
    seat.type(">")
    (attach,) = seat.effects(Attach)
    assert attach.params["from_offset"] == 250
    seat.desk.answered(attach.tag, fault("the VM is gone", "its console went with it"))
    assert "its console went with it" in seat.screen()


def test_the_console_goes_no_further_than_the_moment() -> None:
    seat = looking_back("@ '11:59:06.500' enter")
    seat.type("g a")
    (attach,) = seat.effects(Attach)
    times = [[100 + offset, int((WALL - 60 + second) * 1000)] for offset, second in ((9, 5), (22, 6), (31, 7), (200, 8.5))]
    seat.desk.streamed(attach.tag, [{"offset": 100, "writer": "", "times": times}, b"booting\r\n" + b"looking ...\r\n" + b"no disk\r\n"])
    seat.desk.streamed(attach.tag, [b"powering off\r\n" + b"x" * 200])
    screen = seat.screen()
    assert "looking" in screen and "no disk" not in screen and "up to this moment" in screen
    seat.type("@ '11:59:05.500' enter")
    assert "booting" in seat.screen() and "looking" not in seat.screen()
    seat.type("@ '11:59:05' enter space")
    seat.now += 1.9
    assert "looking" in seat.screen() and "no disk" not in seat.screen()
    assert seat.effects(Attach) == [], "it was asked twice for one boot"


@given(st.lists(st.binary(max_size=9), max_size=9), st.lists(st.tuples(st.integers(0, 80), st.floats(-9, 9)), max_size=5), st.floats(-9, 9))
def test_what_had_been_printed_only_grows(pieces: list[bytes], marks: list[tuple[int, float]], moment: float) -> None:
    printed = Printed()
    for piece in pieces:
        printed.add(piece)
    ordered = zip(sorted(offset for offset, _ in marks), sorted(time for _, time in marks), strict=True)
    printed.mark(ordered)
    assert 0 <= printed.end_at(moment) <= printed.end_at(moment + 5)
    assert len("".join(printed.lines(printed.end_at(moment)))) <= len(printed)


def test_a_console_that_is_opened_before_the_events_are_there_waits_for_them() -> None:
    seat = Seat(WEB, DB)
    seat.type("< g a")
    assert seat.effects(Attach) == []
    answer_events(seat)
    (attach,) = seat.effects(Attach)
    assert attach.params["from_offset"] == 250


def test_of_a_vm_that_is_gone_nobody_has_logs_any_more() -> None:
    seat = looking_back("{")
    seat.desk.heard(Changed((), (DB["id"],), 10, complete=True))
    for key in ("l", "a"):
        seat.type(f"g {key}")
        assert "it was deleted since then" in seat.screen()
        seat.type("escape")
    assert seat.effects(Follow) == seat.effects(Attach) == []


def test_all_pages_of_events_are_looked_back_on() -> None:
    many = [told(seq, "VM_READY" if seq % 2 else "VM_STOPPED", WEB, status="ready" if seq % 2 else "stopped") for seq in range(501, 2_501)]
    seat = Seat(WEB)
    seat.type("@ '#600' enter")
    assert seat.asked() == [("event.list", {"last": 1_000})]
    seat.answer({"items": many[1_000:], "seq": 2_500, "oldest": 501})
    assert seat.asked() == [("event.list", {"after": 500, "limit": 1_000})]
    seat.answer({"items": many[:1_000], "seq": 2_501, "oldest": 501})
    assert states(seat) == {"web-1": "stopped"}
    assert seat.desk.snapshot.seq == 600
    assert seat.asked() == []


def test_without_a_daemon_what_was_heard_is_looked_back_on() -> None:
    seat = Seat(WEB, DB)
    seat.desk.heard(Happened(tuple(EVENTS[7:])))
    seat.lose()
    seat.type("<")
    seat.asked()
    seat.answer(fault("not connected"))
    seat.type("<")
    assert states(seat)["db-1"] == "ready"
    seat.type("n")
    assert "DISCONNECTED" in seat.screen()


def test_where_nothing_happened_nothing_is_looked_back_on() -> None:
    seat = Seat()
    seat.type("<")
    seat.asked()
    seat.answer({"items": [], "seq": 0, "oldest": 0})
    assert "nothing has happened yet" in seat.screen()
    seat.type("n >")
    assert "PAST" not in seat.screen()


def test_nothing_wakes_up_in_the_past() -> None:
    seat = looking_back()
    seat.now += 20
    seat.screen()
    assert seat.desk.next_change_s() is None


def test_a_recording_is_all_past() -> None:
    seat = replayed()
    assert states(seat) == {"web-1": "starting"}
    assert "in host.rec" in seat.screen()
    seat.type(">")
    assert states(seat) == {"web-1": "ready"}
    seat.type("> > >")
    assert "nothing later is known" in seat.screen()
    seat.type("l")
    assert "the recording holds no logs of it" in seat.screen()
    seat.type("escape @ '2s_ago' enter")
    assert states(seat) == {"web-1": "starting"}
    seat.type("n")
    assert states(seat) == {"web-1": "ready"}
    seat.type("ctrl+d")
    assert "which stays as it was" in seat.screen(120)
    assert [each for each in seat.desk.effects if isinstance(each, effects.Call)] == []
