"""Calls about the daemon and its host."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from volant.proto import errors
from volant.proto.method import Http, Method, Noun, Shape

NOUN = Noun("system")


@dataclass(frozen=True, slots=True)
class Nothing:
    """No parameters; as a result: there is none, since only the caller ends the call."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The daemon's clock, RFC 3339 in UTC."""

    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HypervisorInfo:
    name: str
    version: str
    binary: str
    accel: str
    """`kvm`, `tcg`, `none` for the fake; empty while the probe is under way."""
    accel_reason: str
    """How that was found, one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInfo:
    default_mode: str
    bridge: str
    subnet: str
    gateway: str
    leases: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemInfo:
    version: str
    protocol: tuple[int, int]
    pid: int
    started_at: str
    hostname: str
    host_cpus: int
    host_memory_mib: int
    host_memory_available_mib: int
    state_dir: str
    runtime_dir: str
    socket: str
    kernel: str
    hypervisors: tuple[HypervisorInfo, ...]
    network: NetworkInfo
    vms: dict[str, int]
    """How many VMs are in each state."""
    plugins: int
    event_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFigures:
    """How busy the host is. A watcher is told anew only when a figure is noticeably another: nothing is sent while nothing happens."""

    cpu_percent: int
    """Of all its CPUs together, by whatever runs on it, over the last seconds."""
    memory_mib: int
    memory_available_mib: int
    """What may be taken without swapping."""
    deployments: dict[str, int]
    """How many deployments are in each state."""


MAX_ENTRIES = 10_000
"""Ledger entries in one answer: about 2 MiB, half of a frame, and what a thousand VMs have. What is wrong comes first."""


class Standing(StrEnum):
    """What became of comparing a row of the ledger with the host."""

    OK = "ok"
    MISSING = "missing"
    """The row is there, the object is not."""
    UNOWNED = "unowned"
    """The object is there and is Volant's by place, name or mark, and no row has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLedger:
    """Every host object and whose it is."""

    check: bool = False
    """Compare with what the host has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One object on the host."""

    kind: str
    """process, tap, firewall, folder, disk, socket or lease."""
    name: str
    """Unique within its kind: a VM's id, an interface, a path, an address. A firewall entry is named by its tap."""
    vm: str
    """Name of the VM that owns it; empty for none."""
    vm_id: str
    standing: Standing | None
    """Null when nothing was compared."""
    detail: str = ""
    """What to know or do, one sentence; empty where there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerView:
    """What is wrong first, then by VM, kind and name."""

    items: tuple[LedgerEntry, ...]
    total: int
    """Of all entries; more than `items` only beyond MAX_ENTRIES."""
    wrong: int
    """How many are not `ok`; 0 when nothing was compared."""
    checked: bool


PING = NOUN.add(Method("system.ping", Nothing, Pong, "see whether the daemon answers", http=Http("GET", "/system/ping")))
INFO = NOUN.add(Method("system.info", Nothing, SystemInfo, "what the daemon is and has", http=Http("GET", "/system/info")))
WATCH = NOUN.add(
    Method(
        "system.watch", Nothing, Nothing, "how busy the host is, told when that changes",
        http=Http("GET", "/system/watch"), shape=Shape.STREAM, item=HostFigures,
    )
)  # fmt: skip
LEDGER = NOUN.add(
    Method(
        "system.ledger", AskLedger, LedgerView, "list every host object and its owner",
        faults=(errors.NetworkFailed, errors.StoreFailed), http=Http("GET", "/system/ledger"),
    )
)  # fmt: skip
