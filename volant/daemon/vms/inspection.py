"""The ledger beside the host: every object with its owner, and where the two differ.

    rows of the store + leases ----+
                                   +--> `compare` (pure) --> what is wrong first
    processes, taps, firewall, ----+
    pool, files below vms/

Things come and go while one looks. So what seems wrong is looked at again a moment later, and only what is wrong both times counts;
and a VM that is on its way up or down may lack what its rows announce.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from volant.daemon.ports import HostObject, NetPresence, ProcessIdentity, VmRecord
from volant.daemon.vms.plan import DISK_NAMES
from volant.daemon.vms.services import Services
from volant.proto.api.system import MAX_ENTRIES, AskLedger, LedgerEntry, LedgerView, Standing
from volant.proto.specs.states import VmState

AGAIN_S = 0.2
"""Between the two looks: an object and its row are never apart for so long unless the VM's state says so."""

_ON_THE_WAY = frozenset({VmState.PENDING, VmState.STARTING, VmState.STOPPING, VmState.DESTROYING})
"""States in which rows may be ahead of what is made, or behind what is gone."""

_WHAT_TO_DO = {
    "process": "no VM that the store knows has it; end it by hand if it is not needed",
    "tap": "restart volantd, which removes it",
    "firewall": "restart volantd, which removes it",
    "lease": "restart volantd, which gives it back",
    "folder": "see what is in it, and remove it if nobody needs that",
    "disk": "see what is in it, and remove it if nobody needs that",
    "socket": "remove it; no VM listens there",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """What the host has of ours."""

    processes: Mapping[str, ProcessIdentity]
    network: NetPresence
    files: Mapping[str, str]
    """Path to kind: folders of VMs, and in them disks and sockets."""

    def objects(self) -> dict[tuple[str, str], str]:
        """(kind, name) to the VM's id where the object itself tells it, else nothing."""
        found = {("process", vm_id): vm_id for vm_id in self.processes}
        found |= {("tap", tap): "" for tap in self.network.taps} | {("firewall", tap): "" for tap in self.network.guests}
        found |= {("lease", ip): vm_id for ip, vm_id in self.network.leases.items()}
        return found | {(kind, path): "" for path, kind in self.files.items()}


def compare(rows: Iterable[HostObject], host: HostView, vms: Mapping[str, VmRecord]) -> list[LedgerEntry]:
    """Each row with its standing, and each object that no row has. `vms` are the records by VM id."""
    present = host.objects()
    found = [_standing(row, present, vms.get(row.vm_id)) for row in rows]
    owned = {(entry.kind, entry.name) for entry in found}
    unowned_folders = {name for kind, name in present.keys() - owned if kind == "folder"}
    for (kind, name), vm_id in present.items():
        # What lies in a folder that nobody owns is told with the folder.
        if (kind, name) not in owned and str(Path(name).parent) not in unowned_folders:
            owner = vms.get(vm_id)
            found.append(
                LedgerEntry(
                    kind=kind, name=name, vm=owner.name if owner else "", vm_id=vm_id, standing=Standing.UNOWNED,
                    detail=_WHAT_TO_DO[kind],
                )
            )  # fmt: skip
    return found


def _standing(row: HostObject, present: Mapping[tuple[str, str], str], vm: VmRecord | None) -> LedgerEntry:
    entry = partial(LedgerEntry, kind=row.kind, name=row.name, vm=vm.name if vm else "", vm_id=row.vm_id)
    if (row.kind, row.name) in present:
        return entry(standing=Standing.OK)
    if vm is not None and vm.state in _ON_THE_WAY:
        return entry(standing=Standing.OK, detail=f"not there: the VM is {vm.state}")
    return entry(standing=Standing.MISSING, detail=f"the VM is {vm.state}, and the host has it not" if vm else "its VM is gone")


class Inspector:
    """Reads the ledger, and compares it with the host. `records` gives all VMs as they are now."""

    def __init__(self, services: Services, records: Callable[[], Iterable[VmRecord]]) -> None:
        self._services, self._records = services, records

    async def ledger(self, asked: AskLedger) -> LedgerView:
        """Every object with its owner. NetworkFailed, StoreFailed."""
        if not asked.check:
            vms = self._vms()
            rows = await self._rows()
            return _view([_unchecked(row, vms.get(row.vm_id)) for row in rows], checked=False)
        entries = await self._compared()
        if any(entry.standing is not Standing.OK for entry in entries):
            seen = {_key(entry) for entry in entries}
            await trio.sleep(AGAIN_S)
            entries = [entry for entry in await self._compared() if entry.standing is Standing.OK or _key(entry) in seen]
        return _view(entries, checked=True)

    async def _compared(self) -> list[LedgerEntry]:
        services = self._services
        within = services.runtime_dir / "vms"
        processes: dict[str, ProcessIdentity] = {}
        for hypervisor in services.hypervisors.values():
            processes |= await hypervisor.running(within)
        network = await services.network.present()
        others = {services.network.tap_name(vm_id) for vm_id in await trio.to_thread.run_sync(services.others)}
        files = await trio.to_thread.run_sync(_files, (services.state_dir / "vms", within))
        host = HostView(processes=processes, network=network, files=files)
        entries = compare(await self._rows(), host, self._vms())
        return [entry for entry in entries if entry.standing is not Standing.UNOWNED or entry.name not in others]

    async def _rows(self) -> list[HostObject]:
        store = self._services.journal.store
        leases = [HostObject(kind="lease", name=lease.ip, vm_id=lease.vm_id) for lease in await store.leases()]
        return [*await store.objects(), *leases]

    def _vms(self) -> dict[str, VmRecord]:
        return {record.id: record for record in self._records()}


def _files(parents: Iterable[Path]) -> dict[str, str]:
    """Folders of VMs below `parents` with their disks and sockets. Logs and the like belong to their folder. Blocking."""
    found: dict[str, str] = {}
    for parent in parents:
        for folder in _entries(parent):
            if folder.is_dir(follow_symlinks=False):
                found[folder.path] = "folder"
                found |= {entry.path: kind for entry in _entries(folder.path) if (kind := _kind(entry))}
    return found


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder that may go away meanwhile."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        pass


def _kind(entry: os.DirEntry[str]) -> str:
    if DISK_NAMES.fullmatch(entry.name):
        return "disk"
    try:
        return "socket" if stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode) else ""
    except FileNotFoundError:
        return ""


def _unchecked(row: HostObject, vm: VmRecord | None) -> LedgerEntry:
    return LedgerEntry(kind=row.kind, name=row.name, vm=vm.name if vm else "", vm_id=row.vm_id, standing=None)


def _key(entry: LedgerEntry) -> tuple[str, str, Standing | None]:
    return entry.kind, entry.name, entry.standing


def _view(entries: list[LedgerEntry], *, checked: bool) -> LedgerView:
    def is_wrong(entry: LedgerEntry) -> bool:
        return entry.standing not in (None, Standing.OK)

    ordered = sorted(entries, key=lambda entry: (not is_wrong(entry), entry.vm, entry.kind, entry.name))
    return LedgerView(
        items=tuple(ordered[:MAX_ENTRIES]), total=len(ordered), wrong=sum(map(is_wrong, ordered)), checked=checked
    )  # fmt: skip
