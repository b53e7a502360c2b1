"""Agents of another version than the daemon: VMs that were started before an upgrade, and go on through it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from tests.ensemble import Ensemble
from volant.daemon.guests.link import AgentLink
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.proto.api import guest
from volant.proto.api.vm import RestartVm, StopVm, WaitVm
from volant.proto.errors import AgentMissing, LaunchFailed
from volant.proto.specs.states import VmState, WaitFor

AN_HOUR_S = 3_600


async def told(ensemble: Ensemble, kind: str) -> list[str]:
    return [event.message for event in await ensemble.store.events(after=0, limit=1_000) if event.kind == kind]


def speaking(ensemble: Ensemble, protocol: tuple[int, int]) -> None:
    """Every agent that runs turns out to speak this."""
    for one in ensemble.host.guests():
        one.behaviour = replace(one.behaviour, protocol=protocol)


@pytest.mark.parametrize("spoken", [(0, 0), (2, 2), (2, 7)])
async def test_a_vm_whose_agent_is_of_another_version_goes_on_and_says_so(
    autojump_clock: MockClock, ensemble: Ensemble, spoken: tuple[int, int]
) -> None:
    async with ensemble.playing():
        vm = await ensemble.create()
    speaking(ensemble, spoken)
    async with ensemble.playing() as vms:
        await trio.sleep(AN_HOUR_S)
        seen = vms.get("web")
        assert (seen.status, seen.boot, ensemble.host.guest(vm.id).report) == (VmState.RUNNING, vm.boot, None)
        shown = f"speaks protocol {' to '.join(map(str, sorted(set(spoken))))}: they share none; restart the VM"
        assert shown in seen.reason
        with pytest.raises(AgentMissing, match="speaks protocol") as refused:
            vms.link("web")
        assert shown in refused.value.message and "`volant vm restart web`" in refused.value.hint
        assert await told(ensemble, "SYSTEM_AGENT_LOST") == [seen.reason]

        await vms.restart(RestartVm(name="web", wait=WaitFor.READY))
        assert vms.get("web").reason == ""
        await vms.link("web").call(guest.INFO, guest.Watch())


@pytest.mark.parametrize(("ours", "theirs"), [((1, 1), (1, 2)), ((1, 1), (0, 1)), ((1, 2), (1, 1)), ((1, 3), (2, 2))])
async def test_an_agent_that_shares_a_protocol_still_answers(
    autojump_clock: MockClock, ensemble: Ensemble, ours: tuple[int, int], theirs: tuple[int, int]
) -> None:
    ensemble.host.behaviour = Behaviour(protocol=theirs)
    ensemble.link_over = partial(AgentLink, protocol=ours)
    async with ensemble.playing() as vms:
        await ensemble.create()
        assert (await vms.link("web").call(guest.INFO, guest.Watch())).kernel == "fake"
    assert await told(ensemble, "SYSTEM_AGENT_LOST") == []


async def test_a_vm_that_is_upgraded_and_downgraded_under_is_ready_again(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing():
        await ensemble.create()
    ensemble.link_over = partial(AgentLink, protocol=(2, 2))
    async with ensemble.playing() as vms:
        await trio.sleep(AN_HOUR_S)
        assert "restart the VM" in vms.get("web").reason
    ensemble.link_over = AgentLink
    async with ensemble.playing() as vms:
        assert (await vms.wait(WaitVm(name="web", until=WaitFor.READY))).reason == ""
        assert vms.get("web").boot == 1


async def test_a_start_does_not_wait_for_an_agent_that_it_will_not_understand(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(protocol=(2, 2))
    async with ensemble.playing():
        began = trio.current_time()
        with pytest.raises(LaunchFailed, match="speaks protocol 2") as failed:
            await ensemble.create()
        assert trio.current_time() - began < 1
        assert failed.value.hint and "its initramfs" in failed.value.hint
    assert ensemble.host.guests() == ()


async def test_a_vm_whose_agent_cannot_be_asked_is_stopped_all_the_same(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing():
        await ensemble.create()
    speaking(ensemble, (2, 2))
    async with ensemble.playing() as vms:
        await trio.sleep(60)
        assert (await vms.stop(StopVm(name="web", grace_ms=500))).status is VmState.STOPPED
    assert ensemble.host.guests() == ()
