"""How VMMs are found on a host: by two variables in their environment, and by a command line that says the same.

Whoever sets our variables in a shell has not become a VMM by that, so each launcher compares the command line too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import trio

from volant.daemon.host.processes import all_marked
from volant.daemon.ports import LaunchPlan, ProcessIdentity

MARKER = "VOLANT_VM"
"""Environment variable that holds the VM's id in each VMM."""

FOLDER_MARKER = "VOLANT_VM_FOLDER"
"""The same for its runtime folder: it tells one daemon's VMMs from another's on the same host."""

IsVmm = Callable[[ProcessIdentity, str], bool]
"""Whether this process is the VMM of the VM with that id, judged by its command line."""


def environment(plan: LaunchPlan) -> dict[str, str]:
    """All that a VMM's environment holds."""
    return {MARKER: plan.vm_id, FOLDER_MARKER: str(plan.runtime_dir), "PATH": os.defpath}


def find(plan: LaunchPlan, is_vmm: IsVmm) -> ProcessIdentity | None:
    """The VMM of that VM in that place, if one runs."""
    for identity, environ in all_marked(MARKER):
        if (environ[MARKER], environ.get(FOLDER_MARKER)) == (plan.vm_id, str(plan.runtime_dir)) and is_vmm(identity, plan.vm_id):
            return identity
    return None


def elsewhere(within: Path) -> frozenset[str]:
    """Ids of VMs that other daemons of this host have: their processes say that their runtime folders lie outside of `within`. Blocking.

    Taken at their word, for it only spares what they name.
    """
    marked = (environ for _, environ in all_marked(MARKER) if FOLDER_MARKER in environ)
    return frozenset(environ[MARKER] for environ in marked if Path(environ[FOLDER_MARKER]).parent != within)


async def running(within: Path, is_vmm: IsVmm) -> Mapping[str, ProcessIdentity]:
    """All VMMs whose VMs' runtime folders lie in `within`, by VM id."""
    # In a thread: a host may have thousands of processes to look into.
    marked = await trio.to_thread.run_sync(all_marked, MARKER)
    ours = {
        environ[MARKER]: identity
        for identity, environ in marked
        if FOLDER_MARKER in environ and Path(environ[FOLDER_MARKER]).parent == within
    }
    return {vm_id: identity for vm_id, identity in ours.items() if is_vmm(identity, vm_id)}
