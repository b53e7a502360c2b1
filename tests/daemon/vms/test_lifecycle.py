"""The transition table, and the two questions asked of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.daemon.vms.lifecycle import EVENT_OF, TRANSITIONS, IllegalTransition, Step, check, ending, lost, mermaid, next_step
from volant.proto.specs.states import VmState, Wanted


def test_every_state_is_in_the_table_and_has_a_way_out() -> None:
    assert set(TRANSITIONS) == set(VmState)
    for state in VmState:
        reachable: set[VmState] = set()
        todo = [state]
        while todo:
            for after in TRANSITIONS[todo.pop()] - reachable:
                reachable.add(after)
                todo.append(after)
        assert state is VmState.DESTROYING or VmState.DESTROYING in reachable, f"{state} can't be left for good"


def test_an_illegal_step_is_refused() -> None:
    with pytest.raises(IllegalTransition, match="stopped can't become ready"):
        check(VmState.STOPPED, VmState.READY)


@given(st.sampled_from(VmState), st.sampled_from(Wanted))
def test_a_destroyed_vm_is_never_started(state: VmState, wanted: Wanted) -> None:
    step = next_step(state, wanted)
    if wanted is Wanted.DESTROYED:
        assert step is (Step.ADOPT if state.is_live else Step.DESTROY)
    if step is Step.START:
        assert wanted is Wanted.RUNNING and state is VmState.PENDING


@pytest.mark.parametrize("state", [VmState.CRASHED, VmState.FAILED, VmState.STOPPED])
def test_what_has_ended_waits_for_somebody_to_ask(state: VmState) -> None:
    assert next_step(state, Wanted.RUNNING) is Step.IDLE


@pytest.mark.parametrize(
    ("cause", "was_ready", "panic", "state", "wanted"),
    [
        ("guest-shutdown", True, False, VmState.STOPPED, Wanted.STOPPED),
        ("guest-shutdown", False, False, VmState.FAILED, Wanted.RUNNING),
        ("guest-reset", True, False, VmState.PENDING, Wanted.RUNNING),
        ("guest-reset", True, True, VmState.CRASHED, Wanted.RUNNING),
        ("guest-panic", True, False, VmState.CRASHED, Wanted.RUNNING),
        ("guest-panic", False, False, VmState.FAILED, Wanted.RUNNING),
        ("killed", True, False, VmState.CRASHED, Wanted.RUNNING),
        ("host-oom", True, False, VmState.CRASHED, Wanted.RUNNING),
        ("unknown", False, False, VmState.FAILED, Wanted.RUNNING),
    ],
)
def test_how_an_unasked_end_is_read(cause: str, was_ready: bool, panic: bool, state: VmState, wanted: Wanted) -> None:
    end = ending(wanted=Wanted.RUNNING, asked_to_stop=False, was_ready=was_ready, cause=cause, panicked=panic)
    assert (end.state, end.wanted) == (state, wanted)
    assert ("unasked, and nothing tells why" in end.reason) is (cause == "unknown")
    assert end.reason and ("OOM killer" in end.reason) is (cause == "host-oom")


def test_an_asked_for_end_is_a_stop_and_a_restart_begins_anew() -> None:
    assert ending(wanted=Wanted.STOPPED, asked_to_stop=True, was_ready=True, cause="killed", panicked=False).state is VmState.STOPPED
    assert (
        ending(wanted=Wanted.RUNNING, asked_to_stop=True, was_ready=True, cause="guest-shutdown", panicked=False).state is VmState.PENDING
    )


def test_entering_a_state_that_users_watch_for_is_an_event() -> None:
    assert {EVENT_OF[state] for state in (VmState.RUNNING, VmState.STOPPED, VmState.CRASHED)} == {"VM_RUNNING", "VM_STOPPED", "VM_CRASHED"}


@pytest.mark.parametrize(
    ("state", "rebooted", "starts", "oom", "after", "wanted"),
    [
        (VmState.READY, False, False, "", VmState.CRASHED, Wanted.RUNNING),
        (VmState.READY, False, True, "oom", VmState.CRASHED, Wanted.RUNNING),
        (VmState.STARTING, False, False, "", VmState.PENDING, Wanted.RUNNING),
        (VmState.READY, True, True, "", VmState.PENDING, Wanted.RUNNING),
        (VmState.READY, True, False, "", VmState.STOPPED, Wanted.STOPPED),
    ],
)
def test_how_a_vm_is_found_whose_vmm_is_gone(
    state: VmState, rebooted: bool, starts: bool, oom: str, after: VmState, wanted: Wanted
) -> None:
    end = lost(state, Wanted.RUNNING, host_restarted=rebooted, starts_with_host=starts, oom_kill=oom)
    assert (end.state, end.wanted, end.is_failure) == (after, wanted, after is VmState.CRASHED)
    assert (end.cause == "host-oom") is bool(oom) and end.is_unasked is not rebooted


def test_the_drawing_has_every_arrow() -> None:
    drawing = mermaid()
    assert drawing.startswith("stateDiagram-v2\n    [*] --> pending\n") and drawing.endswith("    destroying --> [*]\n")
    assert sum(drawing.count(f"{old} --> {new}\n") for old in VmState for new in TRANSITIONS[old]) == sum(map(len, TRANSITIONS.values()))
