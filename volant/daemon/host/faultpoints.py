"""Named places right behind a step of a VM's life, where a test may let the daemon suffer.

Each is declared once, here; the matrix of `volant selftest --faults` and its tests are made of this list. Nothing is armed in a
daemon that serves anybody: passing a place is then one call that returns at once. Only the process that `volant/selftest` starts
for a daemon under test arms anything, through a descriptor which it inherits; nothing that comes over a socket gets here.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Protocol


class Request(StrEnum):
    """What is asked for when a place is passed."""

    CREATE = "create"
    START = "start"
    STOP = "stop"
    DELETE = "delete"


class FaultPoint(Enum):
    """The places, in the order in which a VM's life passes them. `done` says what has just been done."""

    ADDRESS_TAKEN = "F1", Request.CREATE, "an address was taken from the pool; nothing is stored"
    VM_STORED = "F2", Request.CREATE, "the wanted VM is stored with config, lease and event; its owner works"
    STARTING_STORED = "F3", Request.CREATE, "`starting` is stored with the rows of all that will be made"
    PLACE_TAKEN = "F4", Request.CREATE, "the VM has its place among those that boot"
    HOST_CHECKED = "F5", Request.CREATE, "launcher and memory were looked at"
    FOLDERS_MADE = "F6", Request.CREATE, "the VM's two folders are made"
    IMAGE_FOUND = "F7", Request.CREATE, "the plugin's image was found in the cache"
    DISK_DRAFTED = "F8", Request.CREATE, "the disk is written under its draft's name"
    DISKS_MADE = "F9", Request.CREATE, "the disks have their names"
    BRIDGE_PREPARED = "F10", Request.CREATE, "bridge and firewall are there"
    TAP_MADE = "F11", Request.CREATE, "the tap is made, and nothing else of the network"
    GUEST_LET_IN = "F12", Request.CREATE, "the firewall lets the guest in"
    TAP_BRIDGED = "F13", Request.CREATE, "the tap is a port of the bridge, and nobody has been told"
    NETWORK_ATTACHED = "F14", Request.CREATE, "the VM has its place on the network"
    SOCKETS_BOUND = "F15", Request.CREATE, "the VMM's sockets listen, and there is no VMM"
    VMM_SPAWNED = "F16", Request.CREATE, "the VMM's process is there, and has said nothing", True
    CONTROL_ANSWERS = "F17", Request.CREATE, "the VMM's control socket answers", True
    VMM_CLAIMED = "F18", Request.CREATE, "the VMM runs, and its pid is not stored", True
    RUNNING_STORED = "F19", Request.CREATE, "`running` is stored with the pid", True
    CONSOLE_ATTACHED = "F20", Request.CREATE, "the serial line is connected", True
    AGENT_ANSWERED = "F21", Request.CREATE, "the agent has said hello", True
    READY_STORED = "F22", Request.CREATE, "`ready` is stored and told", True
    ANSWER_DUE = "F23", Request.CREATE, "the VM is ready, and whoever asked has no answer", True
    START_STORED = "F24", Request.START, "the start of a stopped VM is stored as wanted"
    STOP_STORED = "S1", Request.STOP, "the stop is stored as wanted", True
    STOPPING_STORED = "S2", Request.STOP, "`stopping` is stored", True
    GUEST_ASKED = "S3", Request.STOP, "the guest was asked to power off", True
    VMM_DEAD = "S4", Request.STOP, "the VMM is proven dead"
    GUEST_SHUT_OUT = "S5", Request.STOP, "the firewall lets the guest in no more; its tap is there"
    TAP_GONE = "S6", Request.STOP, "the tap is proven gone"
    SOCKETS_GONE = "S7", Request.STOP, "the folder of sockets is gone"
    STOPPED_STORED = "S8", Request.STOP, "`stopped` is stored, and the rows of what is gone are dropped"
    DELETE_STORED = "D1", Request.DELETE, "the deletion is stored as wanted"
    DESTROYING_STORED = "D2", Request.DELETE, "`destroying` is stored"
    REST_REAPED = "D3", Request.DELETE, "whatever ran or was plugged in is proven gone"
    FILES_REMOVED = "D4", Request.DELETE, "the folders with disks and console are gone"
    VM_FORGOTTEN = "D5", Request.DELETE, "the VM's rows are dropped, and its address is free again"

    def __init__(self, id: str, request: Request, done: str, has_vmm: bool = False) -> None:
        self.id, self.request, self.done = id, request, done
        self.has_vmm = has_vmm
        """Whether a VMM runs here that could be killed."""


class Saboteur(Protocol):
    """Who is told of every place that is passed, and may raise, wait or end the process there."""

    async def passed(self, point: FaultPoint, vm_id: str) -> None: ...
    def passed_in_thread(self, point: FaultPoint, vm_id: str) -> None: ...


_saboteur: Saboteur | None = None


def arm(saboteur: Saboteur | None) -> None:
    """From now on, tell this one; None disarms."""
    global _saboteur
    _saboteur = saboteur


async def passed(point: FaultPoint, vm_id: str = "") -> None:
    """The step before this place is done. `vm_id` where it is known."""
    if _saboteur is not None:
        await _saboteur.passed(point, vm_id)


def passed_in_thread(point: FaultPoint, vm_id: str = "") -> None:
    """The same where code blocks, beside the loop."""
    if _saboteur is not None:
        _saboteur.passed_in_thread(point, vm_id)
