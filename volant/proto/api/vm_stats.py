"""Calls about what VMs cost their host. They belong to the noun `vm`."""

from __future__ import annotations

from dataclasses import dataclass

from volant.proto import errors
from volant.proto.api.vm import NOUN, Done
from volant.proto.method import Http, Method, Shape

MAX_STATS = 10_000
"""VMs in one answer: about 1.5 MiB, well inside a frame, and more than a host runs."""
MIN_EVERY_MS, MAX_EVERY_MS = 250, 3_600_000
"""How often a watcher may be told: processes' times grow in steps of 10 ms, so what is measured over less says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskStats:
    """`name`: that VM alone; empty: all."""

    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStats:
    """The same again and again, until the caller cancels."""

    name: str = ""
    every_ms: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VmStats:
    """One VM's VMM process: guest, devices and overhead together, as the kernel accounts for them."""

    id: str
    name: str
    boot: int
    """The VM's start that this belongs to: the figures begin anew with the next one."""
    cpu_ns: int
    """Time that its threads have run since its start, in steps of a clock tick (10 ms): two readings and their times give a share."""
    memory_bytes: int
    """Resident memory: what the guest has touched and the VMM needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What was read at one moment. VMs without a process are missing."""

    at_ns: int
    """The host's monotonic clock."""
    items: tuple[VmStats, ...]


STATS = NOUN.add(Method("vm.stats", AskStats, Stats, "what VMs cost the host", faults=(errors.NoSuchVm,), http=Http("GET", "/vms/stats")))
STATS_WATCH = NOUN.add(
    Method(
        "vm.stats_watch", WatchStats, Done, "what VMs cost the host, again and again", faults=(errors.NoSuchVm, errors.InvalidParams),
        http=Http("GET", "/vms/stats/watch"), shape=Shape.STREAM, item=Stats,
    )
)  # fmt: skip
