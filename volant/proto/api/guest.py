"""Calls that the daemon makes to the agent in a guest; same wire, spoken over whatever byte pipe the VM offers."""

from __future__ import annotations

from dataclasses import dataclass, field

from volant.proto.api.vm import Copied, Done, ExecResult, ExecStarted, LogLine
from volant.proto.api.vm_call import HttpHead
from volant.proto.method import Channel, Method, Noun, Shape

NOUN = Noun("guest")

_IN = Channel(0, "in", to_callee=True)
_OUT = Channel(1, "out", to_callee=False)
_ERR = Channel(2, "err", to_callee=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Tell the guest's state now and at each change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestStatus:
    """What the agent knows of itself and its workload.

    `phase`: booting, starting (workload spawned), ready, unhealthy (was ready), exited (the workload ended),
    failed (could not be started, or never got healthy).
    """

    phase: str
    health: str = "unknown"
    message: str = ""
    """One sentence for `failed`, `exited` and `unhealthy`."""
    exit_code: int | None = None
    """Of a workload that ended, as a shell says it: 128 + signal when killed by one; 126 and 127 when it could not be started."""
    signal: int = 0
    """What killed the workload; 0 when it exited by itself, or lives."""
    boot_id: str = ""
    uptime_ms: int = 0
    timings: dict[str, int] = field(default_factory=dict)
    """Milliseconds since the kernel started at which a step was reached: init, modules, mounts, network, agent, workload, ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """Identity and clock that the host hands over at each attach; `time_ns` is UTC nanoseconds since 1970."""

    time_ns: int
    entropy: bytes = b""
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestInfo:
    version: str
    kernel: str
    hostname: str
    boot: str
    addresses: tuple[str, ...]
    memory_total_mib: int
    memory_available_mib: int
    workload_pid: int
    uptime_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request to the workload's `base_url`; body on `in`, response body on `out` after an `HttpHead` item."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    timeout_ms: int = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = ""
    user: str = ""
    tty: bool = False
    rows: int = 24
    cols: int = 80
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    exec_id: int
    signal: int = 0
    rows: int = 0
    cols: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestPath:
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    tail: int = 200
    since: str = ""
    after: int = 0
    """Only lines with a greater number."""
    follow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """Stop the workload (SIGTERM, then SIGKILL after `grace_ms`), sync, unmount, and power off or reboot."""

    grace_ms: int = 5_000
    reboot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Of a terminal, in characters."""

    rows: int
    cols: int


WATCH = NOUN.add(Method("guest.watch", Watch, Done, "the guest's state and its changes", shape=Shape.STREAM, item=GuestStatus))
SYNC = NOUN.add(Method("guest.sync", Sync, Done, "hand over clock, entropy and hostname"))
INFO = NOUN.add(Method("guest.info", Watch, GuestInfo, "what the guest is"))
HTTP = NOUN.add(
    Method("guest.http", Request, Done, "an HTTP request to the workload", shape=Shape.BYTES, item=HttpHead, channels=(_IN, _OUT))
)
EXEC = NOUN.add(Method("guest.exec", Exec, ExecResult, "run a program", shape=Shape.BYTES, item=ExecStarted, channels=(_IN, _OUT, _ERR)))
SIGNAL = NOUN.add(Method("guest.signal", Signal, Done, "signal or resize an exec"))
COPY_IN = NOUN.add(Method("guest.copy_in", GuestPath, Copied, "unpack a tar stream", shape=Shape.BYTES, channels=(_IN,)))
COPY_OUT = NOUN.add(
    Method("guest.copy_out", GuestPath, Copied, "pack a file or folder as a tar stream", shape=Shape.BYTES, channels=(_OUT,))
)
LOGS = NOUN.add(Method("guest.logs", Logs, Done, "the workload's output", shape=Shape.STREAM, item=LogLine))
SHUTDOWN = NOUN.add(Method("guest.shutdown", Shutdown, Done, "power off"))
CONSOLE_RESIZE = NOUN.add(Method("guest.console_resize", Size, Done, "set the size of the console"))
