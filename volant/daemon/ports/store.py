"""Durable memory: the changes it takes, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from volant.daemon.ports.records import ConfigRecord, DeploymentRecord, EventDraft, HostObject, Lease, PluginRecord, VmRecord
from volant.proto.api.deployment import Revision
from volant.proto.api.event import Event


@dataclass(frozen=True, slots=True)
class Put:
    """Stores a record in place of the one with its key. What is another VM's (name, address, host object) is refused, and so is a config
    version that is there already."""

    record: VmRecord | ConfigRecord | PluginRecord | DeploymentRecord | Lease | HostObject


@dataclass(frozen=True, slots=True)
class DropVm:
    """Removes the VM with its configs and leases; its host objects must be gone already (foreign key)."""

    vm_id: str


@dataclass(frozen=True, slots=True)
class DropConfig:
    vm_id: str
    version: int


@dataclass(frozen=True, slots=True)
class DropPlugin:
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class DropDeployment:
    """Removes the deployment with its revisions; its VMs must be gone already (foreign key)."""

    name: str


@dataclass(frozen=True, slots=True)
class PutRevision:
    """History is never rewritten: a revision that is there already is refused."""

    deployment: str
    record: Revision


@dataclass(frozen=True, slots=True)
class DropRevision:
    deployment: str
    revision: int


@dataclass(frozen=True, slots=True)
class DropLease:
    ip: str


@dataclass(frozen=True, slots=True)
class DropObject:
    kind: str
    name: str


Change = Put | DropVm | DropConfig | DropPlugin | DropDeployment | PutRevision | DropRevision | DropLease | DropObject | EventDraft


class Store(Protocol):
    """Durable memory. `commit` is atomic and durable (fsync) when it returns; it is not cancellable once queued."""

    async def commit(self, *changes: Change) -> tuple[Event, ...]:
        """Apply all or nothing; the numbered events among them, in order. Published to `EventHub` by the store's caller."""

    async def vms(self) -> tuple[VmRecord, ...]: ...
    async def configs(self, vm_id: str) -> tuple[ConfigRecord, ...]:
        """Oldest first."""

    async def latest_configs(self) -> dict[str, ConfigRecord]:
        """The newest config of every VM, by VM id."""

    async def plugins(self) -> tuple[PluginRecord, ...]: ...
    async def deployments(self) -> tuple[DeploymentRecord, ...]: ...
    async def revisions(self) -> dict[str, tuple[Revision, ...]]:
        """Every deployment's, oldest first, by its name."""

    async def leases(self) -> tuple[Lease, ...]: ...
    async def objects(self) -> tuple[HostObject, ...]: ...
    async def events(
        self, *, after: int, limit: int, vm: str = "", kinds: tuple[str, ...] = (), deployment: str = "", last: int = 0
    ) -> tuple[Event, ...]: ...
    async def event_range(self) -> tuple[int, int]:
        """(oldest kept, newest); (0, 0) when there are none. Newest never falls, even when events are pruned."""

    async def trim_events(self, *, keep: int, since: str = "") -> int:
        """Forget all but the newest `keep`, and those from before `since` (RFC 3339, UTC) where it is given; how many went."""


class Journal(Protocol):
    """The store and the hub as one: what is committed is told at once, and in order."""

    @property
    def store(self) -> Store: ...
    async def commit(self, *changes: Change) -> tuple[Event, ...]:
        """Apply all or nothing. Shielded: an accepted change is also told, whoever stops waiting for it."""
