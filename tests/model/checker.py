"""Whether a history can be explained: each thing's calls by some order, and the events by the states that were answered.

The order is searched for as Wing and Gong do (Testing and Verifying Concurrent Objects, 1993): of the calls that no other one had returned
before, each may be next; what was tried is remembered by the calls that are left and the state.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

from tests.model.history import NEVER, Call, History, told
from tests.model.model import State, after

STATES = {
    "VM_STARTING", "VM_RUNNING", "VM_READY", "VM_PAUSED", "VM_STOPPING", "VM_STOPPED", "VM_CRASHED", "VM_FAILED",
}  # fmt: skip
"""Kinds of events that tell of a state that was entered."""

UNTOLD = {"pending", "destroying"}
"""States that no event of their own tells of."""


def check(history: History) -> None:
    """AssertionError with what can't be explained."""
    for (noun, name), calls in history.by_thing():
        if not explained(calls):
            raise AssertionError(f"no order of the calls explains what {noun} {name} answered:\n{told(calls)}")
    check_numbers(history.events)
    check_lives(history.events)
    check_views(history)
    check_acknowledged(history)


def explained(calls: list[Call]) -> bool:
    """Whether some order of these calls about one thing, which was not there before, leads to all their answers."""
    steps = [step for call in calls for step in _steps(call)]
    tried: set[tuple[frozenset[int], State]] = set()
    todo: list[tuple[frozenset[int], State]] = [(frozenset(range(len(steps))), None)]
    while todo:
        left, state = todo.pop()
        if all(steps[number].returned == NEVER for number in left):
            return True  # what was never answered need not have happened
        if (left, state) in tried:
            continue
        tried.add((left, state))
        first_return = min(steps[number].returned for number in left)
        for number in left:
            if steps[number].invoked <= first_return and not _waits(number, steps, left):
                todo += [(left - {number}, then) for then in after(state, steps[number])]
    return False


def _steps(call: Call) -> list[Call]:
    """A deletion is two: from the first on it is wanted, after the second it is done."""
    if call.verb != "delete" or call.reply is None:
        return [call]
    return [call, replace(call, verb="gone")]


def _waits(number: int, steps: list[Call], left: frozenset[int]) -> bool:
    """The second step of a deletion comes after its first, which stands right before it."""
    return steps[number].verb == "gone" and number - 1 in left


def check_numbers(events: list[dict[str, Any]]) -> None:
    numbers = [event["seq"] for event in events]
    wrong = [(one, other) for one, other in pairwise(numbers) if other != one + 1]
    assert not wrong, f"the events' numbers do not grow by one: {wrong}"


def check_lives(events: list[dict[str, Any]]) -> None:
    """Each VM is created first and deleted last, both once, and its generations grow with its states."""
    for vm_id, life in _lives(events).items():
        kinds = [event["kind"] for event in life]
        assert kinds.count("VM_CREATED") == 1 and kinds[0] == "VM_CREATED", f"VM {vm_id} was not created first, and once: {kinds}"
        assert "VM_DELETED" not in kinds[:-1], f"VM {vm_id} went on after it was deleted: {kinds}"
        generations = [event["data"]["generation"] for event in life if event["kind"] in STATES]
        assert generations == sorted(set(generations)), f"generations of VM {vm_id} do not grow: {generations}"


def check_views(history: History) -> None:
    """What was answered of a VM is what its events tell of that generation, and the same for everybody."""
    lives = _lives(history.events)
    same: dict[tuple[str, int], tuple[Any, ...]] = {}
    for view in history.views():
        vm_id, generation, status = view["id"], view["generation"], view["status"]
        fixed = (view["wanted"], view["config_version"], view["boot"])
        assert same.setdefault((vm_id, generation), fixed) == fixed, f"generation {generation} of VM {vm_id} is two things: {view}"
        told_of = [event for event in lives.get(vm_id, ()) if event["kind"] in STATES and event["data"]["generation"] <= generation]
        if status in UNTOLD or not told_of:
            continue
        newest = told_of[-1]["data"]["status"]
        # A daemon that adopts a VM thinks it running until its agent has answered.
        assert status == newest or (status, newest) == ("running", "ready"), f"VM {vm_id} was {newest} at {generation}, not as in {view}"


def check_acknowledged(history: History) -> None:
    """Nothing that was answered is missing in the events."""
    lives = _lives(history.events)
    for call in history.calls:
        if call.noun != "vm" or call.reply is None or call.verb not in ("create", "patch"):
            continue
        kind = "VM_CREATED" if call.verb == "create" else "VM_CONFIGURED"
        told_of = [event for life in lives.values() for event in life if event["kind"] == kind and event["vm"] == call.name]
        if call.verb == "create":
            told_of = [event for event in told_of if event["vm_id"] == call.reply["id"]]
        assert told_of, f"{call.verb} of {call.name} was answered, and {kind} never told"


def _lives(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["vm_id"]:
            found[event["vm_id"]].append(event)
    return found
