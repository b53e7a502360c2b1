"""Calls about VMs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from volant.proto import errors
from volant.proto.method import Channel, Http, Method, Noun, Shape
from volant.proto.specs.leases import NewLease, VmLease
from volant.proto.specs.states import BootMode, NetworkMode, VmState, WaitFor, Wanted

NOUN = Noun("vm")

MAX_PAGE = 1_000
"""Most VMs in one page: about 700 KiB of records, well inside a 4 MiB frame."""

STDIN, STDOUT, STDERR = 0, 1, 2
"""Channel numbers of byte-stream calls: what flows in, what flows out, and exec's stderr."""
IN = Channel(STDIN, "in", to_callee=True)
OUT = Channel(STDOUT, "out", to_callee=False)
ERR = Channel(STDERR, "err", to_callee=False)


@dataclass(frozen=True, slots=True)
class Forward:
    """Host port to guest port in network mode `user`; `host_port` 0 lets the daemon choose."""

    guest_port: int
    host_port: int = 0
    protocol: str = "tcp"
    host_ip: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class VmView:
    """One VM as its users see it. Times are RFC 3339 in UTC, or empty."""

    id: str
    name: str
    plugin: str
    plugin_version: str
    runtime: str
    status: VmState
    wanted: Wanted
    generation: int
    """Grows with each change of this record; a watcher asks for what is newer."""
    wanted_generation: int
    """Grows with each change of what is wanted."""
    boot: int
    """Counts the VM's starts, so that a client notices a replaced instance."""
    cpu_cores: int
    memory_mb: int
    network: NetworkMode
    ip: str
    mac: str
    forwards: tuple[Forward, ...]
    hypervisor: str
    accel: str
    pid: int
    health: str
    """`unknown`, `healthy` or `unhealthy`, as the agent last said."""
    reason: str
    """Why it is in this state, one sentence; empty where the state says it all."""
    error: dict[str, Any] | None
    """The wire form of the fault behind `failed` and `crashed`."""
    labels: dict[str, str]
    created_at: str
    started_at: str
    ready_at: str
    stopped_at: str
    ready_ms: int
    """From the start request to ready, of the last start; 0 when not ready yet."""
    config_version: int = 1
    """The newest version of its config, which the next start uses."""
    pending_changes: tuple[str, ...] = ()
    """Fields of the config that wait for a restart of the running VM, as `memory_mb` or `env.COLOUR`."""
    deployment: str = ""
    """The deployment that it is a replica of; empty for none."""
    revision: int = 0
    """The deployment's revision that it was made of."""
    restart: str = "no"
    """Whether it is started again by itself when it has ended: `no`, `always` or `on-failure:N`."""
    autostart: bool = False
    """Whether it is started again after the host was, if it was wanted running; `always` implies it."""
    restarts: int = 0
    """Starts by its policy since somebody last started it, or since it last ran well; the one that is waited for counts."""
    next_try_at: str = ""
    """When its policy starts it again; empty when no start is waited for."""
    exit_code: int | None = None
    """Of the workload that ended in the latest boot, as a shell says it: 128 + signal when killed by one. Null: it has not."""
    exit_signal: int = 0
    """What killed it; 0 when it exited by itself."""
    lease: VmLease | None = None
    """Who runs it; null when nobody ever held it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVm:
    """Make a VM of an installed plugin, and start it unless told otherwise."""

    name: str
    plugin: str
    version: str = ""
    """Empty: the newest enabled version."""
    cpu_cores: int | None = None
    memory_mb: int | None = None
    network: NetworkMode | None = None
    """Empty: the manifest's mode, else the daemon's default."""
    ip: str = ""
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    kernel: str = ""
    """Path of another kernel on the host than the daemon's."""
    cmdline: str = ""
    """Extra words for the kernel command line."""
    boot: BootMode = BootMode.AUTO
    forwards: tuple[Forward, ...] = ()
    restart: str = ""
    """`no`, `always`, `on-failure` or `on-failure:N`; empty: the manifest's policy, else `no`."""
    autostart: bool = False
    """Start it again after the host was restarted, if it was wanted running; `always` implies it."""
    lease: NewLease | None = None
    """Whoever makes it holds it from the first moment on; `vm.hold` goes on from there."""
    start: bool = True
    wait: WaitFor | None = None
    timeout_ms: int = 120_000
    dry_run: bool = False
    """Check and plan everything, change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmName:
    """One VM by its name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListVms:
    """A page of VMs."""

    status: tuple[VmState, ...] = ()
    plugin: str = ""
    deployment: str = ""
    text: str = ""
    """Substring of name, plugin, address or a label, in any case."""
    filter: str = ""
    """An expression of the filter language (`specs.filter`), with the fields of `VM_FIELDS`."""
    sort: str = "name"
    """name, status, plugin, created, ip, cpu or memory; a leading `-` turns the order round."""
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class VmPage:
    """`items` from `offset`, of `total` that match; `seq` is the last event's number, to follow from."""

    items: tuple[VmView, ...]
    total: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartVm:
    name: str
    wait: WaitFor | None = None
    timeout_ms: int = 120_000
    lease_token: int = 0
    """Refused (Fenced) unless this is the token of the VM's lease now; 0: whoever holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopVm:
    """Ask the guest to power off, and kill it when it has not after the grace."""

    name: str
    grace_ms: int = 10_000
    force: bool = False
    """Skip the asking; death is proven all the same."""
    wait: bool = True
    timeout_ms: int = 60_000
    lease_token: int = 0
    """Refused (Fenced) unless this is the token of the VM's lease now; 0: whoever holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartVm:
    name: str
    grace_ms: int = 10_000
    force: bool = False
    wait: WaitFor | None = None
    timeout_ms: int = 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteVm:
    """Destroy the VM and everything it had, its disks included."""

    name: str
    force: bool = False
    """Also when it runs: kill it first."""
    timeout_ms: int = 60_000
    lease_token: int = 0
    """Refused (Fenced) unless this is the token of the VM's lease now; 0: whoever holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitVm:
    name: str
    until: WaitFor
    timeout_ms: int = 120_000


@dataclass(frozen=True, slots=True)
class Done:
    """It is done."""

    name: str = ""
    note: str = ""
    """What whoever asked should know; empty for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecVm:
    """Run a program in the guest's workload tree. Items: one `ExecStarted`."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = ""
    user: str = ""
    tty: bool = False
    rows: int = 24
    cols: int = 80
    timeout_ms: int = 0
    """0: no limit."""


@dataclass(frozen=True, slots=True)
class ExecStarted:
    exec_id: int
    pid: int


@dataclass(frozen=True, slots=True)
class ExecResult:
    """`exit_code` as a shell would say it: 128 + signal when killed by one."""

    exit_code: int
    signal: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalExec:
    """Send a signal (by number) to a running exec's process group, or tell it the terminal's new size."""

    name: str
    exec_id: int
    signal: int = 0
    rows: int = 0
    cols: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyIn:
    """Write a tar stream, read from channel `in`, below `path` in the guest's workload tree."""

    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyOut:
    """Read a file or folder of the guest as a tar stream on channel `out`."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Copied:
    files: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsVm:
    """The workload's output, oldest first."""

    name: str
    tail: int = 200
    """How many of the newest lines to begin with; -1 is all that is kept."""
    since: str = ""
    """RFC 3339 instant; only lines after it."""
    after: int = 0
    """Only lines with a greater number; those of an agent that does not know this come all the same."""
    follow: bool = False
    """Go on for as long as this boot lasts. The note of the result says how it ended, LaunchFailed when the VM crashed."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """`stream` is stdout, stderr or agent. `seq` grows by one a line; a gap tells of lines no longer kept."""

    seq: int
    time: str
    stream: str
    text: str


LOOKUP = (errors.NoSuchVm, errors.InvalidParams)
AGENT = (*LOOKUP, errors.AgentMissing, errors.GuestFailed, errors.Denied)

CREATE = NOUN.add(
    Method(
        "vm.create", CreateVm, VmView, "make a VM of a plugin and start it",
        faults=(errors.InvalidParams, errors.NameTaken, errors.NoSuchPlugin, errors.PluginDisabled, errors.HostShort,
                errors.LaunchFailed, errors.ImageFailed, errors.AddressTaken, errors.Timeout),
        http=Http("POST", "/vms"), changes=True,
    )
)  # fmt: skip
LIST = NOUN.add(Method("vm.list", ListVms, VmPage, "list VMs", faults=(errors.InvalidParams,), http=Http("GET", "/vms")))
GET = NOUN.add(Method("vm.get", VmName, VmView, "show one VM", faults=LOOKUP, http=Http("GET", "/vms/{name}")))
START = NOUN.add(
    Method("vm.start", StartVm, VmView, "start a VM", faults=(*LOOKUP, errors.Denied, errors.Fenced, errors.LaunchFailed, errors.Timeout),
           http=Http("POST", "/vms/{name}/start"), changes=True)
)  # fmt: skip
STOP = NOUN.add(
    Method("vm.stop", StopVm, VmView, "stop a VM: ask, wait, then kill", faults=(*LOOKUP, errors.Denied, errors.Fenced, errors.Timeout),
           http=Http("POST", "/vms/{name}/stop"), changes=True)
)  # fmt: skip
RESTART = NOUN.add(
    Method("vm.restart", RestartVm, VmView, "stop and start a VM", faults=(*LOOKUP, errors.Denied, errors.LaunchFailed, errors.Timeout),
           http=Http("POST", "/vms/{name}/restart"), changes=True)
)  # fmt: skip
DELETE = NOUN.add(
    Method("vm.delete", DeleteVm, Done, "destroy a VM and all it had", faults=(*LOOKUP, errors.Denied, errors.Fenced, errors.Timeout),
           http=Http("DELETE", "/vms/{name}"), changes=True)
)  # fmt: skip
WAIT = NOUN.add(
    Method("vm.wait", WaitVm, VmView, "wait for a VM's state", faults=(*LOOKUP, errors.Timeout, errors.LaunchFailed),
           http=Http("POST", "/vms/{name}/wait"))
)  # fmt: skip
EXEC = NOUN.add(
    Method("vm.exec", ExecVm, ExecResult, "run a program in a VM", faults=(*AGENT, errors.Timeout),
           shape=Shape.BYTES, item=ExecStarted, channels=(IN, OUT, ERR), changes=True)
)  # fmt: skip
SIGNAL = NOUN.add(Method("vm.signal", SignalExec, Done, "send a signal or a terminal size to an exec", faults=AGENT, changes=True))
COPY_IN = NOUN.add(
    Method("vm.copy_in", CopyIn, Copied, "copy files into a VM", faults=(*AGENT, errors.NoSuchFile),
           shape=Shape.BYTES, channels=(IN,), changes=True)
)  # fmt: skip
COPY_OUT = NOUN.add(
    Method(
        "vm.copy_out", CopyOut, Copied, "copy files out of a VM", faults=(*AGENT, errors.NoSuchFile),
        shape=Shape.BYTES, channels=(OUT,), private=True,
    )
)  # fmt: skip
LOGS = NOUN.add(
    Method("vm.logs", LogsVm, Done, "the workload's output", faults=(*AGENT, errors.LaunchFailed), http=Http("GET", "/vms/{name}/logs"),
           shape=Shape.STREAM, item=LogLine)
)  # fmt: skip
