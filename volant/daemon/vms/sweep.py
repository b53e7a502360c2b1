"""At start: what the host has, provably ours, and nobody owns. Adoption is the owners' work; here only the unowned is reaped.

In this order, for the first holds the others: VMMs, folders of sockets, taps, drafts of disks.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

import trio

from volant.daemon.ports import EventDraft, VmRecord
from volant.daemon.vms.launch import remove_folder
from volant.daemon.vms.plan import DRAFT_NAMES, bare_plan
from volant.daemon.vms.services import Services
from volant.proto.errors import Fault

log = logging.getLogger("volant")

DEATH_S = 5.0
"""How long the daemon's start waits for the death of a VMM that got SIGKILL: the kernel needs a moment, unless a disk holds it."""

MAX_TOLD = 100
"""Names of each kind in the event; the counts are in its text."""

_VM_ID = re.compile(r"[0-9a-f]{12}")


async def sweep(services: Services, records: Iterable[VmRecord]) -> None:
    """Remove VMMs, sockets' folders, taps and drafts of disks that are provably ours by mark, place and name, and that no VM owns.

    A state folder without a VM is only told of. Its row is written before it and dropped after it, so there is one only where the
    store was replaced, by a backup for instance; and then its disks are somebody's data. What was removed is told as one event.
    """
    known = {record.id: record for record in records}
    vmms = await _reap(services, known)
    folders = await _remove_folders(services, known)
    for folder in _unowned(services.state_dir / "vms", known):
        log.warning("%s belongs to no VM that the store knows; if nobody needs its disks, remove it", folder)
    taps = await _remove_taps(services, known)
    drafts = await trio.to_thread.run_sync(_remove_drafts, [services.places(vm_id).state for vm_id in known])
    if vmms or folders or taps or drafts:
        await _tell(services, vmms=vmms, folders=folders, taps=taps, drafts=drafts)


async def _reap(services: Services, known: Mapping[str, VmRecord]) -> list[str]:
    """Kill the VMMs that no row and no live record owns, and prove them dead; their VMs' ids."""
    owned = {item.vm_id for item in await services.journal.store.objects() if item.kind == "process"}
    owned |= {vm_id for vm_id, record in known.items() if record.state.is_live}
    gone: list[str] = []
    for hypervisor in services.hypervisors.values():
        for vm_id, identity in (await hypervisor.running(services.runtime_dir / "vms")).items():
            if vm_id in owned:
                continue
            vmm = await hypervisor.adopt(identity, bare_plan(vm_id, services.places(vm_id)))
            if vmm is None:
                continue
            with trio.move_on_after(DEATH_S) as waiting:
                await vmm.kill()
            if waiting.cancelled_caught:
                log.warning("VMM %d belongs to no VM, got SIGKILL and is not dead yet", identity.pid)
                await vmm.release()
            else:
                gone.append(vm_id)
    return sorted(gone)


async def _remove_folders(services: Services, known: Container[str]) -> list[str]:
    gone: list[str] = []
    for folder in _unowned(services.runtime_dir / "vms", known):
        try:
            await trio.to_thread.run_sync(remove_folder, folder)
        except OSError as error:
            log.warning("%s belongs to no VM and can't be removed: %s", folder, error)
        else:
            gone.append(str(folder))
    return gone


async def _remove_taps(services: Services, known: Mapping[str, VmRecord]) -> list[str]:
    owned = {record.tap for record in known.values() if record.tap}
    owned |= {services.network.tap_name(vm_id) for vm_id in await trio.to_thread.run_sync(services.others)}
    try:
        return list(await services.network.sweep(frozenset(owned)))
    except Fault as fault:
        # Without the right to change interfaces there can be none of ours.
        log.debug("taps were not swept: %s", fault.message)
        return []


def _remove_drafts(folders: Iterable[Path]) -> list[str]:
    """Disks that an earlier daemon had begun to make when it died. Blocking."""
    gone: list[str] = []
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() else ():
            if DRAFT_NAMES.fullmatch(path.name):
                path.unlink(missing_ok=True)
                gone.append(str(path))
    return gone


async def _tell(services: Services, **found: list[str]) -> None:
    text = "removed what belongs to no VM: {vmms} VMMs, {folders} folders of sockets, {taps} taps, {drafts} drafts of disks".format(
        **{kind: len(names) for kind, names in found.items()}
    )
    data = {kind: names[:MAX_TOLD] for kind, names in found.items()}
    try:
        await services.journal.commit(EventDraft(kind="SYSTEM_SWEPT", message=text, data=data))
    except Fault as fault:
        log.warning("%s; that can't be recorded: %s", text, fault.message)


def _unowned(parent: Path, known: Container[str]) -> list[Path]:
    if not parent.is_dir():
        return []
    return [path for path in sorted(parent.iterdir()) if _VM_ID.fullmatch(path.name) and path.name not in known and path.is_dir()]
