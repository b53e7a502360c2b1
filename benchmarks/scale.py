"""The daemon with 1,000 VMs: a real volantd process with its store, the fake launcher, no network.

Everything but the guests is real, so this is what Volant itself adds to a VM, and whether that grows with their number.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks._daemons import PLUGIN, start_fake
from benchmarks.result import Result, at_most
from tests.rig import rig
from volant.client.blocking import Client
from volant.proto.specs.states import WaitFor

VMS = 1_000
EDGE = 100
"""VMs at either end whose rate of creation is compared."""
LISTS = 25

CREATE_GOAL_MS, RATE_GOAL = 15.0, 0.9
LIST_DAEMON_GOAL_MS, LIST_CLIENT_GOAL_MS = 5.0, 40.0
MEMORY_GOAL_MIB = 120.0


def run() -> list[Result]:
    """Five lines: creating, whether it stays as fast, listing in the daemon and at a client, and memory.

    The last hundred VMs of one daemon and the first hundred of another are made in turns, so that what else the host does slows both,
    and their rates are those of the median VM.
    """
    with rig(hypervisor="fake", network="none") as crowded, rig(hypervisor="fake", network="none") as fresh:
        daemon, client = start_fake(crowded)
        empty = _memory_mib(daemon)
        made = [_create(client, number) for number in range(VMS - EDGE)]
        _, other = start_fake(fresh)
        last, first = zip(*((_create(client, VMS - EDGE + number), _create(other, number)) for number in range(EDGE)), strict=True)
        full = _memory_mib(daemon)
        in_daemon, at_client, plain = _lists(client, daemon)
        client.close()
        other.close()
    late, early = 1_000 / median(last), 1_000 / median(first)
    return [
        at_most("create --wait ready, p50, SDK, fake", median([*made, *last]), "ms", CREATE_GOAL_MS),
        Result(
            f"rate of creation, last {EDGE} of {VMS:,}", late, "/s", f"first {EDGE}", early, late / early, f">= {RATE_GOAL:g}x",
            late / early >= RATE_GOAL,
        ),
        at_most(f"list of {VMS:,}, CPU time of the daemon", in_daemon, "ms", LIST_DAEMON_GOAL_MS),
        at_most(f"list of {VMS:,}, typed client", at_client, "ms", LIST_CLIENT_GOAL_MS, peer_name="untyped", peer=plain),
        at_most(f"daemon's memory with {VMS:,} ready VMs", full, "MiB", MEMORY_GOAL_MIB, peer_name="with none", peer=empty),
    ]  # fmt: skip


def _create(client: Client, number: int) -> float:
    """Milliseconds from asking for a VM until it is ready."""
    return _timed_ms(lambda: client.vms.create(name=f"vm-{number}", plugin=PLUGIN, wait=WaitFor.READY))


def _lists(client: Client, pid: int) -> tuple[float, float, float]:
    """Milliseconds of one whole list: CPU time of the daemon, and at a client with typed and with plain result. Medians."""
    daemon, typed, plain = [], [], []
    for _ in range(LISTS):
        before = _cpu_ms(pid)
        plain.append(_timed_ms(lambda: client.call_plain("vm.list", {"limit": VMS})))
        daemon.append(_cpu_ms(pid) - before)
        typed.append(_timed_ms(lambda: _list(client)))
    return median(daemon), median(typed), median(plain)


def _list(client: Client) -> None:
    page = client.vms.list(limit=VMS)
    assert len(page.items) == VMS
    assert {vm.status for vm in page.items} == {"ready"}


def _cpu_ms(pid: int) -> float:
    """CPU time of a process's first thread so far, which in the daemon runs the loop. See sched-stats in the kernel's documentation."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1_000_000


def _memory_mib(pid: int) -> float:
    """Resident memory: second field of proc(5) `statm`, in pages."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _timed_ms(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1_000
