"""VMs that are made while their plugin is replaced, removed and installed, in any order: none has half of one and half of another."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.ensemble import MANIFEST, Ensemble, Shelf, no_threads
from tests.fakes.events import KeepingHub
from volant.daemon.plugins.registry import PluginRegistry
from volant.daemon.ports import CachedImage, Images
from volant.proto.api.plugin import InstallPlugin, PluginName
from volant.proto.api.vm import CreateVm, DeleteVm
from volant.proto.errors import Fault, HostShort, Internal

SIZES = {"small": 128, "big": 256}
"""MiB of memory that the two plugins with the same name and version give a VM."""

PAUSES = (0.0, 0.0, 0.001, 0.002, 0.003, 0.005, 0.01)
"""Around what a commit (2 ms) and a fetch take."""

STEPS = ("create", "create", "create", "small", "big", "remove", "delete", "disk fills", "disk is freed")

scripts = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(PAUSES)), min_size=2, max_size=14)


class Cache:
    """Images, as far as a registry needs them; the content of each is its URL."""

    def __init__(self, fetch_s: float) -> None:
        self._fetch_s = fetch_s
        self.kept: set[str] = set()

    async def fetch(self, url: str, **options: Any) -> CachedImage:
        await trio.sleep(self._fetch_s)
        digest = sha256(url.encode()).hexdigest()
        self.kept.add(digest)
        return CachedImage(sha256=digest, path=Path(url), format="cpio", size=1)

    async def cached(self, digest: str) -> str | None:
        await trio.lowlevel.checkpoint()
        return digest if digest in self.kept else None

    async def forget(self, digest: str) -> None:
        await trio.sleep(self._fetch_s)
        self.kept.discard(digest)

    async def check_workload(self, image: CachedImage, **workload: str) -> None:
        await trio.lowlevel.checkpoint()


class Story:
    """One script against one host. What it asks for runs side by side."""

    def __init__(self, folder: Path, fetch_s: float) -> None:
        self.ensemble = Ensemble(folder)
        self.cache = Cache(fetch_s)
        store = self.ensemble.store
        self.registry = PluginRegistry(
            store, cast(Images, self.cache), KeepingHub(), users=lambda *plugin: self.ensemble.vms.users_of(*plugin)
        )
        self.ensemble.shelf = cast(Shelf, self.registry)

    async def tell(self, script: list[tuple[str, float]]) -> None:
        async with self.ensemble.playing():
            await self.ask("small", 0)
            async with trio.open_nursery() as nursery:
                for number, (what, pause) in enumerate(script):
                    if what.startswith("disk"):
                        self.ensemble.store.broken = HostShort("there is no space left") if what == "disk fills" else None
                    else:
                        nursery.start_soon(self.ask, what, number)
                    await trio.sleep(pause)
                self.ensemble.store.broken = None
            await self.check()

    async def ask(self, what: str, number: int) -> None:
        vms = self.ensemble.vms
        try:
            match what:
                case "create":
                    await vms.create(CreateVm(name=f"web-{number}", plugin="hello"), author="test")
                case "remove":
                    await self.registry.remove(PluginName(name="hello"))
                case "delete":
                    for record in vms.records():
                        await vms.delete(DeleteVm(name=record.name, force=True))
                case size:
                    resources = {"cpu_cores": 1, "memory_mb": SIZES[size]}
                    manifest = MANIFEST | {"resources": resources, "initramfs": {"url": f"/{size}.cpio"}}
                    await self.registry.install(InstallPlugin(manifest=manifest, replace=True))
        except Internal as defect:
            raise AssertionError(f"{what}: {defect}") from defect
        except Fault:
            pass

    async def check(self) -> None:
        """What each VM is made of is what is stored and cached, as another daemon would find it."""
        stored = {(plugin.name, plugin.version): plugin for plugin in await self.ensemble.store.plugins()}
        for record in self.ensemble.vms.records():
            book = self.ensemble.vms.owner(record.name).book
            assert book.plugin == stored[record.plugin, record.plugin_version]
            assert book.config.config["memory_mb"] == book.plugin.manifest["resources"]["memory_mb"]
        assert self.cache.kept == {digest for plugin in stored.values() for digest in plugin.artifacts.values()}


@settings(max_examples=100, deadline=None)
@given(script=scripts, fetch_s=st.sampled_from(PAUSES))
@example(script=[("big", 0.001), ("create", 0.01)], fetch_s=0.0)
@example(script=[("remove", 0.001), ("create", 0.01)], fetch_s=0.0)
def test_a_vm_is_made_of_one_plugin(script: list[tuple[str, float]], fetch_s: float) -> None:
    with tempfile.TemporaryDirectory() as folder, no_threads():
        trio.run(Story(Path(folder), fetch_s).tell, script, clock=MockClock(autojump_threshold=0))
