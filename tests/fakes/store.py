"""A store in memory: everything `ports.Store` promises but durability. It keeps rows, so records come back as a file would give them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from volant.daemon.host.clock import utc_now
from volant.daemon.ports import (
    Change,
    ConfigRecord,
    DeploymentRecord,
    DropConfig,
    DropDeployment,
    DropLease,
    DropObject,
    DropPlugin,
    DropRevision,
    DropVm,
    EventDraft,
    HostObject,
    Lease,
    PluginRecord,
    Put,
    PutRevision,
    VmRecord,
)
from volant.daemon.store import refusals, rows
from volant.daemon.store.rows import Row
from volant.proto.api.deployment import Revision
from volant.proto.api.event import Event, Selection
from volant.proto.errors import Fault

T = TypeVar("T")


@dataclass
class _Tables:
    vms: dict[str, Row] = field(default_factory=dict)
    configs: dict[tuple[str, int], Row] = field(default_factory=dict)
    plugins: dict[tuple[str, str], Row] = field(default_factory=dict)
    deployments: dict[str, Row] = field(default_factory=dict)
    revisions: dict[tuple[str, int], Row] = field(default_factory=dict)
    leases: dict[str, Row] = field(default_factory=dict)
    objects: dict[tuple[str, str], Row] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)
    newest: int = 0

    def copy(self) -> _Tables:
        """One level deep: rows never change."""
        return _Tables(
            dict(self.vms), dict(self.configs), dict(self.plugins), dict(self.deployments), dict(self.revisions), dict(self.leases),
            dict(self.objects), list(self.events), self.newest,
        )  # fmt: skip


@dataclass
class MemoryStore:
    """Tests steer it: each fault in `failures` refuses one commit, in order, and each in `read_failures` one look at the events' range."""

    now: Callable[[], str] = utc_now
    failures: deque[Fault] = field(default_factory=deque)
    read_failures: deque[Fault] = field(default_factory=deque)
    _tables: _Tables = field(default_factory=_Tables)

    async def commit(self, *changes: Change) -> tuple[Event, ...]:
        await trio.lowlevel.checkpoint()
        if self.failures:
            raise self.failures.popleft()
        # Worked out on a copy, so that a refusal half-way leaves nothing.
        tables = self._tables.copy()
        events = [event for change in changes if (event := _apply(tables, change, self.now())) is not None]
        self._tables = tables
        return tuple(events)

    async def vms(self) -> tuple[VmRecord, ...]:
        found = await self._read(rows.vm_record, self._tables.vms.values())
        return tuple(sorted(found, key=lambda vm: (vm.created_at, vm.id)))

    async def configs(self, vm_id: str) -> tuple[ConfigRecord, ...]:
        found = await self._read(rows.config_record, self._tables.configs.values())
        return tuple(sorted((record for record in found if record.vm_id == vm_id), key=lambda record: record.version))

    async def latest_configs(self) -> dict[str, ConfigRecord]:
        found = await self._read(rows.config_record, self._tables.configs.values())
        return {record.vm_id: record for record in sorted(found, key=lambda record: record.version)}

    async def plugins(self) -> tuple[PluginRecord, ...]:
        return await self._read(rows.plugin_record, (row for _, row in sorted(self._tables.plugins.items())))

    async def deployments(self) -> tuple[DeploymentRecord, ...]:
        return await self._read(rows.deployment_record, (row for _, row in sorted(self._tables.deployments.items())))

    async def revisions(self) -> dict[str, tuple[Revision, ...]]:
        found: dict[str, tuple[Revision, ...]] = {}
        for deployment, revision in await self._read(rows.revision_record, (row for _, row in sorted(self._tables.revisions.items()))):
            found[deployment] = (*found.get(deployment, ()), revision)
        return found

    async def leases(self) -> tuple[Lease, ...]:
        return await self._read(rows.lease_record, (row for _, row in sorted(self._tables.leases.items())))

    async def objects(self) -> tuple[HostObject, ...]:
        return await self._read(rows.object_record, (row for _, row in sorted(self._tables.objects.items())))

    async def events(
        self, *, after: int, limit: int, vm: str = "", kinds: tuple[str, ...] = (), deployment: str = "", last: int = 0
    ) -> tuple[Event, ...]:
        asked = Selection(vm, kinds, deployment)
        found = [event for event in await self._read(rows.event_record, self._tables.events) if asked.takes(event)]
        if last > 0:
            return tuple(found[-min(last, limit) :])
        return tuple(event for event in found if event.seq > after)[:limit]

    async def event_range(self) -> tuple[int, int]:
        await trio.lowlevel.checkpoint()
        if self.read_failures:
            raise self.read_failures.popleft()
        return (self._tables.events[0][0] if self._tables.events else 0, self._tables.newest)

    async def trim_events(self, *, keep: int, since: str = "") -> int:
        await trio.lowlevel.checkpoint()
        events = self._tables.events
        young = next((place for place, row in enumerate(events) if row[1] >= since), len(events))
        gone = max(0, len(events) - keep, young)
        self._tables.events = events[gone:]
        return gone

    async def _read(self, convert: Callable[[Row], T], found: Iterable[Row]) -> tuple[T, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(map(convert, found))


def _apply(tables: _Tables, change: Change, now: str) -> Event | None:
    match change:
        case Put(VmRecord() as record):
            if any(row[1] == record.name and row[0] != record.id for row in tables.vms.values()):
                raise refusals.name_taken(record)
            if record.deployment and record.deployment not in tables.deployments:
                raise refusals.no_such_deployment(record.deployment)
            tables.vms[record.id] = rows.vm_row(record)
        case DropVm(vm_id):
            _drop_vm(tables, vm_id)
        case Put(ConfigRecord() as record):
            if (record.vm_id, record.version) in tables.configs:
                raise refusals.version_taken(record)
            _require_owner(tables, record.vm_id)
            tables.configs[record.vm_id, record.version] = rows.config_row(record)
        case DropConfig(vm_id, version):
            tables.configs.pop((vm_id, version), None)
        case Put(PluginRecord() as record):
            tables.plugins[record.name, record.version] = rows.plugin_row(record)
        case DropPlugin(name, version):
            tables.plugins.pop((name, version), None)
        case Put(DeploymentRecord() as record):
            tables.deployments[record.name] = rows.deployment_row(record)
        case DropDeployment(name):
            _drop_deployment(tables, name)
        case PutRevision(deployment, record):
            if (deployment, record.revision) in tables.revisions:
                raise refusals.revision_taken(deployment, record.revision)
            if deployment not in tables.deployments:
                raise refusals.no_such_deployment(deployment)
            tables.revisions[deployment, record.revision] = rows.revision_row(deployment, record)
        case DropRevision(deployment, revision):
            tables.revisions.pop((deployment, revision), None)
        case Put(Lease() as lease):
            _put_lease(tables, lease)
        case DropLease(ip):
            tables.leases.pop(ip, None)
        case Put(HostObject() as record):
            _put_object(tables, record)
        case DropObject(kind, name):
            tables.objects.pop((kind, name), None)
        case EventDraft():
            tables.newest += 1
            tables.events.append((tables.newest, *rows.event_row(change, now)))
            return rows.event_record(tables.events[-1])
    return None


def _drop_vm(tables: _Tables, vm_id: str) -> None:
    if left := sorted(key for key, row in tables.objects.items() if row[2] == vm_id):
        raise refusals.objects_left(vm_id, [f"{kind} {name}" for kind, name in left])
    tables.vms.pop(vm_id, None)
    tables.configs = {key: row for key, row in tables.configs.items() if key[0] != vm_id}
    tables.leases = {ip: row for ip, row in tables.leases.items() if row[1] != vm_id}


def _drop_deployment(tables: _Tables, name: str) -> None:
    if left := sorted(vm.name for vm in map(rows.vm_record, tables.vms.values()) if vm.deployment == name):
        raise refusals.replicas_left(name, left)
    tables.deployments.pop(name, None)
    tables.revisions = {key: row for key, row in tables.revisions.items() if key[0] != name}


def _put_lease(tables: _Tables, lease: Lease) -> None:
    owner = tables.leases.get(lease.ip, (lease.ip, lease.vm_id))[1]
    if owner != lease.vm_id:
        raise refusals.address_taken(lease, owner)
    _require_owner(tables, lease.vm_id)
    tables.leases[lease.ip] = rows.lease_row(lease)


def _put_object(tables: _Tables, record: HostObject) -> None:
    row = rows.object_row(record)
    owner = tables.objects.get((record.kind, record.name), row)[2]
    if owner != row[2]:
        raise refusals.object_owned(record, owner or "")
    if record.vm_id:
        _require_owner(tables, record.vm_id)
    tables.objects[record.kind, record.name] = row


def _require_owner(tables: _Tables, vm_id: str) -> None:
    if vm_id not in tables.vms:
        raise refusals.no_such_owner(vm_id)
