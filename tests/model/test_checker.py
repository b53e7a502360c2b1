"""The checker itself: it takes what a right daemon would answer, and nothing that a broken one did."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.model.checker import check, explained
from tests.model.history import Call, History
from tests.model.model import Vm


def view(wanted: str, status: str, generation: int, *, vm_id: str = "1", version: int = 1, memory_mb: int = 256) -> dict[str, Any]:
    return {
        "id": vm_id, "name": "a", "wanted": wanted, "status": status, "generation": generation, "boot": 1,
        "config_version": version, "memory_mb": memory_mb,
    }  # fmt: skip


def asked(verb: str, invoked: float, returned: float, reply: dict[str, Any] | None = None, code: str = "", **params: Any) -> Call:
    return Call("vm", "" if verb == "list" else "a", verb, params, invoked, returned, reply, code)


def event(seq: int, kind: str, status: str, generation: int, vm_id: str = "1") -> dict[str, Any]:
    return {"seq": seq, "kind": kind, "vm": "a", "vm_id": vm_id, "data": {"status": status, "generation": generation}}


def right() -> History:
    """A VM's life as it should be told, with two calls at once and one that was lost."""
    return History(
        calls=[
            asked("create", 1, 2, view("running", "pending", 1), memory_mb=256),
            asked("get", 3, 4, view("running", "ready", 4)),
            asked("patch", 5, 8, {"shown": {"version": 2}}, memory_mb=300),
            asked("get", 6, 7, view("running", "ready", 4)),
            asked("get", 9, 10, view("running", "ready", 5, version=2, memory_mb=300)),
            asked("restart", 11, 12, code="lost"),
            asked("stop", 13, 14, view("stopped", "stopping", 6, version=2, memory_mb=300)),
            asked("list", 15, 16, {"items": [view("stopped", "stopped", 7, version=2, memory_mb=300)]}),
            asked("delete", 17, 18, {"name": "a"}),
            asked("delete", 17.5, 19, {"name": "a"}),
            asked("get", 20, 21, code="not_found.vm"),
        ],
        events=[
            event(1, "VM_CREATED", "pending", 1),
            event(2, "VM_STARTING", "starting", 2),
            event(3, "VM_RUNNING", "running", 3),
            event(4, "VM_READY", "ready", 4),
            event(5, "VM_CONFIGURED", "ready", 4),
            event(6, "VM_STOPPING", "stopping", 6),
            event(7, "VM_STOPPED", "stopped", 7),
            event(8, "VM_DELETED", "destroying", 8),
        ],
    )


def test_what_a_right_daemon_answers_is_explained() -> None:
    check(right())


def set_call(number: int, **changes: Any) -> Callable[[History], None]:
    def forge(history: History) -> None:
        history.calls[number] = replace(history.calls[number], **changes)

    return forge


def without_event(number: int, *, renumbered: bool) -> Callable[[History], None]:
    def forge(history: History) -> None:
        del history.events[number - 1]
        if renumbered:
            for seq, one in enumerate(history.events, 1):
                one["seq"] = seq

    return forge


def event_twice(history: History) -> None:
    history.events.insert(3, copy.deepcopy(history.events[2]))


def swapped_events(history: History) -> None:
    first, second = history.events[5], history.events[6]
    history.events[5], history.events[6] = {**second, "seq": 6}, {**first, "seq": 7}


OTHER = view("running", "pending", 1, vm_id="2")
CHANGED = view("running", "ready", 5, version=2, memory_mb=300)
LEAVING = view("destroyed", "destroying", 8, version=2, memory_mb=300)

FORGERIES: dict[str, tuple[Callable[[History], None], str]] = {
    "an acknowledged create is lost": (set_call(1, reply=None, code="not_found.vm"), "no order"),
    "a name is taken twice": (set_call(3, verb="create", reply=OTHER, params={"memory_mb": 256}), "no order"),
    "an acknowledged stop is lost": (set_call(7, reply={"items": [CHANGED]}), "no order"),
    "an acknowledged change is lost": (set_call(4, reply=view("running", "ready", 4)), "no order"),
    "a change is seen before it was asked": (set_call(1, reply=CHANGED), "no order"),
    "a version is skipped": (set_call(2, reply={"shown": {"version": 3}}), "no order"),
    "a deleted VM is there again": (set_call(10, code="", reply={**LEAVING, "wanted": "stopped"}), "no order"),
    "a deletion is answered before it is done": (set_call(10, code="", reply=LEAVING), "no order"),
    "a view is another VM's": (set_call(1, reply=view("running", "ready", 4, vm_id="2")), "no order"),
    "an event is skipped": (without_event(3, renumbered=False), "grow by one"),
    "an event comes twice": (event_twice, "grow by one"),
    "a state is never told": (without_event(4, renumbered=True), "was running at 4"),
    "a creation is never told": (without_event(1, renumbered=True), "created first"),
    "a change is never told": (without_event(5, renumbered=True), "VM_CONFIGURED never told"),
    "events are told in the wrong order": (swapped_events, "do not grow"),
    "one generation is two things": (set_call(3, reply=view("running", "ready", 4) | {"boot": 2}), "two things"),
}


@pytest.mark.parametrize("forged", FORGERIES)
def test_what_a_broken_daemon_answers_is_not(forged: str) -> None:
    forge, said = FORGERIES[forged]
    history = right()
    forge(history)
    with pytest.raises(AssertionError, match=said):
        check(history)


def test_calls_at_once_may_be_in_any_order_and_calls_one_after_the_other_may_not() -> None:
    made = asked("create", 1, 2, view("running", "pending", 1), memory_mb=256)
    seen = view("stopped", "stopped", 3)
    at_once = [asked("stop", 3, 6, seen), asked("start", 4, 5, seen)]
    assert explained([made, *at_once, asked("get", 7, 8, seen)])
    assert not explained([made, at_once[0], asked("start", 6.5, 6.7, seen), asked("get", 7, 8, seen)])


def test_a_lost_call_may_have_been_heeded_or_not_until_its_daemon_is_dead() -> None:
    made = asked("create", 1, 2, view("running", "pending", 1), memory_mb=256)
    lost = asked("stop", 3, 5, code="lost")
    for wanted in ("running", "stopped"):
        assert explained([made, lost, asked("get", 6, 7, view(wanted, "stopped", 3))])
    looks = [asked("get", 6, 7, view("running", "ready", 3)), asked("get", 8, 9, view("stopped", "stopped", 4))]
    assert not explained([made, lost, *looks])


def test_a_vm_whose_creation_was_not_answered_has_one_id() -> None:
    lost = asked("create", 1, 2, code="lost", memory_mb=256)
    first = asked("get", 3, 4, view("running", "ready", 3))
    assert explained([lost, first, asked("get", 5, 6, view("running", "ready", 3))])
    assert not explained([lost, first, asked("get", 5, 6, view("running", "ready", 3, vm_id="2"))])
    assert Vm("1", "running", 1, 256) != Vm("2", "running", 1, 256)
