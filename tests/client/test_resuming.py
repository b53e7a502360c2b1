"""Where streams go on, and how long they look for a daemon: by value, without one."""

from __future__ import annotations

from typing import Any

import pytest

from volant.client.resuming import (
    AGAIN_MAX_S,
    AGAIN_S,
    STEADY_S,
    Absence,
    EventProgress,
    LogProgress,
    Progress,
    StatusProgress,
    VmsProgress,
)
from volant.proto.errors import AgentMissing, ConnectionLost, Failed, NoSuchVm, SocketMissing

GONE = ConnectionLost("gone")


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


def test_lines_that_were_seen_are_not_shown_again() -> None:
    progress = LogProgress({"name": "web", "tail": 2, "follow": True})
    progress.begun({"boot": 1, "status": "ready"})
    assert progress.params(0)["tail"] == 2
    assert came(progress, line(8), line(9)) == [line(8), line(9)]
    progress.begun({"boot": 1, "status": "ready"})
    assert progress.params(0)["tail"] == -1
    assert came(progress, line(7), line(8), line(9), line(10)) == [line(10)]
    progress.begun({"boot": 2, "status": "ready"})
    assert came(progress, line(1), line(2)) == [line(1), line(2)]


@pytest.mark.parametrize("status", ["stopped", "crashed", "failed"])
def test_a_vm_that_ended_meanwhile_has_no_more_to_say(status: str) -> None:
    progress = LogProgress({"name": "web", "tail": 2, "follow": True})
    progress.begun({"boot": 1, "status": "ready"})
    progress.begun({"boot": 1, "status": status, "next_try_at": "2026-01-31T12:00:00Z"})  # its policy starts it again
    with pytest.raises(Failed, match=f"VM 'web' is {status}: it was told to, so no more"):
        progress.begun({"boot": 1, "status": status, "next_try_at": "", "reason": "it was told to"})


def test_a_guest_that_numbers_its_lines_wrongly_hides_none_of_them() -> None:
    progress = LogProgress({"name": "web", "tail": 2, "follow": True})
    progress.begun({"boot": 1, "status": "ready"})
    assert came(progress, line(1), line(1), line(1)) == [line(1)] * 3


def test_a_deployment_as_it_was_is_no_news_and_the_time_left_shrinks() -> None:
    progress = StatusProgress({"name": "web", "wait": True, "timeout_ms": 10_000})
    assert came(progress, {"available": 1}, {"available": 1}, {"available": 2}) == [{"available": 1}, {"available": 2}]
    assert progress.params(4.0)["timeout_ms"] == 6_000
    assert progress.params(40.0)["timeout_ms"] == 0


def test_pauses_grow_until_there_was_time_enough() -> None:
    absence, now, waited = Absence(10.0), 100.0, []
    with pytest.raises(ConnectionLost):
        while True:
            assert absence.may_pass(GONE)
            waited.append(absence.pause(GONE, now))
            now += waited[-1]
    assert (waited[0], waited[-1]) == (AGAIN_S, AGAIN_MAX_S)
    assert waited == sorted(waited) and 9 < sum(waited) <= 10


def test_each_absence_has_its_own_time() -> None:
    absence = Absence(1.0)
    for began in (0.0, 50.0, 50.5):
        assert absence.pause(GONE, began) == AGAIN_S
        absence.back(began)
        absence.went_on()


def test_a_daemon_that_greets_and_leaves_again_is_not_looked_for_for_ever() -> None:
    absence, now = Absence(3.0), 100.0
    with pytest.raises(ConnectionLost):
        while now < 200:
            now += absence.pause(GONE, now)
            absence.back(now)
    assert 102 < now <= 103
    absence.back(now)
    assert absence.pause(GONE, now + STEADY_S) == AGAIN_S


def test_a_vm_whose_agent_is_not_there_yet_is_waited_for_only_after_an_absence() -> None:
    absence, missing = Absence(2.0), AgentMissing("not yet")
    assert not absence.may_pass(missing)
    absence.pause(GONE, 0.0)
    absence.back(0.0)
    assert absence.may_pass(missing) and absence.pause(missing, 1.0) and not absence.away
    with pytest.raises(AgentMissing):
        absence.pause(missing, 2.5)


def test_other_failures_and_no_patience_pass_nothing() -> None:
    assert not Absence(60).may_pass(NoSuchVm("web"))
    assert not Absence(0).may_pass(GONE)
    assert Absence(60).may_pass(SocketMissing("/nowhere"))


def test_a_list_of_vms_goes_on_with_what_is_different() -> None:
    def vm(id: str, status: str) -> dict[str, Any]:
        return {"id": id, "status": status}

    def news(progress: VmsProgress) -> tuple[list[str], list[str]]:
        return sorted(record["status"] for record in progress.changed), [record["id"] for record in progress.gone]

    progress = VmsProgress({"filter": ""})
    assert progress.params(0) == {"filter": ""}
    assert not progress.takes({"items": [vm("a", "ready"), vm("b", "ready")], "gone": [], "complete": False})
    assert progress.takes({"items": [vm("c", "stopped")], "gone": ["b"], "complete": True})
    assert news(progress) == (["ready", "stopped"], [])
    assert progress.takes({"items": [vm("d", "pending")], "gone": ["a", "never"], "complete": True})
    assert news(progress) == (["pending"], ["a"]) and set(progress.records) == {"c", "d"}

    progress.params(1)
    assert not progress.takes({"items": [vm("c", "stopped")], "gone": [], "complete": False}), "what is as before is no news"
    assert progress.takes({"items": [vm("e", "starting")], "gone": [], "complete": True})
    assert news(progress) == (["starting"], ["d"]) and set(progress.records) == {"c", "e"}
