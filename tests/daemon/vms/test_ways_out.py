"""No state is a dead end: for each, the commands that leave it, and that none of them forgets a VMM before it is proven dead."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.ensemble import BOOTS, Ensemble, no_threads
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import Put
from volant.daemon.vms.lifecycle import Step, check, ending, next_step
from volant.daemon.vms.owner import Request
from volant.daemon.vms.requests import Ask, decide
from volant.daemon.vms.roster import Roster
from volant.proto.api.vm import DeleteVm, RestartVm, StartVm, StopVm, WaitVm
from volant.proto.errors import Denied, LaunchFailed, NetworkFailed
from volant.proto.specs.states import NetworkMode, VmState, WaitFor, Wanted

S = VmState


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[Ensemble]:
    with no_threads():
        yield Ensemble(tmp_path, network=NetworkMode.BRIDGED)


# -------------------------------------------------------------------------------------------------------------- by the table


def settled(ask: Ask, state: VmState, wanted: Wanted, *, waits: bool) -> list[VmState]:
    """The states that a VM goes through after a request, each step checked against the table, until nothing more is to be done."""
    verdict = decide(ask, name="web", state=state, wanted=wanted, force=True)
    went, wanted, waits = [state], verdict.wanted, waits and not verdict.taken

    def enter(new: VmState) -> None:
        if new is not went[-1]:
            check(went[-1], new)
            went.append(new)

    if verdict.state is not None:
        enter(verdict.state)
    for _ in range(5):
        match next_step(went[-1], wanted, waits=waits):
            case Step.IDLE | Step.RETRY:
                return went
            case Step.ADOPT:
                enter(ending(wanted=wanted, asked_to_stop=True, was_ready=True, cause="killed", panicked=False).state)
            case Step.SETTLE:
                enter(S.STOPPED)
            case Step.DESTROY:
                enter(S.DESTROYING)
                return went
            case Step.START:
                enter(S.STARTING)
                return went
    raise AssertionError(f"it never comes to rest: {went}")


@given(st.sampled_from(VmState), st.sampled_from(Wanted), st.booleans())
def test_from_every_state_a_vm_can_be_deleted_by_force(state: VmState, wanted: Wanted, waits: bool) -> None:
    assert settled(Ask.DELETE, state, wanted, waits=waits)[-1] is S.DESTROYING or wanted is Wanted.DESTROYED


@given(st.sampled_from(VmState), st.sampled_from(Wanted), st.booleans())
def test_from_every_state_but_the_last_a_vm_can_be_stopped_and_started(state: VmState, wanted: Wanted, waits: bool) -> None:
    if state is S.DESTROYING or wanted is Wanted.DESTROYED:
        for ask in (Ask.STOP, Ask.RESTART):
            with pytest.raises(Denied, match="is being deleted"):
                settled(ask, state, wanted, waits=waits)
        return
    assert settled(Ask.STOP, state, wanted, waits=waits)[-1] is S.STOPPED
    assert settled(Ask.RESTART, state, wanted, waits=waits)[-1] is S.STARTING or state is S.PENDING


# ------------------------------------------------------------------------------------------------------------- told, by state


@asynccontextmanager
async def vm_in(ensemble: Ensemble, state: VmState) -> AsyncIterator[Roster]:
    """An orchestrator with the VM `web` in that state, and staying there by itself."""
    host = ensemble.host
    if state is S.PAUSED:
        async with ensemble.playing():
            await ensemble.create()
        (record,) = await ensemble.store.vms()
        await ensemble.store.commit(Put(replace(record, state=S.PAUSED)))
    async with ensemble.playing() as vms:
        if state in (S.PENDING, S.STARTING):
            host.behaviour = Behaviour(mute=True)
            for number in range(BOOTS):
                await ensemble.create(f"slow-{number}", wait=WaitFor.RUNNING)
        if state is S.PENDING:
            ensemble.store.commit_s = 1.0
        if state is S.RUNNING:
            host.behaviour = Behaviour(mute=True)
        if state is S.FAILED:
            host.behaviour = Behaviour(launch_fault=LaunchFailed("QEMU said no"))
        if state in (S.STOPPING, S.DESTROYING):
            host.behaviour = Behaviour(ignores_shutdown=True)
        if state is not S.PAUSED:
            await ensemble.create(wait=None)
        if state in (S.READY, S.STOPPED, S.CRASHED, S.STOPPING, S.DESTROYING):
            await ensemble.settled(S.READY)
        if state is S.STOPPED:
            await vms.stop(StopVm(name="web"))
        if state is S.CRASHED:
            host.guest(vms.get("web").id).crash()
        if state is S.STOPPING:
            await vms.stop(StopVm(name="web", grace_ms=3_600_000, wait=False))
        if state is S.DESTROYING:
            ensemble.bridge.broken = NetworkFailed("the tap is busy")
            await vms.owner("web").request(Request(Ask.DELETE, force=True))
        await ensemble.settled(state)
        host.behaviour = Behaviour()
        yield vms


@pytest.mark.parametrize("state", VmState)
@pytest.mark.parametrize("command", ["stop", "stop --force", "delete --force", "restart --force", "start"])
async def test_every_state_is_left_by_commands(autojump_clock: MockClock, ensemble: Ensemble, state: VmState, command: str) -> None:
    async with vm_in(ensemble, state) as vms:
        vm, force = vms.get("web"), command.endswith("--force")
        refused = (state is S.DESTROYING and not command.startswith("delete")) or (state is S.STOPPING and command == "start")
        try:
            match command.split()[0]:
                case "stop":
                    await vms.stop(StopVm(name="web", grace_ms=1_000, force=force))
                    assert vms.get("web").status is S.STOPPED
                case "delete":
                    ensemble.bridge.broken = None
                    await vms.delete(DeleteVm(name="web", force=True))
                    assert "web" not in {record.name for record in vms.records()}
                case "restart":
                    await vms.restart(RestartVm(name="web", force=force, wait=WaitFor.READY))
                case "start":
                    await vms.start(StartVm(name="web"))
                    await trio.sleep(60)
                    assert vms.get("web").status in (S.READY, S.PAUSED) or state is S.RUNNING
        except Denied as denied:
            assert refused and denied.hint
            return
        assert not refused
        if command.startswith(("stop", "delete")):
            assert vm.id not in {guest.plan.vm_id for guest in ensemble.host.guests()}
        if command.startswith("delete"):
            assert vm.id not in {row.vm_id for row in await ensemble.store.objects()}


async def test_what_can_not_be_destroyed_yet_is_tried_until_it_can(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with vm_in(ensemble, S.DESTROYING) as vms:
        await trio.sleep(60)
        assert vms.get("web").reason == "the tap is busy"
        ensemble.bridge.broken = None
        await vms.wait(WaitVm(name="web", until=WaitFor.DELETED))
        assert await ensemble.store.objects() == () and not ensemble.bridge.taps


@pytest.mark.parametrize("pause", [0.0, 0.001, 0.003, 0.005, 0.01, 0.1, 1.0])
async def test_a_deletion_at_any_moment_of_a_start_leaves_nothing(autojump_clock: MockClock, ensemble: Ensemble, pause: float) -> None:
    ensemble.host.behaviour = Behaviour(ready_s=0.5)
    async with ensemble.playing() as vms:
        await ensemble.create(wait=None, restart="always")
        await trio.sleep(pause)
        await vms.delete(DeleteVm(name="web", force=True))
        await trio.sleep(600)
        assert vms.records() == () and await ensemble.store.objects() == () and not ensemble.host.guests() and not ensemble.bridge.taps
