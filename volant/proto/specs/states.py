"""The words for what a VM is doing and should be doing (DESIGN.md section 4)."""

from __future__ import annotations

from enum import StrEnum


class VmState(StrEnum):
    """What a VM is doing, as last seen."""

    PENDING = "pending"
    """Stored; nothing on the host yet."""
    STARTING = "starting"
    """Host objects are being made."""
    RUNNING = "running"
    """The VMM runs; the agent has not said ready."""
    READY = "ready"
    """The agent said so, and the health check passed where there is one."""
    PAUSED = "paused"
    """The vCPUs stand still."""
    STOPPING = "stopping"
    """The guest was asked to power off."""
    STOPPED = "stopped"
    """Nothing runs; the root disk is kept."""
    CRASHED = "crashed"
    """The VMM ended unasked."""
    FAILED = "failed"
    """A start gave up; the error says why."""
    DESTROYING = "destroying"
    """On the way out; what it had is being removed."""

    @property
    def is_live(self) -> bool:
        """A VMM process may exist."""
        return self in _LIVE

    @property
    def is_settled(self) -> bool:
        """Nothing happens until somebody asks or the guest acts."""
        return self in _SETTLED


_LIVE = frozenset({VmState.STARTING, VmState.RUNNING, VmState.READY, VmState.PAUSED, VmState.STOPPING})
_SETTLED = frozenset({VmState.READY, VmState.PAUSED, VmState.STOPPED, VmState.CRASHED, VmState.FAILED})


class Wanted(StrEnum):
    """What the user wants of a VM."""

    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    DESTROYED = "destroyed"


class WaitFor(StrEnum):
    """Conditions that `wait` knows."""

    RUNNING = "running"
    READY = "ready"
    STOPPED = "stopped"
    DELETED = "deleted"


class DeploymentStatus(StrEnum):
    """How far a deployment is."""

    READY = "ready"
    """Every replica is there, available and up to date."""
    PROGRESSING = "progressing"
    """On the way there."""
    PAUSED = "paused"
    """Every replica is available, and an update waits until the deployment is resumed."""
    DEGRADED = "degraded"
    """Something fails, and is tried again later."""
    DELETING = "deleting"
    """Its VMs are being deleted, then it is gone."""


class NetworkMode(StrEnum):
    """How a VM reaches the world."""

    BRIDGED = "bridged"
    """A tap on the bridge, with an address from the pool, behind NAT."""
    USER = "user"
    """Rootless: the VMM's own user-mode stack, forwards on loopback."""
    NONE = "none"
    """No NIC; the agent channel only."""
    VSOCK = "vsock"
    """No NIC; the agent channel only (name kept from the original)."""
    DHCP = "dhcp"
    """A tap on the bridge; the guest asks a DHCP server."""


class BootMode(StrEnum):
    """Where the workload's files come from (`volant.boot` on the kernel command line)."""

    AUTO = "auto"
    INITRAMFS = "initramfs"
    ROOTFS = "rootfs"
