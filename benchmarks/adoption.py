"""A daemon that comes back: from its start, after a SIGKILL, until every VM is adopted and its agent has answered it.

The fakes are processes that outlive the daemon and answer as VMMs and agents do (`fake.vmm`); the others are QEMU with the example
plugin. Beside it, in turns, the start of a daemon that has no VMs.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks._daemons import PLUGIN, start_fake
from benchmarks.result import Result, at_most
from tests.rig import HOST_KERNELS, SURVIVING, Rig, rig
from volant.client.blocking import Client
from volant.proto.specs.states import WaitFor

FAKES, FAKES_GOAL_S = 200, 1.0
GUESTS, GUESTS_GOAL_S = 10, 3.0
ROUNDS = 5

EXAMPLE = Path(__file__).parent.parent / "examples/hello/build"


def run() -> list[Result]:
    """Two lines: fake VMMs, and real ones where the host has a kernel for them."""
    with rig(program=SURVIVING, network="none") as crowded, rig(program=SURVIVING, network="none") as bare:
        _, client = start_fake(crowded)
        found = [_measured(f"{FAKES} fake VMs", FAKES, FAKES_GOAL_S, client, PLUGIN, crowded, bare)]
    if (HOST_KERNELS / "default").exists():
        with rig(network="none", accel="tcg") as crowded, rig(network="none", accel="tcg") as bare:
            found.append(_measured(f"{GUESTS} QEMU VMs", GUESTS, GUESTS_GOAL_S, _start_real(crowded), "hello", crowded, bare))
    return found


def _measured(name: str, vms: int, goal_s: float, client: Client, plugin: str, crowded: Rig, bare: Rig) -> Result:
    with client:
        for number in range(vms):
            client.vms.create(name=f"vm-{number}", plugin=plugin, wait=WaitFor.READY)
        before = _boots(client)
    bare.start("--log-level", "warning")
    adopted, started = zip(*((_restart(crowded, vms), _restart(bare, 0)) for _ in range(ROUNDS)), strict=True)
    with crowded.client() as client:
        assert _boots(client) == before, "a VM was started anew, not adopted"
    return at_most(
        f"restart until {name} are ready, p50", median(adopted), "s", goal_s, peer_name="without VMs", peer=median(started)
    )  # fmt: skip


def _restart(host: Rig, vms: int) -> float:
    """Seconds from the new daemon's start until so many VMs are ready, as a client is told."""
    host.kill()
    began = time.perf_counter()
    host.start("--log-level", "warning")
    ready: set[str] = set()
    with host.client() as client, client.stream_plain("vm.watch", {"filter": "state:ready", "deltas": True}) as changes:
        for change in changes:
            ready |= {vm["id"] for vm in change["items"]}
            if change["complete"] and len(ready) == vms:
                return time.perf_counter() - began
    raise AssertionError("the list of VMs ended")


def _boots(client: Client) -> dict[str, tuple[int, int]]:
    """Process and number of boots of each VM."""
    return {vm.name: (vm.pid, vm.boot) for vm in client.vms.list(limit=FAKES).items}


def _start_real(host: Rig) -> Client:
    """A daemon with QEMU and the example plugin, and a client of it."""
    host.start("--log-level", "warning")
    subprocess.run([sys.executable, str(EXAMPLE), str(host.root / "hello")], check=True, capture_output=True)
    host.volant("plugin", "install", str(host.root / "hello/plugin.json"))
    return host.client()
