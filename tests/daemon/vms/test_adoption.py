"""What a daemon finds of the one before it: VMs to go on with, and leavings to clear away."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from tests.ensemble import Ensemble, FakeBridge
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import DropLease, DropObject, DropVm, Put
from volant.daemon.vms.inspection import Inspector
from volant.daemon.vms.sweep import sweep
from volant.proto.api.system import AskLedger
from volant.proto.api.vm import DeleteVm, RestartVm, StartVm, StopVm, WaitVm
from volant.proto.errors import Failed, NetworkFailed, Timeout
from volant.proto.specs.states import NetworkMode, VmState, WaitFor, Wanted


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
        assert "SYSTEM_NETWORK_LOST" in await bridged.kinds()
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
        assert "SYSTEM_LEFTOVER" not in await bridged.kinds()


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
        assert "SYSTEM_LEFTOVER" in await bridged.kinds()
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
    record = await ensemble.stored()
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
