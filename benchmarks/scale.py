"""The daemon with 1,000 VMs: a real volantd process with its store, the fake launcher, no network.

Everything but the guests is real, so this is what Volant itself adds to a VM, and whether that grows with their number.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.result import Result
from tests.rig import Rig, rig
from volant.client.blocking import Client
from volant.fledge.cpio import Writer
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
        daemon, client = _start(crowded)
        empty = _memory_mib(daemon)
        made = [_create(client, number) for number in range(VMS - EDGE)]
        _, other = _start(fresh)
        last, first = zip(*((_create(client, VMS - EDGE + number), _create(other, number)) for number in range(EDGE)), strict=True)
        full = _memory_mib(daemon)
        in_daemon, at_client, plain = _lists(client, daemon)
        client.close()
        other.close()
    late, early = 1_000 / median(last), 1_000 / median(first)
    return [
        _at_most("create --wait ready, p50, SDK, fake", median([*made, *last]), "ms", "", 0, CREATE_GOAL_MS),
        Result(
            f"rate of creation, last {EDGE} of {VMS:,}", late, "/s", f"first {EDGE}", early, late / early, f">= {RATE_GOAL:g}x",
            late / early >= RATE_GOAL,
        ),
        _at_most(f"list of {VMS:,}, CPU time of the daemon", in_daemon, "ms", "", 0, LIST_DAEMON_GOAL_MS),
        _at_most(f"list of {VMS:,}, typed client", at_client, "ms", "untyped", plain, LIST_CLIENT_GOAL_MS),
        _at_most(f"daemon's memory with {VMS:,} ready VMs", full, "MiB", "with none", empty, MEMORY_GOAL_MIB),
    ]  # fmt: skip


def _start(host: Rig) -> tuple[int, Client]:
    """A daemon with a plugin: its pid, and a client of it."""
    daemon = host.start("--log-level", "warning")
    host.volant("plugin", "install", str(_plugin(host.root)))
    return daemon.pid, host.client()


def _create(client: Client, number: int) -> float:
    """Milliseconds from asking for a VM until it is ready."""
    return _timed_ms(lambda: client.vms.create(name=f"vm-{number}", plugin="tiny", wait=WaitFor.READY))


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


def _plugin(folder: Path) -> Path:
    """The manifest of a small plugin that a fake guest can run."""
    archive = folder / "tiny.cpio"
    with archive.open("wb") as file:
        writer = Writer(file)
        writer.directory("bin")
        writer.file("bin/serve", b"#!/bin/sh\n", mode=0o755)
        writer.close()
    manifest = folder / "tiny.json"
    made = {
        "schema_version": "1",
        "name": "tiny",
        "version": "1.0.0",
        "initramfs": {"url": str(archive)},
        "resources": {"cpu_cores": 1, "memory_mb": 128},
        "workload": {"type": "http", "base_url": "http://127.0.0.1:8000", "entrypoint": ["/bin/serve"]},
        "actions": {"greet": {"method": "GET", "path": "/greet", "description": "says hello"}},
    }
    manifest.write_text(json.dumps(made))
    return manifest


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


def _at_most(name: str, measured: float, unit: str, peer_name: str, peer: float, goal: float) -> Result:
    return Result(name, measured, unit, peer_name, peer, measured / peer if peer else 0, f"<= {goal:g} {unit}", measured <= goal)
