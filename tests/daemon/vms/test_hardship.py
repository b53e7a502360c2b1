"""What VMs go through when the host, the store, the guest or an earlier daemon let them down."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from tests.ensemble import Ensemble, FakeBridge, no_threads
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import ConsoleReader, DropLease, DropObject, DropVm, Put
from volant.daemon.vms.diagnosis import MAX_SAID
from volant.daemon.vms.inspection import Inspector
from volant.daemon.vms.sweep import sweep
from volant.proto import cbor
from volant.proto.api.system import AskLedger
from volant.proto.api.vm import DeleteVm, ListVms, RestartVm, StartVm, StopVm, WaitVm
from volant.proto.errors import MAX_EXCERPT_CHARS, Denied, Failed, HostShort, LaunchFailed, NetworkFailed, NoSuchVm, StoreFailed, Timeout
from volant.proto.frames import MAX_FRAME_TO_CLIENT
from volant.proto.specs.states import NetworkMode, VmState, WaitFor, Wanted

FULL = HostShort("there is no space left")


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[Ensemble]:
    with no_threads():
        yield Ensemble(tmp_path)


@pytest.fixture
def bridged(ensemble: Ensemble) -> Ensemble:
    ensemble.network = NetworkMode.BRIDGED
    return ensemble


async def stored(ensemble: Ensemble, name: str = "web") -> Any:
    return next(record for record in await ensemble.store.vms() if record.name == name)


async def kinds(ensemble: Ensemble) -> list[str]:
    return [event.kind for event in await ensemble.store.events(after=0, limit=1_000)]


# ------------------------------------------------------------------------------------------------------------ the store


async def test_a_change_that_the_store_refuses_has_not_happened(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create()
        with ensemble.full_disk(FULL), pytest.raises(HostShort, match="no space left"):
            await vms.stop(StopVm(name="web"))
        assert (vms.get("web").wanted, vms.get("web").status) == (Wanted.RUNNING, VmState.READY)
        assert vms.records() == (await stored(ensemble),)
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
        assert (await stored(ensemble)).state is VmState.CRASHED
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


# ----------------------------------------------------------------------------------------------------- adopting anew


async def test_a_daemon_that_leaves_while_it_adopts_takes_nothing_from_the_vm(autojump_clock: MockClock, bridged: Ensemble) -> None:
    async with bridged.playing():
        vm = await bridged.create()
    folder = bridged.services.places(vm.id).runtime
    for pause in (0, 0.001, 0.002, 0.003, 0.01):
        async with bridged.playing():
            await trio.sleep(pause)
        assert bridged.host.guest(vm.id).report is None and folder.is_dir() and bridged.bridge.taps
    async with bridged.playing():
        assert (await bridged.settled(VmState.READY)).pid == vm.pid


async def test_a_bridge_that_fails_at_adoption_kills_no_vm(autojump_clock: MockClock, bridged: Ensemble) -> None:
    async with bridged.playing():
        vm = await bridged.create()
    bridged.bridge.broken = NetworkFailed("the bridge is gone")
    async with bridged.playing() as vms:
        assert (await bridged.settled(VmState.READY)).pid == vm.pid
        assert "SYSTEM_NETWORK_LOST" in await kinds(bridged)
        assert (await vms.stop(StopVm(name="web"))).status is VmState.STOPPED


class BusyOnce(FakeBridge):
    """Refuses one time."""

    def check(self) -> None:
        broken, self.broken = self.broken, None
        if broken is not None:
            raise broken


async def test_a_tap_that_could_not_go_for_a_moment_is_tried_again(autojump_clock: MockClock, bridged: Ensemble) -> None:
    bridged.bridge = BusyOnce()
    async with bridged.playing() as vms:
        await bridged.create()
        bridged.bridge.broken = NetworkFailed("the tap is busy")
        assert (await vms.stop(StopVm(name="web"))).status is VmState.STOPPED
        assert bridged.bridge.taps == set()
        assert {item.kind for item in await bridged.store.objects()} & {"tap", "firewall"} == set()
        assert "SYSTEM_LEFTOVER" not in await kinds(bridged)


@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "the host's disk is full"), (errno.EIO, "the host refuses")])
async def test_what_the_host_refuses_a_start_is_not_called_a_defect(
    autojump_clock: MockClock, bridged: Ensemble, code: int, says: str
) -> None:
    bridged.bridge = BusyOnce(broken=cast(Any, OSError(code, os.strerror(code))))
    async with bridged.playing() as vms:
        with pytest.raises(Failed, match=says):
            await bridged.create()
        assert (await vms.start(StartVm(name="web", wait=WaitFor.READY))).status is VmState.READY


async def test_a_tap_that_stays_is_no_reason_not_to_stop_and_is_not_forgotten(autojump_clock: MockClock, bridged: Ensemble) -> None:
    async with bridged.playing() as vms:
        await bridged.create()
        bridged.bridge.broken = NetworkFailed("the tap is busy")
        assert (await vms.stop(StopVm(name="web"))).status is VmState.STOPPED
        assert {row.kind for row in await bridged.store.objects()} == {"folder", "tap", "firewall"}
        await trio.sleep(1)
        assert "SYSTEM_LEFTOVER" in await kinds(bridged)
        with pytest.raises(Timeout):
            await vms.delete(DeleteVm(name="web", timeout_ms=3_000))
        assert vms.get("web").reason == "the tap is busy"
        bridged.bridge.broken = None
        await vms.wait(WaitVm(name="web", until=WaitFor.DELETED, timeout_ms=20_000))
        assert await bridged.store.objects() == () and not bridged.bridge.taps


async def test_a_restart_that_the_daemons_end_cut_short_is_finished(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(ignores_shutdown=True)
    async with ensemble.playing() as vms, trio.open_nursery() as nursery:
        await ensemble.create()
        nursery.start_soon(vms.restart, RestartVm(name="web", grace_ms=60_000))
        await ensemble.settled(VmState.STOPPING)
        nursery.cancel_scope.cancel()
    async with ensemble.playing() as vms:
        again = await vms.wait(WaitVm(name="web", until=WaitFor.READY, timeout_ms=60_000))
        assert again.boot == 2


async def test_a_process_that_nobody_saw_dead_is_looked_for(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing():
        vm = await ensemble.create()
    record = await stored(ensemble)
    await ensemble.store.commit(Put(replace(record, state=VmState.FAILED, wanted=Wanted.STOPPED, error={"code": "failed"})))
    async with ensemble.playing():
        await ensemble.settled(VmState.STOPPED)
        with pytest.raises(KeyError):
            ensemble.host.guest(vm.id)


async def test_disks_that_the_store_does_not_know_survive_the_sweep_at_start(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing():
        vm = await ensemble.create()
        where = ensemble.services.places(vm.id)
        stray = where.runtime.with_name("ab" * 6)
        for folder in (stray, where.state.with_name("cd" * 6), where.runtime.with_name("notes")):
            folder.mkdir()
        where.runtime.with_name("ef" * 6).write_text("a file")
        await sweep(ensemble.services, ensemble.vms.records())
        left = {path.name for parent in (where.state.parent, where.runtime.parent) for path in parent.iterdir()}
        assert left == {vm.id, "cd" * 6, "notes", "ef" * 6}
        told = await ensemble.store.events(after=0, limit=100, kinds=("SYSTEM_SWEPT",))
        assert [event.data["folders"] for event in told] == [[str(stray)]]


async def test_what_another_daemon_runs_is_neither_swept_nor_counted(autojump_clock: MockClock, tmp_path: Path) -> None:
    ensemble = Ensemble(tmp_path, network=NetworkMode.BRIDGED)
    async with ensemble.playing():
        vm = await ensemble.create()
        ensemble.others = frozenset({"0b0000000001"})
        strangers, strays = (ensemble.bridge.tap_name(vm_id) for vm_id in ("0b0000000001", "0b0000000002"))
        ensemble.bridge.taps |= {strangers, strays}
        inspector = Inspector(ensemble.services, ensemble.vms.records)
        seen = await inspector.ledger(AskLedger(check=True))
        assert {entry.name for entry in seen.items if entry.kind == "tap"} == {ensemble.bridge.tap_name(vm.id), strays}
        await sweep(ensemble.services, ensemble.vms.records())
        assert ensemble.bridge.taps == {ensemble.bridge.tap_name(vm.id), strangers}
        (told,) = await ensemble.store.events(after=0, limit=100, kinds=("SYSTEM_SWEPT",))
        assert told.data["taps"] == [strays]


async def test_vmms_and_drafts_that_no_row_owns_are_reaped_at_start(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing():
        kept, forgotten = await ensemble.create(), await ensemble.create("gone")
        where = ensemble.services.places(kept.id)
        draft, disk = where.state / ".root.qcow2.0a1b2c3d.tmp", where.root_disk
        draft.touch()
        disk.touch()
    rows = [item for item in await ensemble.store.objects() if item.vm_id == forgotten.id]
    lease = [DropLease(forgotten.ip)] if forgotten.ip else []
    await ensemble.store.commit(*(DropObject(item.kind, item.name) for item in rows), *lease, DropVm(forgotten.id))
    async with ensemble.playing():
        await sweep(ensemble.services, ensemble.vms.records())
        assert [guest.plan.vm_id for guest in ensemble.host.guests()] == [kept.id]
        assert disk.exists() and not draft.exists()
        (told,) = await ensemble.store.events(after=0, limit=100, kinds=("SYSTEM_SWEPT",))
        assert (told.data["vmms"], told.data["drafts"]) == ([forgotten.id], [str(draft)])
        assert "1 VMMs" in told.message and "1 drafts" in told.message
        await ensemble.settled(VmState.READY)


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
        assert "SYSTEM_VMM_STAYS" in await kinds(ensemble)
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
        before = len(await kinds(ensemble))
        for number in range(12_000):
            ensemble.host.guest(vm.id).turn(("unhealthy", "ready")[number % 2], message=str(number))
            await trio.sleep(0.01)
        assert len(await kinds(ensemble)) - before < 20
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
        assert 2 <= (await kinds(ensemble)).count("SYSTEM_AGENT_LOST") < 50
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
