"""Between the ports' records and the tables' rows: the only place that knows both. Pure.

A row is a tuple in the order of its model's fields.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, TypeVar

from volant.daemon.ports import (
    ConfigRecord,
    DeploymentRecord,
    EventDraft,
    HostObject,
    Lease,
    PluginRecord,
    ProcessIdentity,
    Retries,
    VmRecord,
)
from volant.proto.api.deployment import Revision, Template
from volant.proto.api.event import Event
from volant.proto.api.vm import Forward
from volant.proto.errors import InvalidParams
from volant.proto.plain import from_plain, to_plain
from volant.proto.specs.leases import VmLease
from volant.proto.specs.states import VmState, Wanted

T = TypeVar("T")

Row = tuple[Any, ...]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_decode = json.loads

END_OF_TIME_S = 253_402_300_800.0
"""The year 10000 in seconds since 1970: no date is written after it."""

MAX_QUOTED = 60
"""Characters of an unreadable value that are shown."""


def vm_row(vm: VmRecord) -> Row:
    process = vm.process and _encode([vm.process.pid, vm.process.start_time, vm.process.boot_id])
    forwards = _encode([[f.guest_port, f.host_port, f.protocol, f.host_ip] for f in vm.forwards])
    return (
        vm.id, vm.name, vm.plugin, vm.plugin_version, vm.config_version, vm.wanted.value, vm.wanted_generation,
        vm.state.value, vm.generation, vm.boot, process, vm.ip, vm.mac, vm.tap, forwards, vm.hypervisor, vm.accel,
        vm.health, vm.reason, None if vm.error is None else _encode(vm.error),
        vm.created_at, vm.started_at, vm.ready_at, vm.stopped_at, vm.ready_ms, vm.deployment or None, vm.revision,
        vm.booted_config, _retries_text(vm.retries), vm.host_boot, vm.exit_code, vm.exit_signal,
        None if vm.lease is None else _encode(to_plain(vm.lease)),
    )  # fmt: skip


def vm_record(row: Row) -> VmRecord:
    """Never raises: what somebody's hand has made unreadable is replaced by what makes the owner look at the host anew, and told of."""
    (
        id_, name, plugin, plugin_version, config_version, wanted, wanted_generation, state, generation, boot, process, ip, mac, tap,
        forwards, hypervisor, accel, health, reason, error, created_at, started_at, ready_at, stopped_at, ready_ms, deployment, revision,
        booted_config, retries, host_boot, exit_code, exit_signal, lease,
    ) = row  # fmt: skip
    unreadable: list[str] = []

    def read(column: str, convert: Callable[[Any], T], value: Any, otherwise: T) -> T:
        try:
            return convert(value)
        except (ValueError, TypeError, OverflowError, RecursionError, InvalidParams):  # no JSON, or nothing that we would have written
            unreadable.append(f"its {column} is {str(value)[:MAX_QUOTED]!r}")
            return otherwise

    record = VmRecord(
        id=id_, name=name, plugin=plugin, plugin_version=plugin_version, config_version=config_version,
        wanted=read("wanted state", Wanted, wanted, Wanted.RUNNING), wanted_generation=wanted_generation,
        state=read("state", VmState, state, VmState.RUNNING), generation=generation, boot=boot,
        process=read("process", _process, process, None), ip=ip, mac=mac, tap=tap,
        forwards=read("forwards", _forwards, forwards, ()), hypervisor=hypervisor, accel=accel, health=health,
        reason=reason, error=read("error", _error, error, None), created_at=created_at, started_at=started_at,
        ready_at=ready_at, stopped_at=stopped_at, ready_ms=ready_ms, deployment=deployment or "", revision=revision,
        booted_config=booted_config, retries=read("retries", _retries, retries, Retries()), host_boot=host_boot,
        exit_code=exit_code, exit_signal=exit_signal, lease=read("lease", _lease, lease, None),
    )  # fmt: skip
    return replace(record, unreadable=tuple(unreadable)) if unreadable else record


def _process(text: str | None) -> ProcessIdentity | None:
    if text is None:
        return None
    pid, start_time, boot_id = _decode(text)
    return ProcessIdentity(int(pid), int(start_time), str(boot_id))


def _forwards(text: str) -> tuple[Forward, ...]:
    return tuple(Forward(int(guest), int(host), str(protocol), str(ip)) for guest, host, protocol, ip in _decode(text))


def _lease(text: str | None) -> VmLease | None:
    return None if text is None else from_plain(VmLease, _decode(text))


def _error(text: str | None) -> dict[str, Any] | None:
    return None if text is None else dict(_decode(text))


def _retries_text(retries: Retries) -> str:
    return _encode({name: value for name, value in asdict(retries).items() if value})


def _retries(text: str) -> Retries:
    retries = from_plain(Retries, _decode(text))
    if not all(0 <= value < END_OF_TIME_S for value in (retries.window_began, retries.next_at)):
        raise ValueError(text)
    return retries


def config_row(record: ConfigRecord) -> Row:
    return (record.vm_id, record.version, _encode(record.config), record.created_at, record.author, record.origin, record.note)


def config_record(row: Row) -> ConfigRecord:
    vm_id, version, config, created_at, author, origin, note = row
    return ConfigRecord(
        vm_id=vm_id, version=version, config=_decode(config), created_at=created_at, author=author, origin=origin, note=note
    )


def plugin_row(record: PluginRecord) -> Row:
    return (
        record.name, record.version, _encode(record.manifest), int(record.enabled), _encode(record.artifacts),
        record.installed_at, _encode(record.warnings),
    )  # fmt: skip


def plugin_record(row: Row) -> PluginRecord:
    name, version, manifest, enabled, artifacts, installed_at, warnings = row
    return PluginRecord(
        name=name, version=version, manifest=_decode(manifest), enabled=bool(enabled), artifacts=_decode(artifacts),
        installed_at=installed_at, warnings=tuple(_decode(warnings)),
    )  # fmt: skip


def deployment_row(record: DeploymentRecord) -> Row:
    return (
        record.name, record.replicas, record.max_unavailable, record.min_ready_ms, int(record.paused), int(record.deleting),
        record.revision, record.rolling_revision, record.generation, record.created_at,
    )  # fmt: skip


def deployment_record(row: Row) -> DeploymentRecord:
    name, replicas, max_unavailable, min_ready_ms, paused, deleting, revision, rolling_revision, generation, created_at = row
    return DeploymentRecord(
        name=name, replicas=replicas, max_unavailable=max_unavailable, min_ready_ms=min_ready_ms, paused=bool(paused),
        deleting=bool(deleting), revision=revision, rolling_revision=rolling_revision, generation=generation, created_at=created_at,
    )  # fmt: skip


def revision_row(deployment: str, record: Revision) -> Row:
    template = _encode(to_plain(record.template))
    return (deployment, record.revision, template, record.note, record.created_at, record.author, record.origin)


def revision_record(row: Row) -> tuple[str, Revision]:
    """With the name of its deployment."""
    deployment, revision, template, note, created_at, author, origin = row
    known = from_plain(Template, _decode(template))
    return deployment, Revision(revision=revision, template=known, note=note, created_at=created_at, author=author, origin=origin)


def lease_row(lease: Lease) -> Row:
    return (lease.ip, lease.vm_id, lease.mac)


def lease_record(row: Row) -> Lease:
    return Lease(*row)


def object_row(record: HostObject) -> Row:
    return (record.kind, record.name, record.vm_id or None, _encode(record.detail), record.created_at)


def object_record(row: Row) -> HostObject:
    kind, name, vm_id, detail, created_at = row
    return HostObject(kind=kind, name=name, vm_id=vm_id or "", detail=_decode(detail), created_at=created_at)


def event_row(draft: EventDraft, time: str) -> Row:
    """Without `seq`, which the database gives."""
    return (time, draft.kind, draft.vm, draft.vm_id, draft.message, _encode(draft.data), draft.deployment)


def event_record(row: Row) -> Event:
    seq, time, kind, vm, vm_id, message, data, deployment = row
    return Event(seq=seq, time=time, kind=kind, vm=vm, vm_id=vm_id, message=message, data=_decode(data), deployment=deployment)
