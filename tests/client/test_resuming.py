"""Where streams go on, and how long they look for a daemon: by value, without one."""

from __future__ import annotations

from typing import Any

import pytest

from volant.client.resuming import (
    AGAIN_MAX_S,
    AGAIN_S,
    LOOK_S,
    STEADY_S,
    Absence,
    EventProgress,
    LogProgress,
    Progress,
    StatusProgress,
    VmsProgress,
)
from volant.proto.errors import AgentMissing, ConnectionLost, Failed, LaunchFailed, NoSuchVm, SocketMissing

GONE = ConnectionLost("gone")
EVENTS = EventProgress({})


def came(progress: Progress, *items: Any) -> list[Any]:
    return [item for item in items if progress.takes(item)]


def line(seq: int) -> dict[str, Any]:
    return {"seq": seq, "text": str(seq)}


def test_events_go_on_after_the_last_one() -> None:
    progress = EventProgress({"vm": "web", "after": 7})
    assert progress.begins_with is None
    assert progress.params(0) == {"vm": "web", "after": 7}
    assert came(progress, {"seq": 9}, {"seq": 12}) == [{"seq": 9}, {"seq": 12}]
    assert progress.params(5) == {"vm": "web", "after": 12}


def test_from_now_on_is_from_a_number_on() -> None:
    progress = EventProgress({})
    assert progress.begins_with == ("event.list", {"last": 1})
    progress.begun({"seq": 41, "items": []})
    assert progress.params(0) == {"after": 41}
    assert progress.begins_with is None


def vm(status: str = "ready", *, boot: int = 1, **more: Any) -> dict[str, Any]:
    """A VM as `vm.get` shows it, as far as its output depends on that."""
    known = {"id": "a1", "wanted": "running", "reason": "", "error": None, "ready_at": "2026-01-31T12:00:00Z", "next_try_at": ""}
    return {**known, "status": status, "boot": boot, **more}


def following(*, heard_out: bool = False) -> LogProgress:
    """Somebody who follows VM `web`; with `heard_out` the daemon ended the stream."""
    progress = LogProgress({"name": "web", "tail": 2, "follow": True})
    assert progress.begun(vm()) is None
    assert not heard_out or not progress.ended()
    return progress


def test_a_daemon_that_knows_no_events_is_not_taken_for_one_that_told_its_newest() -> None:
    assert EventProgress({}).begun(None) is None, "the refusal is raised"


def test_lines_that_were_seen_are_not_shown_again() -> None:
    progress = following()
    assert progress.params(0)["tail"] == 2
    assert came(progress, line(8), line(9)) == [line(8), line(9)]
    assert progress.begun(vm()) is None
    assert progress.params(0)["tail"] == -1
    assert came(progress, line(7), line(8), line(9), line(10)) == [line(10)]
    assert progress.begun(vm(boot=2)) is None
    assert came(progress, line(1), line(2)) == [line(1), line(2)]


@pytest.mark.parametrize("heard_out", [True, False])
def test_a_vm_that_was_stopped_has_no_more_to_say(heard_out: bool) -> None:
    last_word = following(heard_out=heard_out).begun(vm("stopped", reason="the guest powered off"))
    lost = "" if heard_out else "; what it wrote while volantd was away went with it"
    assert last_word == f"VM 'web' is stopped: the guest powered off{lost}"


@pytest.mark.parametrize("now", [None, vm("stopping", wanted="destroyed"), vm("stopped", wanted="destroyed"), vm(id="b2")])
def test_a_vm_that_was_deleted_has_no_more_to_say_whoever_has_its_name_now(now: Any) -> None:
    assert following().begun(now) == "VM 'web' was deleted"


def test_a_vm_that_never_was_is_not_one_that_was_deleted() -> None:
    assert LogProgress({"name": "web", "follow": True}).begun(None) is None


@pytest.mark.parametrize("heard_out", [True, False])
def test_a_crash_is_raised_as_the_vm_has_it(heard_out: bool) -> None:
    error = LaunchFailed("VM 'web' crashed: it panicked", console="Kernel panic").to_wire()
    with pytest.raises(LaunchFailed, match="it panicked") as crashed:
        following(heard_out=heard_out).begun(vm("crashed", error=error))
    assert crashed.value.data["console"] == "Kernel panic"
    with pytest.raises(Failed, match="VM 'web' is failed: nobody knows"):
        following().begun(vm("failed", reason="nobody knows"))


@pytest.mark.parametrize(
    "now",
    [
        vm("pending"),
        vm("starting", boot=2),
        vm("running", boot=2, ready_at=""),
        vm("stopping"),
        vm("crashed", next_try_at="2026-01-31T12:00:00Z"),
    ],
    ids=lambda now: now["status"],
)
def test_a_vm_that_is_on_its_way_to_another_boot_is_waited_for_as_long_as_it_takes(now: dict[str, Any]) -> None:
    progress = following(heard_out=now["status"] != "stopping")
    assert progress.begun(now) is None and progress.comes_back
    absence, missing = Absence(1.0, progress), AgentMissing("not yet")
    assert all(absence.may_pass(missing) and absence.pause(missing, at) == LOOK_S for at in (0.0, 3_600.0)) and not absence.away


def test_a_stream_that_the_guest_itself_ended_is_not_asked_for_again() -> None:
    assert following(heard_out=True).begun(vm()) == ""
    assert following(heard_out=True).begun(vm(boot=2)) is None


def test_a_guest_that_numbers_its_lines_wrongly_hides_none_of_them() -> None:
    assert came(following(), line(1), line(1), line(1)) == [line(1)] * 3


def test_a_deployment_as_it_was_is_no_news_and_the_time_left_shrinks() -> None:
    progress = StatusProgress({"name": "web", "wait": True, "timeout_ms": 10_000})
    assert came(progress, {"available": 1}, {"available": 1}, {"available": 2}) == [{"available": 1}, {"available": 2}]
    assert progress.params(4.0)["timeout_ms"] == 6_000
    assert progress.params(40.0)["timeout_ms"] == 0


def test_pauses_grow_until_there_was_time_enough() -> None:
    absence, now, waited = Absence(10.0, EVENTS), 100.0, []
    with pytest.raises(ConnectionLost):
        while True:
            assert absence.may_pass(GONE)
            waited.append(absence.pause(GONE, now))
            now += waited[-1]
    assert (waited[0], waited[-1]) == (AGAIN_S, AGAIN_MAX_S)
    assert waited == sorted(waited) and 9 < sum(waited) <= 10


def test_each_absence_has_its_own_time() -> None:
    absence = Absence(1.0, EVENTS)
    for began in (0.0, 50.0, 50.5):
        assert absence.pause(GONE, began) == AGAIN_S
        absence.back(began)
        absence.went_on()


def test_a_daemon_that_greets_and_leaves_again_is_not_looked_for_for_ever() -> None:
    absence, now = Absence(3.0, EVENTS), 100.0
    with pytest.raises(ConnectionLost):
        while now < 200:
            now += absence.pause(GONE, now)
            absence.back(now)
    assert 102 < now <= 103
    absence.back(now)
    assert absence.pause(GONE, now + STEADY_S) == AGAIN_S


def test_a_vm_whose_agent_is_not_there_yet_is_waited_for_only_after_an_absence() -> None:
    absence, missing = Absence(2.0, EVENTS), AgentMissing("not yet")
    assert not absence.may_pass(missing)
    absence.pause(GONE, 0.0)
    absence.back(0.0)
    assert absence.may_pass(missing) and absence.pause(missing, 1.0) and not absence.away
    with pytest.raises(AgentMissing):
        absence.pause(missing, 2.5)


def test_other_failures_and_no_patience_pass_nothing() -> None:
    assert not Absence(60, EVENTS).may_pass(NoSuchVm("web"))
    assert not Absence(0, EVENTS).may_pass(GONE)
    assert Absence(60, EVENTS).may_pass(SocketMissing("/nowhere"))


def test_a_list_of_vms_goes_on_with_what_is_different() -> None:
    def record(id: str, status: str) -> dict[str, Any]:
        return {"id": id, "status": status}

    def news(progress: VmsProgress) -> tuple[list[str], list[str]]:
        return sorted(each["status"] for each in progress.changed), [each["id"] for each in progress.gone]

    progress = VmsProgress({"filter": ""})
    assert progress.params(0) == {"filter": ""}
    assert not progress.takes({"items": [record("a", "ready"), record("b", "ready")], "gone": [], "complete": False})
    assert progress.takes({"items": [record("c", "stopped")], "gone": ["b"], "complete": True})
    assert news(progress) == (["ready", "stopped"], [])
    assert progress.takes({"items": [record("d", "pending")], "gone": ["a", "never"], "complete": True})
    assert news(progress) == (["pending"], ["a"]) and set(progress.records) == {"c", "d"}

    progress.params(1)
    assert not progress.takes({"items": [record("c", "stopped")], "gone": [], "complete": False}), "what is as before is no news"
    assert progress.takes({"items": [record("e", "starting")], "gone": [], "complete": True})
    assert news(progress) == (["starting"], ["d"]) and set(progress.records) == {"c", "e"}
