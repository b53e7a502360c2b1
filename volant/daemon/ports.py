"""The seams of the daemon: what the orchestrator needs of each room, as Protocols, and the values that cross them.

`wiring` alone names the classes behind these. Every Protocol with more than one implementation has a conformance kit
in `tests/kits/`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import trio

from volant.proto.api.deployment import Revision
from volant.proto.api.event import Event
from volant.proto.api.vm import CreateVm, DeleteVm, Forward, StopVm, VmView
from volant.proto.method import Method
from volant.proto.specs.states import NetworkMode, VmState, Wanted

P = TypeVar("P")
R = TypeVar("R")

# --------------------------------------------------------------------------------------------------------------- store


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process, for ever: a pid alone is reused, and a reboot starts the numbers anew."""

    pid: int
    start_time: int
    """Field 22 of /proc/PID/stat: clock ticks since boot."""
    boot_id: str
    """/proc/sys/kernel/random/boot_id."""


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


@dataclass(frozen=True, slots=True)
class PutVm:
    record: VmRecord


@dataclass(frozen=True, slots=True)
class DropVm:
    """Removes the VM with its configs and leases; its host objects must be gone already (foreign key)."""

    vm_id: str


@dataclass(frozen=True, slots=True)
class PutConfig:
    record: ConfigRecord


@dataclass(frozen=True, slots=True)
class DropConfig:
    vm_id: str
    version: int


@dataclass(frozen=True, slots=True)
class PutPlugin:
    record: PluginRecord


@dataclass(frozen=True, slots=True)
class DropPlugin:
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class PutDeployment:
    record: DeploymentRecord


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
class PutLease:
    lease: Lease


@dataclass(frozen=True, slots=True)
class DropLease:
    ip: str


@dataclass(frozen=True, slots=True)
class PutObject:
    record: HostObject


@dataclass(frozen=True, slots=True)
class DropObject:
    kind: str
    name: str


Change = (
    PutVm
    | DropVm
    | PutConfig
    | DropConfig
    | PutPlugin
    | DropPlugin
    | PutDeployment
    | DropDeployment
    | PutRevision
    | DropRevision
    | PutLease
    | DropLease
    | PutObject
    | DropObject
    | EventDraft
)


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


# ---------------------------------------------------------------------------------------------------------------- VMs


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


# --------------------------------------------------------------------------------------------------------- hypervisors


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPlan:
    path: Path
    format: str
    """raw or qcow2."""
    readonly: bool
    serial: str
    """At most 20 bytes; how the guest finds it (/sys/block/vdX/serial)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NicPlan:
    mode: NetworkMode
    mac: str
    tap: str = ""
    forwards: tuple[Forward, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """Everything a launcher needs, decided beforehand by a pure function."""

    vm_id: str
    name: str
    runtime_dir: Path
    """The VM's own folder for sockets, short enough for their paths."""
    console_log: Path
    """Where the serial line's bytes are kept from the first one on; appended to."""
    kernel: Path
    initramfs: Path
    cmdline: str
    """At most 2,047 bytes."""
    vcpus: int
    memory_mib: int
    accel: str
    """kvm or tcg."""
    disks: tuple[DiskPlan, ...] = ()
    nic: NicPlan | None = None
    config_blob: bytes = b""
    """What didn't fit the command line; reaches the guest as fw_cfg `opt/org.volant/config`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    pause: bool = True
    snapshot: bool = False
    vfio: bool = False
    adopt: bool = True
    boots_kernel: bool = True
    """Whether a kernel and an initramfs have to be there; the fake needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorFacts:
    """What a launcher found out about itself and the host."""

    name: str
    version: str
    binary: str
    accel: str
    accel_reason: str
    capabilities: Capabilities
    kernel_words: str = ""
    """What a guest's kernel command line must begin with under this launcher and acceleration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitReport:
    """How a VMM ended. `cause`: guest-shutdown, guest-reset, guest-panic, host-signal, killed, error or unknown."""

    cause: str
    exit_code: int | None = None
    """None when the process was not our child."""
    stderr: str = ""


class Vmm(Protocol):
    """One running VMM. Dropping the handle (`release`) leaves the VM running."""

    identity: ProcessIdentity
    command_line: tuple[str, ...]

    async def wait_exited(self) -> ExitReport:
        """Returns once the process is proven dead; any number of callers."""

    async def kill(self) -> ExitReport:
        """SIGKILL, and return once it is proven dead."""

    async def pause(self) -> None: ...
    async def resume(self) -> None: ...
    async def wait_starved(self, starved: bool) -> None:
        """Return once the guest stands still because the host's disk has no space for what it writes, or (False) does so no more.

        It goes on by itself when there is space again, and loses nothing.
        """

    async def open_agent(self) -> trio.abc.Stream:
        """Connect to the agent's byte pipe (one at a time); bytes may be lost until the guest opens its end."""

    async def open_console(self) -> trio.abc.Stream:
        """Connect to the serial line (one at a time). Must be drained always: a full pipe stops the guest."""

    async def release(self) -> None:
        """Close our handles; the VM stays as it is."""

    def stderr_tail(self) -> str:
        """What the VMM last said on stderr, for error reports."""


class Hypervisor(Protocol):
    """Starts and adopts VMMs."""

    @property
    def name(self) -> str:
        """What VM configs call it."""

    async def facts(self) -> HypervisorFacts:
        """Binary, version and acceleration in use; probes on first use (may boot a guest once), cached after. HostShort when missing."""

    async def launch(self, plan: LaunchPlan, *, tap_fd: int | None = None) -> Vmm:
        """Spawn in an own session; returns when the control socket answers. On any failure or cancel the process is proven dead and
        `LaunchFailed` carries stderr and command line. The tap's descriptor is only duplicated into the VMM."""

    async def adopt(self, identity: ProcessIdentity, plan: LaunchPlan) -> Vmm | None:
        """Take over a VMM that an earlier daemon started; None when that very process is gone."""

    async def find(self, plan: LaunchPlan) -> ProcessIdentity | None:
        """The process of this VM, if one runs, found by its marker: for a row without a pid."""

    async def running(self, within: Path) -> Mapping[str, ProcessIdentity]:
        """All its processes whose VMs' runtime folders lie in `within`, found by their marker, by VM id."""

    def sockets(self, plan: LaunchPlan) -> tuple[Path, ...]:
        """Where this VM's VMM listens while it runs."""


# ------------------------------------------------------------------------------------------------------------- network


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What the guest configures."""

    ip: str
    prefix: int
    gateway: str
    mac: str
    dns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPort:
    """A VM's place on the bridge."""

    vm_id: str
    tap: str
    mac: str
    ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPresence:
    """What the room has on the host and in its pool."""

    taps: frozenset[str]
    """Provably ours, by name and alias."""
    guests: frozenset[str]
    """Taps whose guests the firewall lets in."""
    leases: Mapping[str, str]
    """Address to VM id."""


class Network(Protocol):
    """Bridge, taps, pool and firewall. Only `attached` and `prepare` touch the host."""

    async def prepare(self) -> None:
        """Bridge, address, forwarding and firewall table are there; cheap when they are. SubnetTaken, NetworkFailed."""

    def restore(self, leases: tuple[Lease, ...]) -> None:
        """Take the stored leases back into the pool, once, at start."""

    def lease(self, vm_id: str, *, ip: str = "") -> Lease:
        """Reserve an address (the wanted one, or the next free); the caller stores it. HostShort when the pool is empty, AddressTaken."""

    def give_back(self, vm_id: str) -> None: ...
    def address(self, lease: Lease) -> Address: ...
    def user_address(self, vm_id: str) -> Address:
        """What a guest in user mode configures."""

    def choose_forwards(self, wanted: tuple[Forward, ...], held: Mapping[str, tuple[Forward, ...]]) -> tuple[Forward, ...]:
        """Host ports for a VM in user mode: the named ones when they are free, free ones in place of 0. `held`: the forwards of the
        other VMs by VM name. Nothing reserves the ports until the VMM listens. InvalidParams, AddressTaken, NotAllowed, HostShort."""

    def tap_name(self, vm_id: str) -> str:
        """Derived by hash, at most 15 bytes."""

    def attached(self, port: NetPort, *, adopt: bool = False) -> AbstractAsyncContextManager[int | None]:
        """A tap on the bridge with its rules; yields its descriptor (None when adopting: the VMM holds it). Leaving removes rules
        and tap and proves them gone. With `adopt` the tap is there already and only the rules are made sure of."""

    async def sweep(self, keep: frozenset[str]) -> tuple[str, ...]:
        """Remove taps and rules that are provably ours (name and alias) and whose tap's name is not in `keep`; the names removed."""

    async def present(self) -> NetPresence:
        """Look at the host; nothing is found where we may not look. NetworkFailed."""

    async def close(self) -> None: ...


# -------------------------------------------------------------------------------------------------------------- images


@dataclass(frozen=True, slots=True)
class CachedImage:
    """A verified file of the content-addressed cache; never written again."""

    path: Path
    sha256: str
    size: int
    format: str
    """raw, qcow2 or cpio."""
    writable: bool = True
    """False for a raw image whose file system can't be written (squashfs, erofs, iso9660): the VM gets an upper disk."""


Progress = Callable[[int, int], Awaitable[None]]
"""Called with (bytes done, bytes in all; 0 when unknown)."""


class Images(Protocol):
    """Artifacts, kernels, boot files and disks."""

    async def fetch(self, url: str, *, checksum: str, format: str, progress: Progress | None = None) -> CachedImage:
        """http(s), file:// or absolute path into the cache, verified (`sha256:<hex>` or bare hex; empty: not checked, still hashed).
        `format`: raw, qcow2 or cpio; a file that is not that is refused. ImageFailed, HostShort."""

    async def cached(self, sha256: str) -> CachedImage | None: ...
    async def forget(self, sha256: str) -> None:
        """Remove one artifact that nobody uses any more."""

    async def check_workload(self, image: CachedImage, *, entrypoint: str, workdir: str = "", path: str = "") -> None:
        """Refuse an initramfs with neither an /init nor the program to start (sought in `path` as exec does). ImageFailed, HostShort."""

    async def kernel(self, path: str = "") -> Path:
        """The kernel to boot (the PVH vmlinux of a bzImage where that can be had), checked to be one. HostShort, ImageFailed."""

    async def initramfs(self, kernel: str = "", workload: CachedImage | None = None) -> Path:
        """The agent's initramfs for that kernel, with the workload's tree below /workload when given. Built once, then cached."""

    async def root_overlay(self, base: CachedImage, path: Path) -> None:
        """Make a qcow2 copy-on-write overlay at `path` over `base`; an existing one is kept."""

    async def blank_disk(self, path: Path) -> None:
        """Make a sparse, empty ext4 disk at `path`, as upper layer of a read-only root; an existing one is kept."""


# -------------------------------------------------------------------------------------------------------------- events


class EventSink(Protocol):
    """Where encoded events are sent to."""

    async def send_encoded(self, *items: bytes) -> None:
        """Send them in order; waits while the other side reads too slowly."""

    def push_encoded(self, *items: bytes) -> None:
        """Send them in order without waiting. Lagged when the other side is too far behind, ConnectionLost when it is gone."""


class EventHub(Protocol):
    """Hands committed events to whoever listens now."""

    def publish(self, events: tuple[Event, ...]) -> None:
        """Never waits; a listener that is too far behind is cut off."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Events from now on; raises Lagged in the iterator when the subscriber was too slow."""

    def encoded(self, event: Event) -> bytes:
        """The event's wire form, made once and shared by all who send it."""


# ------------------------------------------------------------------------------------------------- consoles and guests


@dataclass(frozen=True, slots=True)
class ConsoleChunk:
    """A piece of a serial line's bytes."""

    offset: int
    """Of the first byte of `data`, counted from the line's first byte ever."""
    data: bytes
    missed: int = 0
    """Bytes before `data` that this reader was too slow (or came too late) for."""


class ConsoleWriter(Protocol):
    """The one writer's place at a serial line."""

    async def send(self, data: bytes) -> None:
        """Type `data`. WriterTaken once somebody took the place, Denied while the VM doesn't run."""

    async def wait_lost(self) -> str:
        """Returns once somebody took the place: who."""


class ConsoleReader(Protocol):
    """One reader of a console: an iterator over what it shows."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> ConsoleChunk: ...

    def finish(self) -> None:
        """Follow no longer: end once everything written so far has been read."""


class ConsoleHolder(Protocol):
    """The serial line of one VM, over all its boots."""

    async def hold(self, stream: trio.abc.Stream) -> None:
        """Drain `stream` until it ends; readers and the writer work meanwhile."""

    def tail(self, lines: int = 20) -> str:
        """The newest lines, made harmless for a terminal."""

    def end(self) -> int:
        """Offset behind the newest byte, counted from the line's first one ever."""

    def lines(self, start: int, end: int) -> tuple[str, ...]:
        """The lines between two offsets as far as they are kept, made harmless for a terminal."""

    def read(self, *, history_bytes: int = ..., from_offset: int | None = None, follow: bool = True) -> ConsoleReader:
        """The newest `history_bytes` (or everything kept from `from_offset`), then, with `follow`, what is added, over all boots,
        until told to finish. Any number of readers, each at its own pace."""

    def writer(self, holder: str, *, force: bool = False) -> AbstractAsyncContextManager[ConsoleWriter]:
        """The one writer's place. WriterTaken names who holds it; `force` takes it from them."""


class Consoles(Protocol):
    """Every VM's console, by VM id."""

    def console(self, vm_id: str, log_path: Path) -> ConsoleHolder:
        """The holder; the same one for the same VM."""

    def forget(self, vm_id: str) -> None:
        """The VM is destroyed: end its readers."""


class GuestCall(Protocol):
    """One call to an agent under way."""

    async def receive(self, channel: int) -> bytes: ...
    async def send(self, channel: int, data: bytes) -> None: ...
    async def end(self, channel: int) -> None: ...
    async def next_item(self) -> Any: ...
    async def result(self) -> Any: ...


class GuestLink(Protocol):
    """One attached agent channel."""

    version: str

    async def attach(self) -> None:
        """Returns once the agent has answered; waits as long as it takes. ConnectionLost when the pipe ends first."""

    async def run(self) -> None:
        """Route messages until the pipe ends; ProtocolFault when the guest broke the rules."""

    async def call(self, method: Method[P, R], params: P) -> R: ...
    def open(self, method: Method[P, Any], params: P) -> AbstractAsyncContextManager[GuestCall]: ...
    async def aclose(self) -> None: ...


LinkOver = Callable[[trio.abc.Stream], GuestLink]
"""Makes a link over a connected pipe."""


# ------------------------------------------------------------------------------------------------------------- plugins


class Catalog(Protocol):
    """The installed plugins, as the orchestrator needs them."""

    def record(self, name: str, version: str = "") -> PluginRecord:
        """One version, enabled or not; the newest when none is named. NoSuchPlugin."""

    def usable(self, name: str, version: str = "") -> PluginRecord:
        """The version for a new VM: the named one, else the newest that is enabled. NoSuchPlugin, PluginDisabled."""
