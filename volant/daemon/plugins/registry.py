"""The installed plugins: install, list, show, enable, disable, remove.

In memory, with the store behind it: a change is committed first, then seen, then published. Any number of versions of one
plugin live side by side. An artifact stays in the cache as long as one plugin refers to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import trio

from volant.daemon.host.clock import utc_now
from volant.daemon.plugins.versions import version_key
from volant.daemon.ports import CachedImage, DropPlugin, EventDraft, EventHub, Images, PluginRecord, Put, Store
from volant.proto.api.plugin import InstallPlugin, InstallProgress, ListPlugins, PluginName, Plugins, PluginView
from volant.proto.errors import ImageFailed, NameTaken, NoSuchPlugin, PluginDisabled, PluginInUse
from volant.proto.specs.manifest import Manifest
from volant.proto.specs.manifest_codec import to_plain
from volant.proto.specs.manifest_parse import parse_manifest

Users = Callable[[str, str], tuple[str, ...]]
"""Names of the VMs that use (plugin, version)."""
Told = Callable[[InstallProgress], Awaitable[None]]
Key = tuple[str, str]
"""(name, version)."""

MAX_NAMED = 5
"""How many VMs a refusal names: a line's worth."""

_UNSERVED = ("cloud_init", "devices")
"""Parts of a manifest that no code acts on yet: whoever relies on them has to know."""


class PluginRegistry:
    """What may be made into VMs. Changes of one plugin happen one after the other; different plugins don't wait for each other."""

    def __init__(self, store: Store, images: Images, hub: EventHub, *, users: Users) -> None:
        self._store, self._images, self._hub, self._users = store, images, hub, users
        self._records: dict[Key, PluginRecord] = {}
        self._changing: dict[str, trio.Event] = {}
        """Of plugins that are being replaced or removed in the store; set once they are, or stay as they were."""
        self._locks: dict[str, trio.Lock] = {}
        self._artifacts = _Artifacts(images, self._is_referred)

    async def load(self) -> None:
        """Take the stored plugins back; once, before anything else."""
        self._records = {(record.name, record.version): record for record in await self._store.plugins()}

    def __len__(self) -> int:
        """How many versions of plugins are installed."""
        return len(self._records)

    def record(self, name: str, version: str = "") -> PluginRecord:
        """One version, enabled or not; the newest when none is named. NoSuchPlugin."""
        found = self._versions(name, version)
        return max(found, key=lambda record: version_key(record.version))

    def usable(self, name: str, version: str = "") -> PluginRecord:
        """The version for a new VM: the named one, else the newest that is enabled. NoSuchPlugin, PluginDisabled."""
        found = [record for record in self._versions(name, version) if record.enabled]
        if not found:
            raise PluginDisabled(name)
        return max(found, key=lambda record: version_key(record.version))

    async def wait_settled(self, name: str) -> None:
        """Until no version of that plugin is being replaced or removed. Whoever goes on without waiting and is a user of what `usable`
        then says makes that one stay."""
        while (done := self._changing.get(name)) is not None:
            await done.wait()

    def get(self, name: str, version: str = "") -> PluginView:
        """One version as its users see it; the newest when none is named. NoSuchPlugin."""
        return view_of(self.record(name, version))

    async def show(self, asked: PluginName) -> PluginView:
        """`plugin.show`."""
        return self.get(asked.name, asked.version)

    async def list(self, asked: ListPlugins) -> Plugins:
        """`plugin.list`: by name, newest version first."""
        text = asked.text.casefold()
        found = [
            record
            for record in self._records.values()
            if (asked.enabled is None or record.enabled is asked.enabled)
            and text in f"{record.name} {record.manifest.get('runtime', '')}".casefold()
        ]
        return await self._answer(found)

    async def install(self, asked: InstallPlugin, progress: Told | None = None) -> PluginView:
        """`plugin.install`. The same manifest again changes nothing. On any failure, and when cancelled, nothing is left behind."""
        parsed = parse_manifest(asked.manifest, strict=asked.strict)
        manifest = parsed.manifest
        warnings = (*parsed.warnings, *_without_effect(manifest))
        wanted = PluginRecord(
            name=manifest.name,
            version=manifest.version,
            manifest=to_plain(manifest),
            enabled=manifest.enabled,
            artifacts={},
            installed_at=utc_now(),
            warnings=warnings,
        )
        async with self._lock(manifest.name):
            present = self._records.get((manifest.name, manifest.version))
            if present is not None and present.manifest == wanted.manifest and await self._is_complete(present):
                return view_of(replace(present, warnings=warnings))
            self._check_replaceable(present, wanted, replace_allowed=asked.replace)
            if asked.dry_run:
                return view_of(wanted)
            async with self._artifacts.fetching() as taken:
                artifacts = await self._fetch(manifest, taken, progress)
                # A VM may have been made of it while the artifacts were on their way.
                self._check_replaceable(present, wanted, replace_allowed=asked.replace)
                wanted = replace(wanted, artifacts=artifacts, enabled=present.enabled if present else wanted.enabled)
                self._check_same_artifacts(present, wanted)
                verb = "installed" if present is None else "installed anew"
                with self._change(wanted.name):
                    await self._commit(wanted, _event("PLUGIN_INSTALLED", wanted, verb))
                if present is not None:
                    self._artifacts.drop(present.artifacts.values())
        return view_of(wanted)

    async def enable(self, asked: PluginName) -> Plugins:
        """`plugin.enable`: the named version, else all."""
        return await self._switch(asked, True)

    async def disable(self, asked: PluginName) -> Plugins:
        """`plugin.disable`: the named version, else all. VMs that exist stay as they are."""
        return await self._switch(asked, False)

    async def remove(self, asked: PluginName) -> Plugins:
        """`plugin.remove`: the named version, else all of them or none; artifacts go with their last plugin. NoSuchPlugin, PluginInUse."""
        async with self._lock(asked.name):
            found = self._versions(asked.name, asked.version)
            if users := tuple(user for record in found for user in self._users(record.name, record.version)):
                raise PluginInUse(asked.name, users)
            with self._change(asked.name):
                for record in found:
                    await self._commit(DropPlugin(record.name, record.version), _event("PLUGIN_REMOVED", record, "removed"))
                    self._artifacts.drop(record.artifacts.values())
            await self._artifacts.sweep()
        return await self._answer(found)

    async def _switch(self, asked: PluginName, enabled: bool) -> Plugins:
        async with self._lock(asked.name):
            for record in self._versions(asked.name, asked.version):
                if record.enabled is not enabled:
                    kind, verb = ("PLUGIN_ENABLED", "enabled") if enabled else ("PLUGIN_DISABLED", "disabled")
                    await self._commit(replace(record, enabled=enabled), _event(kind, record, verb))
            return await self._answer(self._versions(asked.name, asked.version))

    async def _commit(self, change: PluginRecord | DropPlugin, event: EventDraft) -> None:
        """Store, then show, then tell. Shielded: what is stored is also seen."""
        with trio.CancelScope(shield=True):
            events = await self._store.commit(Put(change) if isinstance(change, PluginRecord) else change, event)
        if isinstance(change, PluginRecord):
            self._records[change.name, change.version] = change
        else:
            del self._records[change.name, change.version]
        self._hub.publish(events)

    async def _fetch(self, manifest: Manifest, taken: set[str], progress: Told | None) -> dict[str, str]:
        """Fetch and check what the manifest names; digests by artifact. `taken` gets each digest as soon as it is in the cache."""
        found: dict[str, str] = {}
        for step, url, checksum, format in wanted_artifacts(manifest):
            image = await self._images.fetch(url, checksum=checksum, format=format, progress=_for_step(step, progress))
            taken.add(image.sha256)
            found[step] = image.sha256
            if step == "initramfs" and manifest.rootfs is None:
                await self._check_workload(manifest, image)
        return found

    async def _check_workload(self, manifest: Manifest, image: CachedImage) -> None:
        workload = manifest.workload
        await self._images.check_workload(
            image, entrypoint=workload.entrypoint[0], workdir=workload.workdir, path=workload.env.get("PATH", "")
        )

    def _check_replaceable(self, present: PluginRecord | None, wanted: PluginRecord, *, replace_allowed: bool) -> None:
        if present is None or present.manifest == wanted.manifest:
            return
        if not replace_allowed:
            raise NameTaken("plugin", f"{wanted.name} {wanted.version}")
        if users := self._users(wanted.name, wanted.version):
            raise PluginInUse(wanted.name, users)

    def _check_same_artifacts(self, present: PluginRecord | None, wanted: PluginRecord) -> None:
        """VMs have their disks over what was fetched first: the same manifest may bring that back, and nothing else."""
        if present is None or not (users := self._users(wanted.name, wanted.version)):
            return
        for artifact, digest in wanted.artifacts.items():
            if digest != present.artifacts.get(artifact):
                raise ImageFailed(
                    f"the {artifact} of plugin {wanted.name!r} is not the one any more that {', '.join(users[:MAX_NAMED])} was made of",
                    hint="put the old file back at its place, or delete these VMs first",
                )

    async def _is_complete(self, record: PluginRecord) -> bool:
        """Whether all its artifacts are still in the cache."""
        for digest in record.artifacts.values():
            if await self._images.cached(digest) is None:
                return False
        return True

    async def _answer(self, records: Iterable[PluginRecord]) -> Plugins:
        newest_first = sorted(records, key=lambda record: version_key(record.version), reverse=True)
        ordered = sorted(newest_first, key=lambda record: record.name)
        return Plugins(tuple(view_of(record) for record in ordered), (await self._store.event_range())[1])

    def _versions(self, name: str, version: str) -> tuple[PluginRecord, ...]:
        found = tuple(record for record in self._records.values() if record.name == name and version in ("", record.version))
        if not found:
            raise NoSuchPlugin(name, version)
        return found

    def _is_referred(self, digest: str) -> bool:
        return any(digest in record.artifacts.values() for record in self._records.values())

    @contextmanager
    def _change(self, name: str) -> Iterator[None]:
        """While the store takes its time, nobody becomes a user of what is about to be gone."""
        done = self._changing[name] = trio.Event()
        try:
            yield
        finally:
            del self._changing[name]
            done.set()

    @asynccontextmanager
    async def _lock(self, name: str) -> AsyncIterator[None]:
        """One change of a plugin at a time."""
        lock = self._locks.setdefault(name, trio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked() and not lock.statistics().tasks_waiting:
                self._locks.pop(name, None)


class _Artifacts:
    """Forgets artifacts that nobody refers to, but never while an install is under way, which may just have found one in the cache."""

    def __init__(self, images: Images, is_referred: Callable[[str], bool]) -> None:
        self._images, self._is_referred = images, is_referred
        self._unwanted: set[str] = set()
        self._under_way = 0
        self._sweeping = trio.Lock()

    def drop(self, digests: Iterable[str]) -> None:
        """Somebody stopped referring to these."""
        self._unwanted.update(digests)

    @asynccontextmanager
    async def fetching(self) -> AsyncIterator[set[str]]:
        """An install: put each fetched digest into the set; those that no plugin refers to at the end are forgotten."""
        async with self._sweeping:
            self._under_way += 1
        taken: set[str] = set()
        try:
            yield taken
        finally:
            self._under_way -= 1
            self.drop(taken)
            await self.sweep()

    async def sweep(self) -> None:
        """Forget what nobody refers to, unless an install is under way: the last of these sweeps."""
        with trio.CancelScope(shield=True):
            async with self._sweeping:
                if self._under_way:
                    return
                while self._unwanted:
                    digest = self._unwanted.pop()
                    if not self._is_referred(digest):
                        await self._images.forget(digest)


def wanted_artifacts(manifest: Manifest) -> tuple[tuple[str, str, str, str], ...]:
    """What a manifest has to have fetched: (artifact, url, checksum, format)."""
    found = []
    if manifest.rootfs:
        found.append(("rootfs", manifest.rootfs.url, manifest.rootfs.checksum, manifest.rootfs.format))
    if manifest.initramfs:
        found.append(("initramfs", manifest.initramfs.url, manifest.initramfs.checksum, "cpio"))
    return (*found, *((f"disk:{disk.name}", disk.source, disk.checksum, disk.format) for disk in manifest.disks))


def _without_effect(manifest: Manifest) -> list[str]:
    return [f"{part}: is kept, and has no effect in this version" for part in _UNSERVED if getattr(manifest, part) is not None]


def view_of(record: PluginRecord) -> PluginView:
    """The wire form of a record."""
    return PluginView(
        name=record.name,
        version=record.version,
        runtime=record.manifest.get("runtime", record.name),
        enabled=record.enabled,
        installed_at=record.installed_at,
        manifest=record.manifest,
        artifacts=record.artifacts,
        warnings=record.warnings,
    )


def _event(kind: str, record: PluginRecord, verb: str) -> EventDraft:
    message = f"plugin {record.name} {record.version} {verb}"
    return EventDraft(kind=kind, message=message, data={"plugin": record.name, "version": record.version})


def _for_step(step: str, told: Told | None) -> Callable[[int, int], Awaitable[None]] | None:
    if told is None:
        return None

    async def progress(done: int, total: int) -> None:
        await told(InstallProgress(step, done, total))

    return progress
