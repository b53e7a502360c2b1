"""The VMs, as other rooms of the daemon act on them; and the plugins, as the VMs need them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from volant.daemon.ports.records import PluginRecord, VmRecord
from volant.proto.api.vm import CreateVm, DeleteVm, StopVm, VmView


@dataclass(frozen=True, slots=True)
class ReplicaOf:
    """Whose replica a VM is, and what it was made of."""

    deployment: str
    revision: int


class Fleet(Protocol):
    """The VMs of the host, as deployments need them."""

    def records(self) -> Iterable[VmRecord]: ...
    def check(self, asked: CreateVm) -> str:
        """The version of the plugin that this VM would get. Refuses what `create` would, as far as it doesn't hang on the host's
        present state: NoSuchPlugin, PluginDisabled, InvalidParams."""

    async def create(self, asked: CreateVm, *, author: str, replica_of: ReplicaOf | None = None) -> VmView: ...
    async def stop(self, asked: StopVm) -> VmView: ...
    async def delete(self, asked: DeleteVm) -> str:
        """What whoever deleted it should know; empty for nothing."""


class Catalog(Protocol):
    """The installed plugins, as the orchestrator needs them."""

    def record(self, name: str, version: str = "") -> PluginRecord:
        """One version, enabled or not; the newest when none is named. NoSuchPlugin."""

    async def wait_settled(self, name: str) -> None:
        """Until no version of that plugin is being replaced or removed. Whoever goes on without waiting and is a user of what `usable`
        then says makes that one stay."""

    def usable(self, name: str, version: str = "") -> PluginRecord:
        """The version for a new VM: the named one, else the newest that is enabled. NoSuchPlugin, PluginDisabled."""
