"""`volant vm list` of 100 VMs, the whole process, beside an interpreter that does nothing.

A real daemon answers, whose VMs are the fake launcher's. Bytecode is cached, as it is for anybody who runs a command the second time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from benchmarks._daemons import COMMAND, PLUGIN, environment, start_fake
from benchmarks.result import Result, at_most
from tests.rig import rig
from volant.proto.specs.states import WaitFor

VMS = 100
RUNS = 30
WARM_UPS = 3
GOAL_MS = 60.0
_LIST = (*COMMAND, "vm", "list")
_PASS = (sys.executable, "-c", "pass")


def run() -> list[Result]:
    """One line: median milliseconds of the command, and of the bare interpreter, taken in turns."""
    listed, bare = [], []
    with rig(hypervisor="fake", network="none") as host:
        _, client = start_fake(host)
        with client:
            for number in range(VMS):
                client.vms.create(name=f"vm-{number:03}", plugin=PLUGIN, wait=WaitFor.READY)
        environ = environment(host)
        for turn in range(WARM_UPS + RUNS):
            times = _milliseconds(_LIST, environ, lines=VMS + 1), _milliseconds(_PASS, environ, lines=0)
            if turn >= WARM_UPS:
                listed.append(times[0])
                bare.append(times[1])
    return [at_most(f"volant vm list of {VMS} VMs, p50", median(listed), "ms", GOAL_MS, peer_name="python -c pass", peer=median(bare))]


def _milliseconds(command: tuple[str, ...], environ: dict[str, str], *, lines: int) -> float:
    """One run of `command`, whose output must have `lines` lines."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True)
    took = (time.perf_counter() - began) * 1_000
    assert done.stdout.count(b"\n") == lines, done.stdout[:200]
    return took
