"""What a restart policy makes of each end of a VM, told with the orchestrator on a clock that jumps."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.ensemble import BOOTS, Ensemble
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import Asker, ExitReport
from volant.daemon.vms.configs import Configs
from volant.daemon.vms.lifecycle import HOST_RESTARTED
from volant.daemon.vms.places import BootPlaces, Urgency
from volant.daemon.vms.restarts import (
    CAP_S,
    FIRST_S,
    JITTER,
    RAN_WELL_S,
    WINDOW_S,
)
from volant.daemon.vms.session import PLACE_S
from volant.proto.api.vm import DeleteVm, RestartVm, StartVm, StopVm, WaitVm
from volant.proto.api.vm_config import PatchVm
from volant.proto.errors import InvalidParams, LaunchFailed, Timeout
from volant.proto.specs.restarts import DEFAULT_TRIES, MAX_TRIES
from volant.proto.specs.states import VmState, WaitFor, Wanted
from volant.proto.specs.vmconfig import Defaults


async def next_try(ensemble: Ensemble) -> float:
    """Seconds until the VM is started again by itself; it has to wait for that."""
    await trio.sleep(0.5)
    (record,) = [record for record in await ensemble.store.vms() if record.name == "web"]
    assert record.retries.next_at and ensemble.vms.get("web").next_try_at
    return record.retries.next_at - ensemble.services.clock()


async def ended_for_good(ensemble: Ensemble, state: VmState) -> None:
    """In that state, and an hour later still."""
    for _ in range(2):
        assert (ensemble.vms.get("web").status, ensemble.vms.get("web").next_try_at) == (state, "")
        await trio.sleep(3_600)


def published() -> list[tuple[str, str, str, str]]:
    """The rows of the page's table: what happened, the policy, the state that is shown, and what has to follow."""
    page = (Path(__file__).parents[3] / "docs/restarts.md").read_text()
    table = page.split("## What each policy does")[1].split("\n\n")[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    policies = [cell.strip("`") for cell in rows[0][2:]]
    return [(row[0], policy, row[1], follows) for row in rows[2:] for policy, follows in zip(policies, row[2:], strict=True)]


async def happen(ensemble: Ensemble, what: str, policy: str) -> None:
    """Make a VM of that policy, and what the page calls so happen to it."""
    if what == "a start fails, or is not ready in time":
        ensemble.host.behaviour = Behaviour(launch_fault=LaunchFailed("QEMU said no"))
        await ensemble.create(restart=policy, wait=None)
        await trio.sleep(0.1)
        ensemble.host.behaviour = Behaviour()
        return
    guest = ensemble.host.guest((await ensemble.create(restart=policy)).id)
    match what:
        case "the workload exits with 0":
            guest.turn("exited", health="unhealthy", message="the workload exited", exit_code=0)
        case "the workload exits with another code, or a signal ends it":
            guest.turn("exited", health="unhealthy", message="the workload exited", exit_code=3)
        case "the guest powers itself off":
            guest.crash("guest-shutdown")
        case "the guest reboots itself":
            guest.crash("guest-reset")
        case "the guest's kernel panics":
            guest.crash("guest-panic")
        case "the VMM ends or is killed":
            guest.crash("killed")
        case "the host's OOM killer takes the VMM":
            guest.crash("host-oom")
        case "somebody stops it":
            await ensemble.vms.stop(StopVm(name="web"))
        case _:
            raise AssertionError(f"the page has a row that no test knows: {what}")


@pytest.mark.parametrize(("what", "policy", "state", "follows"), published())
async def test_every_end_by_every_policy_is_as_published(
    autojump_clock: MockClock, ensemble: Ensemble, what: str, policy: str, state: str, follows: str
) -> None:
    async with AsyncExitStack() as daemons:
        vms = await daemons.enter_async_context(ensemble.playing())
        if what in ("the VMM is gone when the daemon comes back", "the host is restarted"):
            vm = await ensemble.create(restart=policy)
            await daemons.aclose()
            if what == "the host is restarted":
                ensemble.host.reboot()
            else:
                ensemble.host.guest(vm.id).crash("killed")
            vms = await daemons.enter_async_context(ensemble.playing())
        else:
            await happen(ensemble, what, policy)
        if follows == "starts anew":
            await trio.sleep(5)
            again = await vms.wait(WaitVm(name="web", until=WaitFor.READY))
            assert (again.boot, again.next_try_at, again.reason) == (2, "", "")
            assert again.restarts == (what not in ("the guest reboots itself", "the host is restarted"))
            return
        await trio.sleep(5)
        assert follows == ("stays up" if state == "up, unhealthy" else "stays down")
        await ended_for_good(ensemble, VmState.RUNNING if follows == "stays up" else VmState(state.strip("`")))


def test_the_page_names_the_times_that_are_in_force() -> None:
    page = (Path(__file__).parents[3] / "docs/restarts.md").read_text()
    assert (FIRST_S, CAP_S, JITTER, RAN_WELL_S, WINDOW_S, MAX_TRIES, DEFAULT_TRIES) == (1, 5 * 60, 1 / 5, 5 * 60, 3_600, 10, 5)
    for words in (
        "after 1 second",
        "up to 5 minutes",
        "up to a fifth longer",
        "ready for 5 minutes",
        "by the hour",
        "(1 to 10; 5 when not said)",
    ):
        assert words in page


@pytest.mark.parametrize("policy", ["on-failure:3", "always"])
async def test_a_start_that_keeps_failing_is_tried_ever_later(autojump_clock: MockClock, ensemble: Ensemble, policy: str) -> None:
    ensemble.host.behaviour = Behaviour(launch_fault=LaunchFailed("QEMU said no"))
    async with ensemble.playing() as vms:
        await ensemble.create(restart=policy, wait=None)
        pauses = []
        for _ in range(3):
            pauses.append(round(await next_try(ensemble) + 0.5))
            await trio.sleep(pauses[-1] - 0.4)
        assert pauses == [1, 2, 4]
        await trio.sleep(0.5)
        told = await ensemble.store.events(after=0, limit=100, kinds=("VM_FAILED",))
        assert [event.data.get("restarts") for event in told][:3] == [1, 2, 3]
        if policy == "always":
            assert await next_try(ensemble) > 6
            return
        assert told[-1].data["gave_up"]
        assert vms.get("web").reason == "QEMU said no; given up, for 3 restarts within an hour did not help"
        await ended_for_good(ensemble, VmState.FAILED)
        ensemble.host.behaviour = Behaviour()
        started = await vms.start(StartVm(name="web", wait=WaitFor.READY))
        assert (started.boot, started.restarts) == (5, 0)


async def test_a_user_who_stops_ends_the_waiting_and_a_user_who_starts_need_not_wait(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        vm = await ensemble.create(restart="always")
        ensemble.host.guest(vm.id).crash("guest-shutdown")
        await next_try(ensemble)
        assert vms.get("web").status is VmState.STOPPED
        stopped = await vms.stop(StopVm(name="web"))
        assert (stopped.wanted, stopped.next_try_at, stopped.restarts) == (Wanted.STOPPED, "", 0)
        await ended_for_good(ensemble, VmState.STOPPED)
        vm = await vms.start(StartVm(name="web", wait=WaitFor.READY))
        ensemble.host.guest(vm.id).crash()
        await next_try(ensemble)
        began = trio.current_time()
        assert (await vms.start(StartVm(name="web", wait=WaitFor.READY))).boot == 3
        assert trio.current_time() - began < 0.5


async def test_what_a_user_stopped_stays_so_over_restarts_of_daemon_and_host(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create(restart="always", autostart=True)
        await vms.stop(StopVm(name="web"))
    for _ in range(2):
        async with ensemble.playing():
            await ended_for_good(ensemble, VmState.STOPPED)
        ensemble.host.reboot()


@pytest.mark.parametrize("ask", ["delete", "restart"])
async def test_other_requests_while_it_waits(autojump_clock: MockClock, ensemble: Ensemble, ask: str) -> None:
    async with ensemble.playing() as vms:
        vm = await ensemble.create(restart="on-failure")
        ensemble.host.guest(vm.id).crash()
        await next_try(ensemble)
        if ask == "restart":
            assert (await vms.restart(RestartVm(name="web", wait=WaitFor.READY))).restarts == 0
            ensemble.host.guest(vm.id).crash()
            await trio.sleep(5)
            assert vms.get("web").restarts == 1
            assert (await vms.restart(RestartVm(name="web", wait=WaitFor.READY))).restarts == 0, "of a VM that runs, too"
        else:
            await vms.delete(DeleteVm(name="web"))
            await trio.sleep(60)
            assert await ensemble.store.vms() == () and not ensemble.host.guests()


async def test_the_next_try_survives_the_daemon(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(launch_fault=LaunchFailed("QEMU said no"))
    async with ensemble.playing():
        await ensemble.create(restart="on-failure:9", wait=None)
        await trio.sleep(60)
        left = await next_try(ensemble)
        assert left > 1
    ensemble.host.behaviour = Behaviour()
    await trio.sleep(left / 2)
    async with ensemble.playing() as vms:
        began = trio.current_time()
        vm = await vms.wait(WaitVm(name="web", until=WaitFor.READY))
        assert left / 2 - 1 < trio.current_time() - began < left / 2 + 1
        assert vm.restarts == 6
    async with ensemble.playing():
        assert (await ensemble.settled(VmState.READY)).boot == vm.boot


async def test_whoever_waits_for_a_vm_is_told_when_it_gives_up_and_not_before(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(launch_fault=LaunchFailed("QEMU said no"))
    async with ensemble.playing() as vms:
        with pytest.raises(LaunchFailed, match="QEMU said no"):
            await ensemble.create(restart="on-failure:2")
        assert vms.get("web").boot == 3
        await vms.delete(DeleteVm(name="web"))
        with pytest.raises(Timeout):
            await ensemble.create(restart="always", timeout_ms=30_000)


async def test_a_policy_is_changed_while_the_vm_runs_and_while_it_waits(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        configs = Configs(ensemble.services, vms.owner, Defaults(network=ensemble.network, hypervisor="fake"))
        vm = await ensemble.create()
        changed = await configs.patch(PatchVm(name="web", restart="on-failure:4", autostart=True), Asker("anna"))
        assert (changed.pending_changes, changed.shown.changes) == ((), ("restart", "autostart"))
        ensemble.host.guest(vm.id).crash()
        await next_try(ensemble)
        await configs.patch(PatchVm(name="web", restart="no"), Asker("anna"))
        await ended_for_good(ensemble, VmState.CRASHED)
        assert "restart" not in vms.get("web").reason


async def test_a_replica_has_no_policy_of_its_own(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create()
        vms.owner("web").book.record = replace(vms.owner("web").book.record, deployment="shop")
        configs = Configs(ensemble.services, vms.owner, Defaults(network=ensemble.network, hypervisor="fake"))
        with pytest.raises(InvalidParams, match="is a replica of deployment 'shop'"):
            await configs.patch(PatchVm(name="web", restart="always"), Asker("anna"))


# -------------------------------------------------------------------------------------------------------- out of memory


@pytest.mark.parametrize("policy", ["no", "on-failure"])
async def test_a_workload_that_the_guests_oom_killer_took_is_named(autojump_clock: MockClock, ensemble: Ensemble, policy: str) -> None:
    async with ensemble.playing() as vms:
        vm = await ensemble.create(restart=policy)
        guest = ensemble.host.guest(vm.id)
        guest.print("Out of memory: Killed process 77 (python3) total-vm:812344kB")
        guest.turn("exited", health="unhealthy", message="the workload was killed by signal 9", exit_code=137)
        await trio.sleep(1.5)
        seen = vms.get("web")
        assert "the guest ran out of memory, and its kernel killed process 77 (python3)" in seen.reason
        assert (seen.status, bool(seen.next_try_at)) == ((VmState.RUNNING, False) if policy == "no" else (VmState.CRASHED, True))
        told = await ensemble.store.events(after=0, limit=100, kinds=("VM_AGENT", "VM_CRASHED"))
        assert [event.kind for event in told if event.data.get("cause") == "guest-oom"] == ["VM_AGENT", "VM_CRASHED"][
            : 1 + bool(policy != "no")
        ]


async def test_a_vmm_that_the_hosts_oom_killer_took_is_named(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        vm = await ensemble.create()
        ensemble.host.guest(vm.id).exit(ExitReport(cause="host-oom", exit_code=-9, detail="the kernel's log says 'Out of memory'"))
        seen = await ensemble.settled(VmState.CRASHED)
        assert seen.reason == "VM 'web' crashed: the host's OOM killer ended the VMM: the kernel's log says 'Out of memory'"
        assert seen.error is not None and seen.error["data"]["cause"] == "host-oom" and "less memory" in seen.error["hint"]
        (told,) = await ensemble.store.events(after=0, limit=100, kinds=("VM_CRASHED",))
        assert told.data["cause"] == "host-oom"
        assert (await vms.start(StartVm(name="web", wait=WaitFor.READY))).error is None


async def test_a_vmm_that_the_oom_killer_took_while_the_daemon_was_away(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing():
        vm = await ensemble.create()
    ensemble.host.guest(vm.id).crash("killed")
    ensemble.oom_kill = "the kernel's log says 'Out of memory'"
    async with ensemble.playing():
        seen = await ensemble.settled(VmState.CRASHED)
        assert "OOM killer ended the VMM while the daemon was away: the kernel's log says" in seen.reason


# --------------------------------------------------------------------------------------------------- the host starts anew


@pytest.mark.parametrize(
    ("settings", "starts"),
    [({}, False), ({"autostart": True}, True), ({"restart": "always"}, True), ({"restart": "on-failure"}, False)],
)
async def test_what_ran_when_the_host_went_down(
    autojump_clock: MockClock, ensemble: Ensemble, settings: dict[str, Any], starts: bool
) -> None:
    async with ensemble.playing():
        await ensemble.create(**settings)
    ensemble.host.reboot()
    async with ensemble.playing() as vms:
        if starts:
            vm = await vms.wait(WaitVm(name="web", until=WaitFor.READY))
            assert (vm.boot, vm.restarts) == (2, 0)
            assert HOST_RESTARTED in [event.message for event in await ensemble.store.events(after=0, limit=100, kinds=("VM_STARTING",))]
        else:
            vm = await ensemble.settled(VmState.STOPPED)
            assert (vm.wanted, vm.reason, vm.error) == (Wanted.STOPPED, HOST_RESTARTED, None)
            await ended_for_good(ensemble, VmState.STOPPED)


@pytest.mark.parametrize("autostart", [False, True])
async def test_what_waited_for_its_next_try_when_the_host_went_down(autojump_clock: MockClock, ensemble: Ensemble, autostart: bool) -> None:
    async with ensemble.playing():
        vm = await ensemble.create(restart="on-failure", autostart=autostart)
        ensemble.host.guest(vm.id).crash()
        await next_try(ensemble)
    ensemble.host.reboot()
    async with ensemble.playing() as vms:
        if autostart:
            assert (await vms.wait(WaitVm(name="web", until=WaitFor.READY))).restarts == 0
        else:
            await ensemble.settled(VmState.STOPPED)
            assert vms.get("web").reason == HOST_RESTARTED


async def test_one_that_fails_at_autostart_stops_no_other_and_a_person_comes_first(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        for number in range(6):
            await ensemble.create(f"auto-{number}", autostart=True, memory_mb=128 if number else 50_000)
        await ensemble.create("mine", start=False, wait=None)
    ensemble.host.reboot()
    ensemble.host.behaviour = Behaviour(ready_s=10)
    ensemble.available_mib = 1_000
    async with ensemble.playing() as vms:
        began = trio.current_time()
        await trio.sleep(1)
        assert len(ensemble.host.guests()) == BOOTS
        await vms.start(StartVm(name="mine", wait=WaitFor.READY))
        assert trio.current_time() - began < 21
        for number in range(1, 6):
            await vms.wait(WaitVm(name=f"auto-{number}", until=WaitFor.READY))
        assert "needs 50100 MiB" in (await ensemble.settled(VmState.FAILED, "auto-0")).reason
        assert "VM_FAILED" in [event.kind for event in await ensemble.store.events(after=0, limit=100, vm="auto-0")]


async def test_guests_that_hang_while_they_boot_hold_up_others_for_a_moment_only(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(mute=True)
    async with ensemble.playing():
        for number in range(BOOTS):
            await ensemble.create(f"hangs-{number}", wait=WaitFor.RUNNING)
        ensemble.host.behaviour = Behaviour()
        began = trio.current_time()
        await ensemble.create()
        assert PLACE_S - 1 < trio.current_time() - began < PLACE_S + 1 < ensemble.services.boot_timeout_s


async def test_places_go_to_the_more_urgent_and_are_not_lost(autojump_clock: MockClock) -> None:
    places, order = BootPlaces(1), list[str]()

    async def boot(name: str, urgency: Urgency) -> None:
        await places.acquire(urgency)
        order.append(name)
        await trio.sleep(1)
        places.release()

    async with trio.open_nursery() as nursery:
        for name, urgency in (("a", Urgency.BY_ITSELF), ("b", Urgency.BY_ITSELF), ("c", Urgency.BY_ITSELF), ("me", Urgency.ASKED)):
            nursery.start_soon(boot, name, urgency)
            await trio.sleep(0.01)
        with trio.move_on_after(0.1):
            await places.acquire(Urgency.ASKED)
    assert order == ["a", "me", "b", "c"] and places.free == 1
