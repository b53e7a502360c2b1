"""Applying one transaction's changes on the writer's connection; what a change breaks is told here, where the change is known."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

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
from volant.daemon.store import statements as sql
from volant.proto.api.event import Event
from volant.proto.errors import Fault

Clock = Callable[[], str]
"""Gives the time as RFC 3339 in UTC."""


def apply_all(connection: sqlite3.Connection, changes: Iterable[Change], now: Clock) -> tuple[Event, ...]:
    """In order; the events among them, numbered. On any error the caller rolls back what was done so far."""
    events: list[Event] = []
    for change in changes:
        try:
            if isinstance(change, EventDraft):
                events.append(_append_event(connection, change, now()))
            else:
                _apply(connection, change)
        except sqlite3.IntegrityError as error:
            raise _refusal(connection, change, error) from error
    return tuple(events)


def _append_event(connection: sqlite3.Connection, draft: EventDraft, time: str) -> Event:
    seq = connection.execute(sql.ADD_EVENT, rows.event_row(draft, time)).lastrowid or 0
    return Event(
        seq=seq, time=time, kind=draft.kind, vm=draft.vm, vm_id=draft.vm_id, message=draft.message, data=draft.data,
        deployment=draft.deployment,
    )  # fmt: skip


def _apply(connection: sqlite3.Connection, change: Change) -> None:
    run = connection.execute
    match change:
        case Put(VmRecord() as record):
            run(sql.PUT_VM, rows.vm_row(record))
        case DropVm(vm_id):
            run(sql.DROP_VM, (vm_id,))
        case Put(ConfigRecord() as record):
            run(sql.PUT_CONFIG, rows.config_row(record))
        case DropConfig(vm_id, version):
            run(sql.DROP_CONFIG, (vm_id, version))
        case Put(PluginRecord() as record):
            run(sql.PUT_PLUGIN, rows.plugin_row(record))
        case DropPlugin(name, version):
            run(sql.DROP_PLUGIN, (name, version))
        case Put(DeploymentRecord() as record):
            run(sql.PUT_DEPLOYMENT, rows.deployment_row(record))
        case DropDeployment(name):
            run(sql.DROP_DEPLOYMENT, (name,))
        case PutRevision(deployment, record):
            run(sql.PUT_REVISION, rows.revision_row(deployment, record))
        case DropRevision(deployment, revision):
            run(sql.DROP_REVISION, (deployment, revision))
        case Put(Lease() as lease):
            _put_lease(connection, lease)
        case DropLease(ip):
            run(sql.DROP_LEASE, (ip,))
        case Put(HostObject() as record):
            _put_object(connection, record)
        case DropObject(kind, name):
            run(sql.DROP_OBJECT, (kind, name))


def _put_lease(connection: sqlite3.Connection, lease: Lease) -> None:
    if connection.execute(sql.PUT_LEASE, rows.lease_row(lease)).rowcount == 0:
        (owner,) = connection.execute(sql.LEASE_OWNER, (lease.ip,)).fetchone()
        raise refusals.address_taken(lease, owner)


def _put_object(connection: sqlite3.Connection, record: HostObject) -> None:
    if connection.execute(sql.PUT_OBJECT, rows.object_row(record)).rowcount == 0:
        (owner,) = connection.execute(sql.OBJECT_OWNER, (record.kind, record.name)).fetchone()
        raise refusals.object_owned(record, owner or "")


def _refusal(connection: sqlite3.Connection, change: Change, error: sqlite3.IntegrityError) -> Fault:
    """A constraint said no; ask the tables which one, instead of reading SQLite's sentence."""
    match change:
        case Put(VmRecord() as record) if connection.execute(sql.VM_BY_NAME, (record.name,)).fetchone():
            return refusals.name_taken(record)
        case Put(VmRecord() as record) if record.deployment:
            return refusals.no_such_deployment(record.deployment)
        case DropVm(vm_id):
            left = connection.execute(sql.VM_OBJECTS, (vm_id,)).fetchall()
            return refusals.objects_left(vm_id, [f"{kind} {name}" for kind, name in left])
        case Put(ConfigRecord() as record) if connection.execute(sql.CONFIG_EXISTS, (record.vm_id, record.version)).fetchone():
            return refusals.version_taken(record)
        case DropDeployment(name):
            return refusals.replicas_left(name, [vm for (vm,) in connection.execute(sql.DEPLOYMENT_VMS, (name,))])
        case PutRevision(deployment, record) if connection.execute(sql.REVISION_EXISTS, (deployment, record.revision)).fetchone():
            return refusals.revision_taken(deployment, record.revision)
        case PutRevision(deployment, _):
            return refusals.no_such_deployment(deployment)
        case Put((ConfigRecord() | HostObject()) as record):
            return refusals.no_such_owner(record.vm_id)
        case Put(Lease() as lease):
            return refusals.no_such_owner(lease.vm_id)
        case _:
            return refusals.wrong_value(change, str(error))
