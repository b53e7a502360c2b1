"""At start: what the ledger has, the host has, and nobody owns. Adoption is the owners' work; here only the unowned is reaped."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import trio

from volant.daemon.ports import VmRecord
from volant.daemon.vms.launch import remove_folder
from volant.daemon.vms.services import Services
from volant.proto.errors import Fault

log = logging.getLogger("volant")


async def sweep(services: Services, records: Iterable[VmRecord]) -> None:
    """Remove folders and taps that are provably ours by place and name, and that no VM owns."""
    known = {record.id: record for record in records}
    for parent in (services.state_dir / "vms", services.runtime_dir / "vms"):
        if not parent.is_dir():
            continue
        for folder in parent.iterdir():
            if folder.name not in known:
                log.info("removing %s, which belongs to no VM", folder)
                await trio.to_thread.run_sync(remove_folder, folder)
    taps = frozenset(record.tap for record in known.values() if record.tap)
    try:
        removed = await services.network.sweep(taps)
    except Fault as fault:
        # Without the right to change interfaces there can be none of ours.
        log.debug("taps were not swept: %s", fault.message)
        return
    for tap in removed:
        log.info("removed the tap %s, which belongs to no VM", tap)
