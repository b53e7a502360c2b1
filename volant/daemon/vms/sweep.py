"""At start: what the ledger has, the host has, and nobody owns. Adoption is the owners' work; here only the unowned is reaped."""

from __future__ import annotations

import logging
import re
from collections.abc import Container, Iterable
from pathlib import Path

import trio

from volant.daemon.ports import EventDraft, VmRecord
from volant.daemon.vms.launch import remove_folder
from volant.daemon.vms.services import Services
from volant.proto.errors import Fault

log = logging.getLogger("volant")


MAX_TOLD = 100
"""Names of each kind in the event; the counts are in its text."""

_VM_ID = re.compile(r"[0-9a-f]{12}")


async def sweep(services: Services, records: Iterable[VmRecord]) -> None:
    """Remove sockets' folders and taps that are provably ours by place and name, and that no VM owns.

    A state folder without a VM is only told of. Its row is written before it and dropped after it, so there is one only where the
    store was replaced, by a backup for instance; and then its disks are somebody's data. What was removed is told as one event.
    """
    known = {record.id: record for record in records}
    gone: list[str] = []
    for folder in _unowned(services.runtime_dir / "vms", known):
        try:
            await trio.to_thread.run_sync(remove_folder, folder)
        except OSError as error:
            log.warning("%s belongs to no VM and can't be removed: %s", folder, error)
        else:
            gone.append(str(folder))
    for folder in _unowned(services.state_dir / "vms", known):
        log.warning("%s belongs to no VM that the store knows; if nobody needs its disks, remove it", folder)
    taps = frozenset(record.tap for record in known.values() if record.tap)
    removed: tuple[str, ...] = ()
    try:
        removed = await services.network.sweep(taps)
    except Fault as fault:
        # Without the right to change interfaces there can be none of ours.
        log.debug("taps were not swept: %s", fault.message)
    if gone or removed:
        await _tell(services, folders=gone, taps=list(removed))


async def _tell(services: Services, *, folders: list[str], taps: list[str]) -> None:
    text = f"removed what belongs to no VM: {len(folders)} folders of sockets, {len(taps)} taps"
    data = {"folders": folders[:MAX_TOLD], "taps": taps[:MAX_TOLD]}
    try:
        await services.journal.commit(EventDraft(kind="SYSTEM_SWEPT", message=text, data=data))
    except Fault as fault:
        log.warning("%s; that can't be recorded: %s", text, fault.message)


def _unowned(parent: Path, known: Container[str]) -> list[Path]:
    if not parent.is_dir():
        return []
    return [path for path in sorted(parent.iterdir()) if _VM_ID.fullmatch(path.name) and path.name not in known and path.is_dir()]
