"""What a request makes of a VM in each state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.daemon.vms.lifecycle import TRANSITIONS
from volant.daemon.vms.requests import Ask, decide
from volant.proto.errors import Denied
from volant.proto.specs.states import VmState, Wanted


@given(st.sampled_from(Ask), st.sampled_from(VmState), st.sampled_from(Wanted), st.booleans())
def test_a_verdict_is_always_a_legal_step_or_a_denial_with_a_hint(ask: Ask, state: VmState, wanted: Wanted, force: bool) -> None:
    try:
        verdict = decide(ask, name="web", state=state, wanted=wanted, force=force)
    except Denied as denied:
        assert denied.hint and "web" in denied.message
        return
    if verdict.state is not None:
        assert verdict.state in TRANSITIONS[state]


@given(
    st.sampled_from(Ask), st.sampled_from([state for state in VmState if state.is_live]), st.sampled_from((Wanted.RUNNING, Wanted.STOPPED))
)
def test_what_runs_is_ended_by_every_request_but_a_start(ask: Ask, state: VmState, wanted: str) -> None:
    if ask is not Ask.START:
        verdict = decide(ask, name="web", state=state, wanted=Wanted(wanted), force=True)
        assert verdict.taken and verdict.stops
    elif wanted == Wanted.RUNNING:
        assert not decide(ask, name="web", state=state, wanted=Wanted(wanted)).stops


@pytest.mark.parametrize("state", [VmState.STARTING, VmState.RUNNING, VmState.READY])
def test_starting_what_runs_is_so_already(state: VmState) -> None:
    assert not decide(Ask.START, name="web", state=state, wanted=Wanted.RUNNING).taken


def test_stopping_what_is_stopped_is_so_already() -> None:
    assert not decide(Ask.STOP, name="web", state=VmState.STOPPED, wanted=Wanted.STOPPED).taken


def test_deleting_what_runs_needs_force() -> None:
    with pytest.raises(Denied, match="is ready") as denied:
        decide(Ask.DELETE, name="web", state=VmState.READY, wanted=Wanted.RUNNING)
    assert "--force" in denied.value.hint
    assert decide(Ask.DELETE, name="web", state=VmState.READY, wanted=Wanted.RUNNING, force=True).wanted is Wanted.DESTROYED


def test_deleting_twice_is_no_error_and_everything_else_is_then_denied() -> None:
    assert not decide(Ask.DELETE, name="web", state=VmState.DESTROYING, wanted=Wanted.DESTROYED).taken
    for ask in (Ask.START, Ask.STOP, Ask.RESTART):
        with pytest.raises(Denied, match="is being deleted"):
            decide(ask, name="web", state=VmState.DESTROYING, wanted=Wanted.DESTROYED)


@pytest.mark.parametrize("state", [VmState.CRASHED, VmState.FAILED])
def test_what_fell_over_can_be_started_and_settled(state: VmState) -> None:
    assert decide(Ask.START, name="web", state=state, wanted=Wanted.RUNNING).state is VmState.PENDING
    assert decide(Ask.STOP, name="web", state=state, wanted=Wanted.RUNNING).state is VmState.STOPPED


@pytest.mark.parametrize("state", [state for state in VmState if state.is_live])
def test_a_vm_on_its_way_down_can_be_restarted_and_not_started(state: VmState) -> None:
    assert decide(Ask.RESTART, name="web", state=state, wanted=Wanted.STOPPED).wanted is Wanted.RUNNING
    with pytest.raises(Denied, match="is stopping"):
        decide(Ask.START, name="web", state=state, wanted=Wanted.STOPPED)
