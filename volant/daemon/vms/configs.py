"""The versions of a VM's config: change it, look at its history, compare, go back. What the next start uses is always the newest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from volant.daemon.ports import Asker, Change, ConfigRecord, DropConfig, EventDraft, Retries, Store, VmRecord
from volant.daemon.vms.book import Book, Update
from volant.daemon.vms.services import Services
from volant.proto.api.vm import VmName
from volant.proto.api.vm_config import (
    KEPT_VERSIONS,
    ConfigDiff,
    ConfigHistory,
    ConfigVersion,
    DiffConfig,
    GetConfig,
    PatchVm,
    RollbackConfig,
    VmConfigView,
)
from volant.proto.errors import Denied, InvalidParams, NoSuchVersion, VersionStale
from volant.proto.plain import from_plain, to_plain
from volant.proto.specs.manifest_parse import parse_manifest
from volant.proto.specs.restarts import When, parse_restart
from volant.proto.specs.states import VmState, Wanted
from volant.proto.specs.vmconfig import Defaults, VmConfig
from volant.proto.specs.vmpatch import differences, patched

MAX_FIELDS_TOLD = 20
"""Changed fields named in an event: it is read by people, and a patch may set hundreds of variables."""


class Owner(Protocol):
    """Whose config it is."""

    @property
    def book(self) -> Book: ...


class Configs:
    """The configs of all VMs. `owner` finds a VM by its name, or raises NoSuchVm."""

    def __init__(self, services: Services, owner: Callable[[str], Owner], defaults: Defaults) -> None:
        self._services, self._owner, self._defaults = services, owner, defaults

    async def show(self, asked: GetConfig) -> VmConfigView:
        """One version. NoSuchVersion."""
        book = self._owner(asked.name).book
        version = asked.version or book.config.version  # by now: what comes while we read is not among what we read
        return _view(book, _found(await self._versions(book), asked.name, version))

    async def history(self, asked: VmName) -> ConfigHistory:
        book = self._owner(asked.name).book
        return ConfigHistory(name=asked.name, running_version=book.running_version, items=await self._versions(book))

    async def diff(self, asked: DiffConfig) -> ConfigDiff:
        """What differs between two versions. NoSuchVersion."""
        book = self._owner(asked.name).book
        newest = book.config.version
        items = await self._versions(book)
        new = _found(items, asked.name, asked.new or newest)
        old = _found(items, asked.name, asked.old or _before(book, items, new.version))
        return ConfigDiff(name=asked.name, old=old.version, new=new.version, items=differences(old.config, new.config))

    async def patch(self, asked: PatchVm, by: Asker) -> VmConfigView:
        """Store the next version, unless nothing changes by it. InvalidParams, VersionStale, Denied, StoreFailed, HostShort."""
        book = self._owner(asked.name).book

        def wanted() -> VmConfig:
            manifest = parse_manifest(book.plugin.manifest).manifest
            config = patched(asked.name, from_plain(VmConfig, book.config.config), asked, manifest, self._defaults)
            _leave_to_deployment(book.record, config)
            return config

        if asked.dry_run:
            _check(book, asked.expected_version)
            planned = self._next(book, wanted(), by, "planned")
            return _view(book, _described(planned, book.config))
        return await self._change(book, asked.expected_version, wanted, by, "changed")

    async def rollback(self, asked: RollbackConfig, by: Asker) -> VmConfigView:
        """Store what an earlier version held as the next one. NoSuchVersion, VersionStale, Denied, StoreFailed, HostShort."""
        book = self._owner(asked.name).book
        earlier = _found(await self._versions(book), asked.name, asked.version)
        config = from_plain(VmConfig, earlier.config)
        _leave_to_deployment(book.record, config)
        return await self._change(book, asked.expected_version, lambda: config, by, f"rolled back to {asked.version}")

    async def _change(self, book: Book, expected: int | None, wanted: Callable[[], VmConfig], by: Asker, note: str) -> VmConfigView:
        surplus = await self._surplus(book)
        made: ConfigVersion | None = None

        def update(record: VmRecord) -> Update | None:
            nonlocal made
            _check(book, expected)
            config = self._next(book, wanted(), by, note)
            fields = tuple(item.field for item in differences(book.config.config, config.config))
            ends_waiting = parse_restart(config.config["restart"]).when is When.NO
            retries = {"retries": Retries()} if ends_waiting and record.retries.next_at else {}
            if not fields:
                return None
            made = _described(config, book.config)
            return Update(retries, changes=(*surplus, _event(record, config, fields, by)), config=config)

        await book.decide(update)
        return await self.show(GetConfig(name=book.record.name)) if made is None else _view(book, made)

    def _next(self, book: Book, config: VmConfig, by: Asker, note: str) -> ConfigRecord:
        record = book.record
        return ConfigRecord(
            vm_id=record.id,
            version=book.config.version + 1,
            config=to_plain(config),
            created_at=self._services.now(),
            author=by.author,
            origin=by.origin,
            note=note,
        )

    async def _versions(self, book: Book) -> tuple[ConfigVersion, ...]:
        stored = await self._store.configs(book.record.id) or (book.config,)
        return tuple(_described(item, before) for before, item in zip((None, *stored), stored, strict=False))

    async def _surplus(self, book: Book) -> tuple[Change, ...]:
        """What has to go so that one more version may come; the one that runs stays."""
        if book.config.version < KEPT_VERSIONS:
            return ()
        stored = await self._store.configs(book.record.id)
        may_go = [item for item in stored if item.version != book.booted.version]
        return tuple(DropConfig(item.vm_id, item.version) for item in may_go[: max(len(stored) + 1 - KEPT_VERSIONS, 0)])

    @property
    def _store(self) -> Store:
        return self._services.journal.store


def _check(book: Book, expected: int | None) -> None:
    """Refuse a change of what has changed meanwhile, is being deleted or can't be read."""
    record = book.record
    if record.wanted is Wanted.DESTROYED or record.state is VmState.DESTROYING:
        raise Denied(f"VM {record.name!r} is being deleted", hint="wait until it is gone, then create it again")
    if book.damage is not None:
        raise book.damage
    if expected is not None and expected != book.config.version:
        raise VersionStale(record.name, expected, book.config.version)


def _leave_to_deployment(record: VmRecord, config: VmConfig) -> None:
    """InvalidParams when two would look after one VM."""
    if record.deployment and parse_restart(config.restart).when is not When.NO:
        raise InvalidParams(
            f"VM {record.name!r} is a replica of deployment {record.deployment!r}, which replaces what ends; its restart policy stays no",
            hint="leave out --restart; or make a VM that belongs to no deployment",
        )


def _view(book: Book, shown: ConfigVersion) -> VmConfigView:
    return VmConfigView(
        name=book.record.name,
        config_version=book.config.version,
        running_version=book.running_version,
        pending_changes=book.pending,
        shown=shown,
    )


def _described(record: ConfigRecord, before: ConfigRecord | None) -> ConfigVersion:
    return ConfigVersion(
        version=record.version,
        note=record.note or ("created" if record.version == 1 else "changed"),
        changes=tuple(item.field for item in differences(before.config, record.config)) if before else (),
        created_at=record.created_at,
        author=record.author,
        origin=record.origin,
        config=record.config,
    )


def _found(items: Iterable[ConfigVersion], name: str, version: int) -> ConfigVersion:
    found = next((item for item in items if item.version == version), None)
    if found is None:
        raise NoSuchVersion(name, version)
    return found


def _before(book: Book, items: tuple[ConfigVersion, ...], new: int) -> int:
    """What a version is compared with unasked: what runs where that is another one, else the version kept before it."""
    if book.running_version not in (0, new):
        return book.running_version
    return max((item.version for item in items if item.version < new), default=new)


def _event(record: VmRecord, config: ConfigRecord, fields: tuple[str, ...], by: Asker) -> EventDraft:
    shown = ", ".join(fields[:MAX_FIELDS_TOLD]) + (", ..." if len(fields) > MAX_FIELDS_TOLD else "")
    return EventDraft(
        kind="VM_CONFIGURED",
        vm=record.name,
        vm_id=record.id,
        message=f"config version {config.version} ({config.note}): {shown}",
        data={"version": config.version, "fields": list(fields[:MAX_FIELDS_TOLD]), "author": by.author, "origin": by.origin},
        deployment=record.deployment,
    )
