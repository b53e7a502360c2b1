"""Installing, finding, switching and removing plugins, over real artifacts in a temporary state folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.daemon.images import samples
from tests.fakes.events import KeepingHub
from tests.fakes.store import MemoryStore
from volant.daemon.images.library import ImageLibrary
from volant.daemon.plugins.registry import PluginRegistry
from volant.daemon.ports import Change
from volant.proto.api.event import Event
from volant.proto.api.plugin import InstallPlugin, InstallProgress, ListPlugins, PluginName
from volant.proto.errors import ImageFailed, InvalidManifest, NameTaken, NoSuchPlugin, PluginDisabled, PluginInUse, StoreFailed


@dataclass
class House:
    """A registry with everything around it."""

    folder: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    hub: KeepingHub = field(default_factory=KeepingHub)
    users: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.images = ImageLibrary(self.folder / "state")
        self.registry = self.reopened()

    def reopened(self) -> PluginRegistry:
        return PluginRegistry(self.store, self.images, self.hub, users=lambda name, version: self.users.get((name, version), ()))

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def manifest(self, **changes: Any) -> dict[str, Any]:
        return {
            "name": "hello",
            "version": "1.0",
            "initramfs": {"url": self.file("hello.cpio", samples.cpio({"usr/bin/hello": b"#!"}))},
            "resources": {"cpu_cores": 1, "memory_mb": 128},
            "workload": {"type": "http", "base_url": "http://127.0.0.1:8080", "entrypoint": ["/usr/bin/hello"]},
            **changes,
        }

    async def install(self, *, replace: bool = False, dry_run: bool = False, **changes: Any) -> Any:
        return await self.registry.install(InstallPlugin(manifest=self.manifest(**changes), replace=replace, dry_run=dry_run))

    def kept(self) -> list[str]:
        """What the cache holds, drafts included."""
        images = self.folder / "state/images"
        return sorted(path.name for part in ("sha256", "drafts") for path in (images / part).iterdir())

    def kinds(self) -> list[str]:
        return [event.kind for event in self.hub.published]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    await made.images.prepare()
    yield made


async def test_an_installed_plugin_is_found_and_survives_a_restart(house: House) -> None:
    view = await house.install()
    assert (view.name, view.version, view.enabled, view.runtime) == ("hello", "1.0", True, "hello")
    assert list(view.artifacts) == ["initramfs"] and house.kept() == [view.artifacts["initramfs"]]
    assert house.kinds() == ["PLUGIN_INSTALLED"]
    again = house.reopened()
    await again.load()
    assert again.get("hello") == view == await again.show(PluginName(name="hello"))
    listed = await again.list(ListPlugins())
    assert (listed.items, listed.seq) == ((view,), 1)


async def test_progress_is_told_per_artifact(house: House) -> None:
    told: list[InstallProgress] = []

    async def tell(progress: InstallProgress) -> None:
        told.append(progress)

    disk = house.file("data.img", samples.ext4())
    manifest = house.manifest(disks=[{"name": "data", "source": disk}])
    view = await house.registry.install(InstallPlugin(manifest=manifest), tell)
    assert {progress.step for progress in told} == {"initramfs", "disk:data"} == set(view.artifacts)
    assert told[-1].done == told[-1].total == len(samples.ext4())


async def test_the_same_again_changes_nothing(house: House) -> None:
    view = await house.install()
    assert await house.install() == view
    assert house.kinds() == ["PLUGIN_INSTALLED"]


async def test_the_same_again_heals_a_lost_artifact(house: House) -> None:
    view = await house.install()
    await house.images.forget(view.artifacts["initramfs"])
    await house.install()
    assert house.kept() == [view.artifacts["initramfs"]]


async def test_another_manifest_of_the_same_version_needs_replace_and_no_users(house: House) -> None:
    first = await house.install()
    other = house.file("other.cpio", samples.cpio({"init": b"#!"}))
    with pytest.raises(NameTaken):
        await house.install(initramfs={"url": other})
    house.users["hello", "1.0"] = ("web-1",)
    with pytest.raises(PluginInUse, match="web-1"):
        await house.install(initramfs={"url": other}, replace=True)
    assert house.registry.get("hello") == first
    house.users.clear()
    second = await house.install(initramfs={"url": other}, replace=True)
    assert house.kept() == [second.artifacts["initramfs"]] != [first.artifacts["initramfs"]]


async def test_versions_live_side_by_side_and_the_newest_is_meant(house: House) -> None:
    for version in ("1.9", "1.10", "1.10-rc1"):
        await house.install(version=version)
    assert house.registry.get("hello").version == house.registry.record("hello").version == "1.10"
    assert [item.version for item in (await house.registry.list(ListPlugins(text="HEL"))).items] == ["1.10", "1.10-rc1", "1.9"]
    await house.registry.disable(PluginName(name="hello", version="1.10"))
    assert house.registry.usable("hello").version == "1.10-rc1"
    assert [item.version for item in (await house.registry.list(ListPlugins(enabled=False))).items] == ["1.10"]
    with pytest.raises(PluginDisabled):
        house.registry.usable("hello", "1.10")
    with pytest.raises(NoSuchPlugin):
        house.registry.get("hello", "3")


async def test_switching_tells_once_and_covers_all_versions(house: House) -> None:
    await house.install()
    await house.install(version="2.0", enabled=False)
    answer = await house.registry.disable(PluginName(name="hello"))
    assert [item.enabled for item in answer.items] == [False, False]
    await house.registry.enable(PluginName(name="hello"))
    assert house.kinds() == ["PLUGIN_INSTALLED", "PLUGIN_INSTALLED", "PLUGIN_DISABLED", "PLUGIN_ENABLED", "PLUGIN_ENABLED"]
    assert all(record.enabled for record in await house.store.plugins())


async def test_an_artifact_goes_with_its_last_plugin(house: House) -> None:
    await house.install()
    await house.install(name="other")
    await house.registry.remove(PluginName(name="hello"))
    assert len(house.kept()) == 1
    await house.registry.remove(PluginName(name="other"))
    assert house.kept() == []
    assert house.kinds()[-2:] == ["PLUGIN_REMOVED", "PLUGIN_REMOVED"]
    with pytest.raises(NoSuchPlugin):
        await house.registry.remove(PluginName(name="other"))


async def test_a_plugin_in_use_stays_with_all_its_versions(house: House) -> None:
    await house.install()
    await house.install(version="2.0")
    house.users["hello", "1.0"] = ("web-1", "web-2")
    with pytest.raises(PluginInUse, match="web-1, web-2"):
        await house.registry.remove(PluginName(name="hello"))
    assert len((await house.registry.list(ListPlugins())).items) == 2
    await house.registry.remove(PluginName(name="hello", version="2.0"))


@dataclass
class SlowStore(MemoryStore):
    """Takes as long as `busy` is there and not set; `asked` is set once it has something to do meanwhile."""

    busy: trio.Event | None = None
    asked: trio.Event = field(default_factory=trio.Event)

    async def commit(self, *changes: Change) -> tuple[Event, ...]:
        if self.busy is not None:
            self.asked.set()
            await self.busy.wait()
        return await super().commit(*changes)


async def remove_newest(house: House) -> None:
    await house.registry.remove(PluginName(name="hello", version="2.0"))


async def replace_newest(house: House) -> None:
    await house.install(version="2.0", replace=True, resources={"cpu_cores": 2, "memory_mb": 256})


@pytest.mark.parametrize("change", [remove_newest, replace_newest])
@pytest.mark.parametrize("refused", [False, True])
async def test_while_a_plugin_changes_in_the_store_nobody_is_told_what_to_make_a_vm_of(
    tmp_path: Path, change: Callable[[House], Awaitable[None]], refused: bool
) -> None:
    house = House(tmp_path, store := SlowStore())
    await house.images.prepare()
    await house.install()
    await house.install(version="2.0")
    store.busy = trio.Event()
    found: list[tuple[str, int]] = []

    async def heeded_or_refused() -> None:
        with suppress(StoreFailed):
            await change(house)

    async def look() -> None:
        await house.registry.wait_settled("hello")
        record = house.registry.usable("hello")
        found.append((record.version, record.manifest["resources"]["memory_mb"]))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(heeded_or_refused)
        await store.asked.wait()
        nursery.start_soon(look)
        await trio.testing.wait_all_tasks_blocked()
        assert found == []
        assert house.registry.get("hello").version == "2.0", "what is stored is shown"
        if refused:
            store.failures.append(StoreFailed("the disk is full", hint="free some"))
        store.busy.set()
    assert found == [("2.0", 128) if refused else ("1.0", 128) if change is remove_newest else ("2.0", 256)]


async def test_what_vms_are_made_of_is_healed_by_the_same_content_only(house: House) -> None:
    first = await house.install()
    house.users["hello", "1.0"] = ("web-1",)
    await house.images.forget(first.artifacts["initramfs"])
    other = samples.cpio({"usr/bin/hello": b"#!", "usr/bin/more": b"#!"})
    manifest = house.manifest()
    house.file("hello.cpio", other)
    with pytest.raises(ImageFailed, match="initramfs of plugin 'hello' is not the one any more that web-1 was made of"):
        await house.registry.install(InstallPlugin(manifest=manifest, replace=True))
    assert house.registry.get("hello") == first and house.kept() == []
    await house.install()
    assert house.kept() == [first.artifacts["initramfs"]]


async def test_a_dry_run_checks_and_changes_nothing(house: House) -> None:
    assert (await house.install(dry_run=True)).artifacts == {}
    assert house.kept() == [] and house.kinds() == []
    with pytest.raises(InvalidManifest):
        await house.install(dry_run=True, version="")


async def test_parts_of_a_manifest_that_have_no_effect_are_named(house: House) -> None:
    unserved: dict[str, Any] = {"cloud_init": {"user_data": {"content": "#cloud-config"}}, "devices": {"pci_passthrough": ["0000:01:00.0"]}}
    for _ in range(2):
        assert [warning.partition(":")[0] for warning in (await house.install(**unserved)).warnings] == ["cloud_init", "devices"]
    assert (await house.install(version="2.0", devices={})).warnings == ()


async def test_failures_leave_nothing_behind(house: House) -> None:
    bad_disk = {"name": "data", "source": house.file("text", b"no file system")}
    with pytest.raises(ImageFailed, match="is no file system"):
        await house.install(disks=[bad_disk])
    with pytest.raises(ImageFailed, match="neither an executable /init nor the entrypoint"):
        await house.install(initramfs={"url": house.file("empty.cpio", samples.cpio({"etc/motd": b""}))})
    house.store.failures.append(StoreFailed("the store can't be written", hint="check the disk"))
    with pytest.raises(StoreFailed):
        await house.install()
    assert house.kept() == [] and house.kinds() == []
    assert (await house.registry.list(ListPlugins())).items == ()


async def test_a_cancelled_install_leaves_nothing_behind(house: House) -> None:
    with trio.CancelScope() as scope:

        async def cancel(progress: InstallProgress) -> None:
            if progress.step == "disk:data":
                scope.cancel()
                await trio.lowlevel.checkpoint()

        disk = {"name": "data", "source": house.file("data.img", samples.ext4())}
        await house.registry.install(InstallPlugin(manifest=house.manifest(disks=[disk])), cancel)
    assert scope.cancelled_caught
    assert house.kept() == [] and house.kinds() == []


async def test_two_installs_of_the_same_are_one(house: House) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(house.install)
    assert house.kinds() == ["PLUGIN_INSTALLED"]


async def test_installing_and_removing_at_once_never_loses_an_artifact(house: House) -> None:
    """Both plugins have the same artifact; whatever the order, one that is installed has it in the cache."""
    for round_number in range(10):
        await house.install(name="old")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: house.install(name="new"))
            nursery.start_soon(house.registry.remove, PluginName(name="old"))
        digest = house.registry.get("new").artifacts["initramfs"]
        assert house.kept() == [digest], round_number
        await house.registry.remove(PluginName(name="new"))
        assert house.kept() == []
