"""What a store refuses, as faults; shared by every store so that they say the same. Pure."""

from __future__ import annotations

from volant.daemon.ports import Change, ConfigRecord, HostObject, Lease, VmRecord
from volant.proto.errors import AddressTaken, NameTaken, StoreFailed

OBJECTS_NAMED = 5
"""How many left-over host objects a refusal names: enough to start looking, and still one sentence."""

_DEFECT = "this is a defect of Volant, not of the request; nothing of this change was stored"


def name_taken(record: VmRecord) -> NameTaken:
    return NameTaken("VM", record.name)


def address_taken(lease: Lease, owner: str) -> AddressTaken:
    return AddressTaken(
        f"{lease.ip} is leased to another VM ({owner})",
        hint="choose another address, or none to get the next free one",
        ip=lease.ip,
        vm_id=owner,
    )


def objects_left(vm_id: str, objects: list[str]) -> StoreFailed:
    """`objects` as "kind name"."""
    shown = ", ".join(objects[:OBJECTS_NAMED]) + (", ..." if len(objects) > OBJECTS_NAMED else "")
    return StoreFailed(
        f"VM {vm_id} can't be forgotten: {len(objects)} objects of it are still on the ledger: {shown}",
        hint="delete it again; if that fails too, restart volantd, which looks at the host and removes what is left",
        vm_id=vm_id,
        objects=objects,
    )


def object_owned(record: HostObject, owner: str) -> StoreFailed:
    return StoreFailed(
        f"{record.kind} {record.name} belongs to {_owner(owner)} and can't be given to {_owner(record.vm_id)}",
        hint="delete that VM first, or restart volantd, which compares its records with the host",
    )


def version_taken(record: ConfigRecord) -> StoreFailed:
    return StoreFailed(f"VM {record.vm_id} has a config version {record.version} already; history is never rewritten", hint=_DEFECT)


def replicas_left(deployment: str, vms: list[str]) -> StoreFailed:
    shown = ", ".join(vms[:OBJECTS_NAMED]) + (", ..." if len(vms) > OBJECTS_NAMED else "")
    return StoreFailed(f"deployment {deployment!r} can't be forgotten: it still has {len(vms)} VMs: {shown}", hint=_DEFECT)


def revision_taken(deployment: str, revision: int) -> StoreFailed:
    return StoreFailed(f"deployment {deployment!r} has a revision {revision} already; history is never rewritten", hint=_DEFECT)


def no_such_deployment(name: str) -> StoreFailed:
    return StoreFailed(f"there is no deployment {name!r} to own this", hint=_DEFECT)


def no_such_owner(vm_id: str) -> StoreFailed:
    return StoreFailed(f"there is no VM with id {vm_id!r} to own this", hint=_DEFECT)


def wrong_value(change: Change, detail: str) -> StoreFailed:
    return StoreFailed(f"{type(change).__name__} breaks the schema: {detail}", hint=_DEFECT)


def _owner(vm_id: str) -> str:
    return f"VM {vm_id}" if vm_id else "the daemon"
