"""Changing what a VM is made of: versions, what waits for a restart, and whose change it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from tests.orchestra import Orchestra
from volant.daemon.ports import Asker
from volant.daemon.vms import configs
from volant.proto.api.vm import DeleteVm, RestartVm, StartVm, StopVm, VmName
from volant.proto.api.vm_config import DiffConfig, GetConfig, PatchVm, RollbackConfig
from volant.proto.errors import Denied, InvalidParams, NoSuchVersion, NoSuchVm, VersionStale
from volant.proto.specs.states import WaitFor

ANNA = Asker("uid:1000(anna)", "pid 4711 (volant)")


@pytest.fixture
def orchestra(tmp_path: Path) -> Orchestra:
    return Orchestra(tmp_path)


async def test_a_running_vm_shows_what_waits_and_a_restart_brings_it(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        assert (await orchestra.create()).pending_changes == ()
        changed = await app.configs.patch(PatchVm(name="web", memory_mb=512, env={"COLOUR": "blue"}), ANNA)
        assert (changed.config_version, changed.running_version) == (2, 1)
        assert changed.pending_changes == ("memory_mb", "env.COLOUR")
        vm = app.vms.get("web")
        assert (vm.memory_mb, vm.config_version, vm.pending_changes) == (512, 2, ("memory_mb", "env.COLOUR"))
        assert orchestra.guest().plan.memory_mib == 128
        vm = await app.vms.restart(RestartVm(name="web", wait=WaitFor.READY))
        assert (vm.config_version, vm.pending_changes) == (2, ())
        plan = orchestra.guest().plan
        assert plan.memory_mib == 512
        assert b'"COLOUR":"blue"' in plan.config_blob


async def test_what_waits_is_still_known_after_the_daemon_was_away(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        await app.configs.patch(PatchVm(name="web", memory_mb=512), ANNA)
    async with orchestra.playing() as app:
        assert app.vms.get("web").pending_changes == ("memory_mb",)
        shown = await app.configs.show(GetConfig(name="web"))
        assert (shown.config_version, shown.running_version) == (2, 1)


async def test_a_stopped_vm_has_nothing_that_waits(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        await app.vms.stop(StopVm(name="web"))
        changed = await app.configs.patch(PatchVm(name="web", cpu_cores=2), ANNA)
        assert (changed.running_version, changed.pending_changes) == (0, ())
        await app.vms.start(StartVm(name="web", wait=WaitFor.READY))
        assert orchestra.guest().plan.vcpus == 2


async def test_history_says_who_when_from_where_and_what(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create(labels={"tier": "front"})
        await app.configs.patch(PatchVm(name="web", memory_mb=256, labels={"tier": "back"}), ANNA)
        await app.configs.rollback(RollbackConfig(name="web", version=1), ANNA)
        history = await app.configs.history(VmName(name="web"))
        assert [(item.version, item.note, item.changes) for item in history.items] == [
            (1, "created", ()),
            (2, "changed", ("memory_mb", "labels.tier")),
            (3, "rolled back to 1", ("memory_mb", "labels.tier")),
        ]
        assert {(item.author, item.origin) for item in history.items[1:]} == {("uid:1000(anna)", "pid 4711 (volant)")}
        assert all(item.created_at for item in history.items)
        assert history.items[2].config == history.items[0].config
        assert (await orchestra.kinds()).count("VM_CONFIGURED") == 2


async def test_versions_are_compared_field_by_field(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create(env={"A": "1", "B": "2"})
        await app.configs.patch(PatchVm(name="web", env={"A": "3"}, unset=("env.B",), cmdline="quiet"), ANNA)
        await app.configs.patch(PatchVm(name="web", unset=("cmdline",)), ANNA)
        unasked = await app.configs.diff(DiffConfig(name="web"))
        assert (unasked.old, unasked.new) == (1, 3)
        assert [(item.field, item.old, item.new) for item in unasked.items] == [("env.A", "1", "3"), ("env.B", "2", None)]
        told = await app.configs.diff(DiffConfig(name="web", old=2, new=3))
        assert [(item.field, item.old, item.new) for item in told.items] == [("cmdline", "quiet", "")]
        with pytest.raises(NoSuchVersion, match="no version 9"):
            await app.configs.diff(DiffConfig(name="web", old=9))


async def test_a_change_based_on_an_old_version_is_refused(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        refused: list[VersionStale] = []

        async def change(memory_mb: int) -> None:
            try:
                await app.configs.patch(PatchVm(name="web", memory_mb=memory_mb, expected_version=1), ANNA)
            except VersionStale as stale:
                refused.append(stale)

        async with trio.open_nursery() as nursery:
            for memory_mb in (256, 512, 1024):
                nursery.start_soon(change, memory_mb)
        assert [stale.data["newest"] for stale in refused] == [2, 2]
        assert app.vms.get("web").config_version == 2


async def test_a_change_that_changes_nothing_makes_no_version(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create(env={"A": "1"})
        same = await app.configs.patch(PatchVm(name="web", memory_mb=128, env={"A": "1"}), ANNA)
        assert same.config_version == 1
        planned = await app.configs.patch(PatchVm(name="web", memory_mb=256, dry_run=True), ANNA)
        assert (planned.config_version, planned.shown.changes) == (1, ("memory_mb",))
        assert (await app.configs.show(GetConfig(name="web"))).shown.config["memory_mb"] == 128


async def test_what_is_wrong_is_named_whole_and_nothing_is_stored(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create(env={"A": "1"})
        with pytest.raises(InvalidParams) as wrong:
            asked = PatchVm(name="web", memory_mb=1, env={"9": "x"}, kernel="relative", unset=("env.NONE", "network", "memory_mb"))
            await app.configs.patch(asked, ANNA)
        named = {problem["path"] for problem in wrong.value.data["problems"]}
        assert named == {"env.NONE", "unset", "memory_mb", "env.9", "kernel"}
        assert app.vms.get("web").config_version == 1
        with pytest.raises(NoSuchVm):
            await app.configs.patch(PatchVm(name="nobody"), ANNA)


async def test_a_vm_that_is_being_deleted_is_not_changed(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app.vms.delete, DeleteVm(name="web", force=True))
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises((Denied, NoSuchVm)):
                await app.configs.patch(PatchVm(name="web", memory_mb=256), ANNA)


async def test_history_is_bounded_and_keeps_what_runs(orchestra: Orchestra, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configs, "KEPT_VERSIONS", 3)
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        for number in range(5):
            await app.configs.patch(PatchVm(name="web", env={"N": str(number)}), ANNA)
        history = await app.configs.history(VmName(name="web"))
        assert [item.version for item in history.items] == [1, 5, 6]


async def test_each_of_many_changes_at_once_is_answered_with_its_own_version(orchestra: Orchestra) -> None:
    sizes = range(200, 230)
    answered: dict[int, int] = {}
    looked: list[int] = []
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()

        async def change(size: int) -> None:
            shown = (await app.configs.patch(PatchVm(name="web", memory_mb=size), ANNA)).shown
            assert shown.config["memory_mb"] == size and shown.changes == ("memory_mb",)
            answered[size] = shown.version

        async def look() -> None:
            looked.append((await app.configs.show(GetConfig(name="web"))).shown.version)
            await app.configs.diff(DiffConfig(name="web"))

        async with trio.open_nursery() as nursery:
            for size in sizes:
                nursery.start_soon(change, size)
                nursery.start_soon(look)
    assert sorted(answered.values()) == list(range(2, 2 + len(sizes)))
    assert len(looked) == len(sizes)
