"""What the handlers forward to; `wiring` fills it in with the rooms' objects."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from volant.daemon.ports import Asker, ConsoleHolder, EventHub, EventSink, GuestLink, Store
from volant.proto.api import guest
from volant.proto.api.deployment import (
    CreateDeployment,
    DeleteDeployment,
    DeploymentName,
    DeploymentView,
    ListDeployments,
    ResumeDeployment,
    Revision,
    ScaleDeployment,
    StatusDeployment,
    UndoDeployment,
    UpdateDeployment,
)
from volant.proto.api.event import Selection
from volant.proto.api.plugin import InstallPlugin, InstallProgress, ListPlugins, PluginName, Plugins, PluginView
from volant.proto.api.system import AskLedger, HostFigures, LedgerView, SystemInfo
from volant.proto.api.vm import CreateVm, DeleteVm, ListVms, RestartVm, StartVm, StopVm, VmName, VmView, WaitVm
from volant.proto.api.vm_call import Action, CallVm
from volant.proto.api.vm_config import ConfigDiff, ConfigHistory, DiffConfig, GetConfig, PatchVm, RollbackConfig, VmConfigView
from volant.proto.api.vm_explain import ExplainVm, Timeline
from volant.proto.api.vm_lease import Held, HoldVm, MarkVm, ReleaseVm
from volant.proto.api.vm_logs import WatchLogs
from volant.proto.api.vm_stats import Stats
from volant.proto.api.vm_watch import WatchVms


class Page(Protocol):
    """A page of VMs, each as its encoded view."""

    @property
    def encoded(self) -> tuple[bytes, ...]: ...
    @property
    def total(self) -> int: ...


class Changes(Protocol):
    """Part of what a watcher has to be told."""

    @property
    def encoded(self) -> tuple[bytes, ...]: ...
    @property
    def views(self) -> tuple[VmView, ...]:
        """What is encoded."""

    @property
    def altered(self) -> tuple[dict[str, Any], ...]: ...
    @property
    def gone(self) -> tuple[str, ...]: ...
    @property
    def complete(self) -> bool: ...


class Watch(Protocol):
    """One who watches the list of VMs."""

    async def wait_news(self) -> None: ...
    def take(self, limit: int) -> Changes:
        """What of at most `limit` VMs it has not been told yet."""


class Output(Protocol):
    """The output of one boot of a VM."""

    @property
    def end(self) -> str:
        """How the boot ended, in a sentence; empty while nobody has seen that."""

    def follow(self, order: guest.Logs) -> AsyncGenerator[Any, None]:
        """The lines in plain form, for as long as the boot lasts. AgentMissing, GuestFailed; LaunchFailed when the VM crashed."""


class Outputs(Protocol):
    """The output of many VMs, as it waits for one reader."""

    @property
    def is_over(self) -> bool:
        """Nothing waits, and nothing more comes."""

    async def wait_news(self) -> None: ...
    def take(self) -> Sequence[tuple[Any, Sequence[Any], str]]:
        """Of whom (`id`, `name`, `boot`), their lines in plain form, and why nothing more comes; empty while more may."""


class Vms(Protocol):
    """The orchestrator."""

    async def create(self, asked: CreateVm, *, author: str, origin: str = ...) -> VmView: ...
    async def start(self, asked: StartVm, *, by: Asker | None = ...) -> VmView: ...
    async def stop(self, asked: StopVm, *, by: Asker | None = ...) -> VmView: ...
    async def restart(self, asked: RestartVm, *, by: Asker | None = ...) -> VmView: ...
    async def delete(self, asked: DeleteVm, *, by: Asker | None = ...) -> str: ...
    async def wait(self, asked: WaitVm) -> VmView: ...
    async def wait_ended(self, name: str) -> None:
        """Until nothing of the VM runs, and nothing is about to."""

    def get(self, name: str) -> VmView: ...
    def find(self, asked: ListVms) -> Page: ...
    def watch(self, asked: WatchVms) -> AbstractContextManager[Watch]:
        """What is there now and all that changes while the block runs. InvalidParams for a filter that can't be read."""

    def actions(self, name: str) -> tuple[Action, ...]: ...
    def workload_request(self, asked: CallVm) -> guest.Request: ...
    def link(self, name: str) -> GuestLink:
        """AgentMissing when there is none now."""

    def output(self, name: str) -> Output:
        """That of the boot of this moment."""

    def outputs(self, asked: WatchLogs) -> AbstractAsyncContextManager[Outputs]:
        """What all VMs that match print, while the block runs. InvalidParams for a filter that can't be read."""

    def console(self, name: str) -> ConsoleHolder: ...


class ConfigRoom(Protocol):
    """The versions of the VMs' configs."""

    async def show(self, asked: GetConfig) -> VmConfigView: ...
    async def patch(self, asked: PatchVm, by: Asker) -> VmConfigView: ...
    async def history(self, asked: VmName) -> ConfigHistory: ...
    async def diff(self, asked: DiffConfig) -> ConfigDiff: ...
    async def rollback(self, asked: RollbackConfig, by: Asker) -> VmConfigView: ...


class LeaseRoom(Protocol):
    """Who holds which VM."""

    async def hold(self, asked: HoldVm, by: Asker, tell: Callable[[Held], Awaitable[None]]) -> None:
        """Until the VM is gone or given back; `tell` is called now and after each change."""

    def mark(self, asked: MarkVm) -> None: ...
    async def release(self, asked: ReleaseVm) -> None: ...


class Inspector(Protocol):
    """The ledger beside the host."""

    async def ledger(self, asked: AskLedger) -> LedgerView: ...


class Explainer(Protocol):
    """What became of VMs, and why."""

    async def explain(self, asked: ExplainVm) -> Timeline: ...


class Meter(Protocol):
    """What VMs cost their host."""

    async def read(self, name: str = ...) -> Stats:
        """Of one VM, or of all."""


class HostMeter(Protocol):
    """How busy the host is."""

    def watch(self) -> AsyncGenerator[HostFigures, None]:
        """Now, and whenever it is noticeably otherwise."""


class DeploymentRoom(Protocol):
    """The deployments."""

    async def create(self, asked: CreateDeployment, by: Asker) -> DeploymentView: ...
    async def scale(self, asked: ScaleDeployment, by: Asker) -> DeploymentView: ...
    async def update(self, asked: UpdateDeployment, by: Asker) -> DeploymentView: ...
    async def undo(self, asked: UndoDeployment, by: Asker) -> DeploymentView: ...
    async def pause(self, asked: DeploymentName, by: Asker) -> DeploymentView: ...
    async def resume(self, asked: ResumeDeployment, by: Asker) -> DeploymentView: ...
    async def delete(self, asked: DeleteDeployment, by: Asker) -> None: ...
    def get(self, name: str) -> DeploymentView: ...
    def find(self, asked: ListDeployments) -> tuple[DeploymentView, ...]: ...
    def history(self, name: str) -> tuple[Revision, ...]: ...
    def watch(self, asked: StatusDeployment) -> AsyncGenerator[DeploymentView, None]: ...


class PluginRoom(Protocol):
    """The plugin registry."""

    async def install(self, asked: InstallPlugin, progress: Callable[[InstallProgress], Awaitable[None]]) -> PluginView: ...
    async def list(self, asked: ListPlugins) -> Plugins: ...
    async def show(self, asked: PluginName) -> PluginView: ...
    async def enable(self, asked: PluginName) -> Plugins: ...
    async def disable(self, asked: PluginName) -> Plugins: ...
    async def remove(self, asked: PluginName) -> Plugins: ...


class Follow(Protocol):
    """`fanout.Fanout.follow`."""

    async def __call__(self, sink: EventSink, *, after: int | None, select: Selection) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The daemon's rooms behind the wire."""

    vms: Vms
    leases: LeaseRoom
    configs: ConfigRoom
    inspector: Inspector
    explainer: Explainer
    meter: Meter
    host: HostMeter
    plugins: PluginRoom
    deployments: DeploymentRoom
    store: Store
    hub: EventHub
    follow: Follow
    newest_event: Callable[[], int]
    info: Callable[[], SystemInfo]
