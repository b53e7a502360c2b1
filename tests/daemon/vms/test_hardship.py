"""What VMs go through when the host, the store, the guest or an earlier daemon let them down."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from tests.ensemble import Ensemble
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import ConsoleReader
from volant.daemon.vms.diagnosis import MAX_SAID
from volant.proto import cbor
from volant.proto.api.vm import DeleteVm, ListVms, RestartVm, StartVm, StopVm, WaitVm
from volant.proto.errors import MAX_EXCERPT_CHARS, Denied, HostShort, LaunchFailed, NoSuchVm, StoreFailed, Timeout
from volant.proto.frames import MAX_FRAME_TO_CLIENT
from volant.proto.specs.states import VmState, WaitFor, Wanted

FULL = HostShort("there is no space left")


# ------------------------------------------------------------------------------------------------------------ the store


async def test_a_change_that_the_store_refuses_has_not_happened(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create()
        with ensemble.full_disk(FULL), pytest.raises(HostShort, match="no space left"):
            await vms.stop(StopVm(name="web"))
        assert (vms.get("web").wanted, vms.get("web").status) == (Wanted.RUNNING, VmState.READY)
        assert vms.records() == (await ensemble.stored(),)
        assert (await vms.stop(StopVm(name="web"))).status is VmState.STOPPED


async def test_a_full_disk_kills_no_vm_that_runs(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        vm = await ensemble.create()
        with ensemble.full_disk(FULL):
            ensemble.host.guest(vm.id).turn("unhealthy", health="unhealthy")
            await trio.sleep(60)
            assert ensemble.host.guest(vm.id).report is None
        await ensemble.settled(VmState.RUNNING)
        assert vms.get("web").pid == vm.pid


async def test_a_full_disk_at_a_start_fails_that_start_and_nothing_else(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        other = await ensemble.create("other")
        await ensemble.create(start=False, wait=None)
        ensemble.store.commit_s = 0.05
        await vms.start(StartVm(name="web"))
        with ensemble.full_disk(FULL):
            await trio.sleep(10)
        failed = await ensemble.settled(VmState.FAILED)
        assert "no space left" in failed.reason
        with pytest.raises(HostShort):
            await vms.wait(WaitVm(name="web", until=WaitFor.READY))
        assert vms.get("other") == other
        assert (await vms.start(StartVm(name="web", wait=WaitFor.READY))).status is VmState.READY


async def test_how_a_vm_ended_is_stored_as_soon_as_there_is_room(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing():
        vm = await ensemble.create()
        with ensemble.full_disk(FULL):
            ensemble.host.guest(vm.id).crash()
            await trio.sleep(10)
        await ensemble.settled(VmState.CRASHED)
        assert (await ensemble.stored()).state is VmState.CRASHED
        assert {row.kind for row in await ensemble.store.objects()} == {"folder"}


async def test_a_vm_whose_creation_is_refused_has_never_been_whoever_asks_meanwhile(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        ensemble.store.commit_s = 0.05
        ensemble.store.broken = FULL
        async with trio.open_nursery() as nursery:

            async def create() -> None:
                with pytest.raises(HostShort):
                    await ensemble.create()

            async def stop() -> None:
                await trio.sleep(0.01)
                with pytest.raises(NoSuchVm):
                    await vms.stop(StopVm(name="web"))

            nursery.start_soon(create)
            nursery.start_soon(stop)
            await trio.sleep(0.06)
            ensemble.store.broken = None
        assert await ensemble.store.vms() == ()
        await ensemble.create()


# ------------------------------------------------------------------------------------------------ rows that are missing


@pytest.mark.parametrize("damage", ["no config", "an unreadable config", "a policy that is none", "no plugin"])
async def test_a_damaged_vm_takes_neither_the_daemon_nor_itself_down(autojump_clock: MockClock, ensemble: Ensemble, damage: str) -> None:
    async with ensemble.playing():
        vm = await ensemble.create()
        await ensemble.create("other")
    configs = ensemble.store._tables.configs
    key = (vm.id, 1)
    if damage == "no config":
        del configs[key]
    elif damage == "a policy that is none":
        configs[key] = (*configs[key][:2], configs[key][2].replace('"restart":"no"', '"restart":"maybe"'), *configs[key][3:])
    elif damage == "an unreadable config":
        configs[key] = (*configs[key][:2], '{"plugin": 7}', *configs[key][3:])
    else:
        ensemble.shelf.plugins.clear()
    async with ensemble.playing() as vms:
        assert (await ensemble.settled(VmState.READY)).pid == vm.pid
        assert vms.find(ListVms()).total == 2
        assert (await vms.stop(StopVm(name="web"))).status is VmState.STOPPED
        with pytest.raises(StoreFailed, match=r"can.t be read|no config|no plugin"):
            await vms.start(StartVm(name="web", wait=WaitFor.READY))
        await vms.delete(DeleteVm(name="web"))
        assert {row.vm_id for row in await ensemble.store.objects()} == {vms.get("other").id}


@pytest.mark.parametrize(
    ("column", "written"),
    [
        (7, "runing"),
        (5, "perhaps"),
        (10, "[1,"),
        (10, "[1]"),
        (14, '"none"'),
        (19, "7"),
        (28, '{"count": "many"}'),
        (28, '{"next_at": 1e300}'),
    ],
    ids=["state", "wanted", "process", "process short", "forwards", "error", "retries", "retries too late"],
)
async def test_a_row_that_somebodys_hand_has_spoilt_is_told_of_and_harms_nobody(
    autojump_clock: MockClock, ensemble: Ensemble, caplog: pytest.LogCaptureFixture, column: int, written: str
) -> None:
    async with ensemble.playing():
        vm, other = await ensemble.create(), await ensemble.create("other")
    row = ensemble.store._tables.vms[vm.id]
    assert type(row[column]) in (str, type(None))
    ensemble.store._tables.vms[vm.id] = (*row[:column], written, *row[column + 1 :])
    async with ensemble.playing() as vms:
        told = [message for message in caplog.messages if "makes no sense" in message]
        assert len(told) == 1 and told[0].startswith("VM web: ") and written in told[0]
        assert (await ensemble.settled(VmState.READY)).pid == vm.pid
        assert (await ensemble.settled(VmState.READY, "other")).pid == other.pid
        assert (await vms.stop(StopVm(name="web"))).status is VmState.STOPPED
        await vms.delete(DeleteVm(name="web"))


async def test_a_vm_of_another_hypervisor_stays_as_it_is_and_says_so(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        vm = await ensemble.create()
        await ensemble.create("stopped")
        await vms.stop(StopVm(name="stopped"))
    ensemble.hypervisor = "qemu"
    async with ensemble.playing() as vms:
        await trio.sleep(60)
        left = vms.get("web")
        assert (left.status, left.pid) == (VmState.RUNNING, vm.pid)
        assert "belongs to hypervisor 'fake'" in left.reason
        for ask in (vms.stop(StopVm(name="web")), vms.delete(DeleteVm(name="web", force=True)), vms.start(StartVm(name="stopped"))):
            with pytest.raises(HostShort, match="belongs to hypervisor 'fake'"):
                await ask
        await vms.delete(DeleteVm(name="stopped"))
    ensemble.hypervisor = "fake"
    async with ensemble.playing():
        assert (await ensemble.settled(VmState.READY)).pid == vm.pid


# ------------------------------------------------------------------------------------------------- two who ask at once


async def test_a_restart_of_a_start_that_just_failed_is_not_lost(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(ready_s=1_000)
    async with ensemble.playing() as vms:
        vm = await ensemble.create(wait=WaitFor.RUNNING)
        ensemble.store.commit_s = 0.5
        ensemble.host.guest(vm.id).turn("failed", message="no such program")
        await trio.sleep(0)
        ensemble.host.behaviour = Behaviour()
        again = await vms.restart(RestartVm(name="web", wait=WaitFor.READY, timeout_ms=60_000))
        assert (again.status, again.boot) == (VmState.READY, 2)


async def test_a_stop_is_answered_even_when_somebody_starts_the_vm_anew_at_once(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(ignores_shutdown=True)
    async with ensemble.playing() as vms:
        await ensemble.create()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(vms.stop, StopVm(name="web", grace_ms=5_000, timeout_ms=60_000))
            await ensemble.settled(VmState.STOPPING)
            assert (await vms.restart(RestartVm(name="web", grace_ms=5_000, wait=WaitFor.READY))).boot == 2


async def test_a_second_stop_with_a_shorter_grace_shortens_the_first(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(ignores_shutdown=True)
    async with ensemble.playing() as vms:
        await ensemble.create()
        await vms.stop(StopVm(name="web", grace_ms=3_600_000, wait=False))
        await ensemble.settled(VmState.STOPPING)
        began = trio.current_time()
        await vms.stop(StopVm(name="web", grace_ms=2_000, timeout_ms=60_000))
        assert trio.current_time() - began < 3


async def test_a_negative_timeout_is_none(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(mute=True)
    async with ensemble.playing() as vms:
        await ensemble.create(wait=None)
        with pytest.raises(Timeout):
            await vms.wait(WaitVm(name="web", until=WaitFor.READY, timeout_ms=-5))


@pytest.mark.parametrize("is_adopted", [False, True])
async def test_what_an_earlier_boot_printed_is_not_taken_for_this_ones(
    autojump_clock: MockClock, ensemble: Ensemble, is_adopted: bool
) -> None:
    async with AsyncExitStack() as daemons:
        vms = await daemons.enter_async_context(ensemble.playing())
        vm = await ensemble.create()
        ensemble.host.guest(vm.id).crash()
        assert "panicked: asked for by a test" in (await ensemble.settled(VmState.CRASHED)).reason
        vm = await vms.start(StartVm(name="web", wait=WaitFor.READY))
        if is_adopted:
            await daemons.aclose()
            await daemons.enter_async_context(ensemble.playing())
            await ensemble.settled(VmState.READY)
        ensemble.host.guest(vm.id).crash("error")
        seen = await ensemble.settled(VmState.CRASHED)
        assert "panic" not in seen.reason and seen.error is not None and "panic" not in seen.error["data"]["console"]


# ---------------------------------------------------------------------------------------------- a VMM that does not die


@pytest.mark.parametrize("ask", ["stop", "stop now", "delete now"])
async def test_a_vmm_that_the_kernel_holds_is_waited_for_and_named(autojump_clock: MockClock, ensemble: Ensemble, ask: str) -> None:
    ensemble.host.behaviour = Behaviour(ignores_shutdown=True, dies_s=60)
    async with ensemble.playing() as vms:
        vm = await ensemble.create()
        with pytest.raises(Timeout, match="after 30 s; it is stopping"):
            if ask == "delete now":
                await vms.delete(DeleteVm(name="web", force=True, timeout_ms=30_000))
            else:
                await vms.stop(StopVm(name="web", grace_ms=1_000, force=ask == "stop now", timeout_ms=30_000))
        assert ensemble.host.guest(vm.id).report is None, "nothing claims that it is dead"
        assert f"its VMM (pid {vm.pid}) got SIGKILL and is not dead yet" in vms.get("web").reason
        assert "SYSTEM_VMM_STAYS" in await ensemble.kinds()
        await trio.sleep(60)
        assert not ensemble.host.guests()
        if ask == "delete now":
            assert vms.records() == ()
        else:
            assert (vms.get("web").status, vms.get("web").reason) == (VmState.STOPPED, "")


# ------------------------------------------------------------------------------------------------------ hostile guests


async def test_a_start_right_behind_a_stop_is_refused_and_not_forgotten(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    """The session may not have heard of the stop yet; an answer that all is well would be one that the VM runs on."""
    async with ensemble.playing() as vms:
        await ensemble.create()
        await vms.stop(StopVm(name="web", wait=False))
        assert vms.get("web").status is VmState.READY
        with pytest.raises(Denied, match="is stopping"):
            await vms.start(StartVm(name="web"))
        await ensemble.settled(VmState.STOPPED)
        await vms.start(StartVm(name="web", wait=WaitFor.READY))


async def test_whoever_reads_the_console_to_the_end_of_its_vm_is_released(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    """However late they came: also while the rows of the VM go."""
    readers: list[ConsoleReader] = []
    async with ensemble.playing() as vms:
        await ensemble.create(start=False, wait=None)

        async def come_again_and_again() -> None:
            with suppress(NoSuchVm):
                while True:
                    readers.append(vms.console("web").read())
                    await trio.sleep(ensemble.store.commit_s / 4)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come_again_and_again)
            await vms.delete(DeleteVm(name="web"))
    with trio.fail_after(1):
        for reader in readers:
            assert [chunk.data async for chunk in reader] == []


async def test_what_a_guest_says_is_short_and_harmless(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        vm = await ensemble.create()
        ensemble.host.guest(vm.id).turn("unhealthy", message="\x1b]0;title\x07" + "a" * 100_000)
        await ensemble.settled(VmState.RUNNING)
        reason = vms.get("web").reason
        assert len(reason) <= MAX_SAID and reason.isprintable()


async def test_a_guest_that_changes_its_mind_all_the_time_fills_no_store(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing():
        vm = await ensemble.create()
        before = len(await ensemble.kinds())
        for number in range(12_000):
            ensemble.host.guest(vm.id).turn(("unhealthy", "ready")[number % 2], message=str(number))
            await trio.sleep(0.01)
        assert len(await ensemble.kinds()) - before < 20
        await trio.sleep(30)
        assert (await ensemble.settled(VmState.READY)).health == "healthy"


async def test_an_agent_that_breaks_the_rules_for_ever_is_told_of_now_and_then(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        vm = await ensemble.create()
        guest = ensemble.host.guest(vm.id)
        for _ in range(1_000):
            guest.status = replace(guest.status, phase=7)  # type: ignore[arg-type]
            guest.turn(7)  # type: ignore[arg-type]
            await trio.sleep(1)
        assert 2 <= (await ensemble.kinds()).count("SYSTEM_AGENT_LOST") < 50
        assert vms.get("web").status is VmState.READY and ensemble.host.guest(vm.id).report is None


async def test_a_page_of_failed_vms_fits_a_frame_and_each_shows_all_when_asked(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        ensemble.host.behaviour = Behaviour(launch_fault=LaunchFailed("QEMU said no", stderr="x" * MAX_EXCERPT_CHARS))
        with pytest.raises(LaunchFailed):
            await ensemble.create()
        error = vms.get("web").error
        assert error is not None and error["data"]["stderr"]
        (encoded,) = vms.find(ListVms()).encoded
        assert len(encoded) < MAX_FRAME_TO_CLIENT / 1_000
        assert cbor.loads(encoded)["error"]["message"] == error["message"]


async def test_a_guest_that_got_ready_while_the_daemon_stood_still_is_not_ended_for_it(mock_clock: MockClock, ensemble: Ensemble) -> None:
    mock_clock.autojump_threshold = 0
    ensemble.host.behaviour = Behaviour(ready_s=20)
    async with ensemble.playing() as vms:
        await ensemble.create(wait=None)
        await ensemble.settled(VmState.RUNNING)
        mock_clock.jump(10 * ensemble.services.boot_timeout_s)
        assert (await ensemble.settled(VmState.READY)).boot == 1
        await trio.sleep(60)
        assert vms.get("web").status is VmState.READY
