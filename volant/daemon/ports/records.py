"""What the store keeps, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from volant.proto.api.vm import Forward
from volant.proto.specs.leases import VmLease
from volant.proto.specs.states import VmState, Wanted


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, for ever: a pid alone is reused, and a reboot starts the numbers anew."""

    pid: int
    start_time: int
    """Field 22 of /proc/PID/stat: clock ticks since boot."""
    boot_id: str
    """/proc/sys/kernel/random/boot_id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """The starts that a VM's policy made since somebody last started it. Times are seconds since 1970, 0 for none."""

    count: int = 0
    """Those since it last ran well; the one that is waited for counts."""
    window_began: float = 0.0
    window_count: int = 0
    """Those since `window_began`, which `on-failure` limits."""
    next_at: float = 0.0
    """When the next one is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRecord:
    """One VM as the store keeps it. Wanted and actual are apart, each with a generation."""

    id: str
    """12 lower-case hex digits, never reused."""
    name: str
    plugin: str
    plugin_version: str
    config_version: int
    wanted: Wanted
    wanted_generation: int
    state: VmState
    generation: int
    boot: int = 0
    process: ProcessIdentity | None = None
    ip: str = ""
    mac: str = ""
    tap: str = ""
    forwards: tuple[Forward, ...] = ()
    """User mode's forwards with the host ports in force."""
    hypervisor: str = ""
    accel: str = ""
    health: str = "unknown"
    reason: str = ""
    error: dict[str, Any] | None = None
    created_at: str = ""
    started_at: str = ""
    ready_at: str = ""
    stopped_at: str = ""
    ready_ms: int = 0
    deployment: str = ""
    """Name of the deployment that it is a replica of; empty for none."""
    revision: int = 0
    """The deployment's revision that it was made of."""
    booted_config: int = 0
    """The version of its config that its latest boot was started with; 0 before the first."""
    exit_code: int | None = None
    """Of the workload that ended in the latest boot; None: it has not, or nobody knows."""
    exit_signal: int = 0
    lease: VmLease | None = None
    """The latest one; its token is never given to another holder."""
    retries: Retries = Retries()
    host_boot: str = ""
    """The host's boot id when the VM was last started."""
    unreadable: tuple[str, ...] = ()
    """What of its row made no sense, a clause each; never stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRecord:
    """One version of a VM's config; `config` is the plain form of `specs.vmconfig.VmConfig`."""

    vm_id: str
    version: int
    config: dict[str, Any]
    created_at: str
    author: str
    """Who made the change, as `uid:0(root)`."""
    origin: str = ""
    """From where, as `pid 4711 (volant)`."""
    note: str = ""
    """How it came about, as `created` or `rolled back to 2`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRecord:
    name: str
    version: str
    manifest: dict[str, Any]
    enabled: bool
    artifacts: dict[str, str]
    installed_at: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRecord:
    """What is wanted of a deployment. What it has is found by looking at its VMs, so nothing of that is kept."""

    name: str
    replicas: int
    max_unavailable: int
    min_ready_ms: int
    paused: bool
    deleting: bool
    """Its VMs go, then this record."""
    revision: int
    rolling_revision: int
    """The revision that replicas are made of; `revision` but while paused."""
    generation: int
    created_at: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a change, and from where."""

    author: str
    """As `uid:0(root)`."""
    origin: str = ""
    """As `pid 4711 (volant)`; empty where it is not known."""

    def __str__(self) -> str:
        return f"{self.author}, {self.origin}" if self.origin else self.author


@dataclass(frozen=True, slots=True)
class Lease:
    """An address that belongs to a VM from create to destroy."""

    ip: str
    vm_id: str
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostObject:
    """Ledger row: one object on the host and its owner; written before the object is made, dropped after it is proven gone."""

    kind: str
    """process, tap, firewall, disk, folder, socket, lease."""
    name: str
    """Unique within its kind: a path, an interface name, a VM id."""
    vm_id: str
    """Owner; empty for the daemon itself."""
    detail: dict[str, Any] = field(default_factory=dict)
    created_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """An event before the store has numbered it."""

    kind: str
    vm: str = ""
    vm_id: str = ""
    message: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    deployment: str = ""
    """The deployment that it is about, or whose replica it is about."""
