"""The ledger beside the host: every object has its row, and whatever has not is found."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio

from tests.ensemble import Ensemble
from tests.fakes.records import vm_record
from tests.orchestra import Orchestra
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import DropObject, HostObject, NetPresence, ProcessIdentity, Put
from volant.daemon.vms.inspection import HostView, compare
from volant.proto.api.system import AskLedger, LedgerView, Standing
from volant.proto.api.vm import DeleteVm, StopVm
from volant.proto.errors import LaunchFailed
from volant.proto.specs.states import NetworkMode, VmState

CHECK = AskLedger(check=True)


@pytest.fixture
def orchestra(tmp_path: Path) -> Orchestra:
    return Orchestra(tmp_path)


def wrong(view: LedgerView) -> list[tuple[str, str, Standing | None]]:
    return [(item.kind, item.name, item.standing) for item in view.items if item.standing is not Standing.OK]


def kinds(view: LedgerView, vm: str) -> list[str]:
    return [item.kind for item in view.items if item.vm == vm]


async def test_a_vm_has_what_it_has_and_no_more_over_its_life(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        assert await app.inspector.ledger(CHECK) == LedgerView(items=(), total=0, wrong=0, checked=True)
        await orchestra.create("never", start=False, wait=None)
        await orchestra.create()
        running = await app.inspector.ledger(CHECK)
        assert (wrong(running), kinds(running, "web"), kinds(running, "never")) == ([], ["folder", "folder", "process"], [])
        unchecked = await app.inspector.ledger(AskLedger())
        assert {item.standing for item in unchecked.items} == {None} and not unchecked.checked
        await app.vms.stop(StopVm(name="web"))
        stopped = await app.inspector.ledger(CHECK)
        assert (wrong(stopped), kinds(stopped, "web")) == ([], ["folder"])
        await app.vms.delete(DeleteVm(name="web"))
        assert (await app.inspector.ledger(CHECK)).total == 0


async def test_what_is_missing_and_what_nobody_owns_is_told(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        vm = await orchestra.create()
        state, runtime = (folder / "vms" for folder in (orchestra.config.state_dir, orchestra.config.runtime_dir))
        lost = HostObject(kind="disk", name=str(state / vm.id / "root.qcow2"), vm_id=vm.id)
        await app.store.commit(Put(lost))
        (state / vm.id / "disk-0.qcow2").write_bytes(b"")
        (state / "feedfeedfeed").mkdir()
        (state / "feedfeedfeed" / "root.qcow2").write_bytes(b"")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(runtime / vm.id / "s"))
            view = await app.inspector.ledger(CHECK)
        assert sorted(wrong(view)) == [
            ("disk", str(state / vm.id / "disk-0.qcow2"), Standing.UNOWNED),
            ("disk", lost.name, Standing.MISSING),
            ("folder", str(state / "feedfeedfeed"), Standing.UNOWNED),
            ("socket", str(runtime / vm.id / "s"), Standing.UNOWNED),
        ]
        assert view.wrong == 4 and all(item.detail for item in view.items[:4])
        await app.store.commit(DropObject("disk", lost.name))


async def test_a_process_that_lost_its_row_is_unowned(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        vm = await orchestra.create()
        await app.store.commit(DropObject("process", vm.id))
        (entry,) = [item for item in (await app.inspector.ledger(CHECK)).items if item.standing is Standing.UNOWNED]
        assert (entry.kind, entry.name, entry.vm) == ("process", vm.id, "web")


async def test_nothing_is_wrong_with_vms_that_come_and_go(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()

        async def live(name: str) -> None:
            for _ in range(3):
                await orchestra.create(name)
                await app.vms.delete(DeleteVm(name=name, force=True))

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(live, f"web-{number}")
            for _ in range(5):
                assert wrong(await app.inspector.ledger(CHECK)) == []


async def test_rows_are_of_what_is_there_alone(tmp_path: Path) -> None:
    ensemble = Ensemble(tmp_path, network=NetworkMode.BRIDGED)
    async with ensemble.playing() as vms:
        await ensemble.create("good")
        assert {item.kind for item in await ensemble.store.objects()} == {"process", "tap", "firewall", "folder"}
        await vms.stop(StopVm(name="good"))
        assert [item.kind for item in await ensemble.store.objects()] == ["folder"]
        ensemble.host.behaviour = Behaviour(launch_fault=LaunchFailed("the VMM did not start"))
        with pytest.raises(LaunchFailed):
            await ensemble.create("bad")
        assert [(item.kind, Path(item.name).exists()) for item in await ensemble.store.objects()] == [("folder", True)] * 2


async def test_a_hundred_vms_are_compared(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(orchestra.create, f"web-{number}")
        view = await app.inspector.ledger(CHECK)
        assert (view.total, view.wrong) == (300, 0)


def test_what_is_on_its_way_may_lack_what_its_rows_announce() -> None:
    rows = [HostObject(kind="tap", name="vol1", vm_id=f"{number:012x}") for number in (1, 2)]
    vms = {vm.id: vm for vm in (vm_record(1, state=VmState.STARTING), vm_record(2, state=VmState.READY))}
    empty = NetPresence(taps=frozenset(), guests=frozenset(), leases={})
    found = compare(rows, HostView(processes={}, network=empty, files={}), vms)
    assert [(entry.vm, entry.standing) for entry in found] == [("vm-1", Standing.OK), ("vm-2", Standing.MISSING)]


def test_every_kind_without_a_row_is_told_with_what_to_do() -> None:
    network = NetPresence(taps=frozenset({"vol1"}), guests=frozenset({"vol2"}), leases={"10.0.0.9": "00000000000a"})
    host = HostView(
        processes={"00000000000a": ProcessIdentity(7, 7, "b")},
        network=network,
        files={"/s/vms/a": "folder", "/s/vms/a/root.qcow2": "disk", "/r/vms/b/x": "socket"},
    )
    found = compare([], host, {})
    assert {(entry.kind, entry.name) for entry in found} == {
        ("process", "00000000000a"), ("tap", "vol1"), ("firewall", "vol2"), ("lease", "10.0.0.9"), ("folder", "/s/vms/a"),
        ("socket", "/r/vms/b/x"),
    }  # fmt: skip
    assert all(entry.standing is Standing.UNOWNED and entry.detail for entry in found)
