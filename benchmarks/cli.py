"""`volant vm list` of 100 VMs, the whole process, beside an interpreter that does nothing.

The daemon's side is the wire with a canned answer, so that what is measured is the client: start, imports, one call, one table.
Bytecode is cached, as it is for anybody who runs a command the second time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.result import Result
from tests.client.cli.records import vm
from tests.fakes.rpc_server import serving

VMS = 100
RUNS = 30
WARM_UPS = 3
GOAL_MS = 60.0
_LIST = [sys.executable, "-c", "from volant.client.cli.main import entry; entry()", "vm", "list"]
"""What the installed script does; run this way it needs no installation."""
_PASS = [sys.executable, "-c", "pass"]


def run() -> list[Result]:
    """One line: median milliseconds of the command, and of the bare interpreter, taken in turns."""
    page = {"items": [vm(f"vm-{number:03}") for number in range(VMS)], "total": VMS, "seq": 1}
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "d.sock", {"vm.list": lambda call: page}) as server:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | {
            "VOLANT_SOCKET": str(server.path),
            "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",
            "PYTHONPATH": str(Path(__file__).parent.parent),
        }
        listed, bare = [], []
        for turn in range(WARM_UPS + RUNS):
            times = _milliseconds(_LIST, environment, lines=VMS + 1), _milliseconds(_PASS, environment, lines=0)
            if turn >= WARM_UPS:
                listed.append(times[0])
                bare.append(times[1])
    measured, peer = median(listed), median(bare)
    return [
        Result(
            f"volant vm list of {VMS} VMs",
            measured,
            "ms p50",
            "python -c pass",
            peer,
            measured / peer,
            f"<= {GOAL_MS:g} ms",
            measured <= GOAL_MS,
        )
    ]


def _milliseconds(command: list[str], environment: dict[str, str], *, lines: int) -> float:
    """One run of `command`, whose output must have `lines` lines."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    took = (time.perf_counter() - began) * 1_000
    assert done.stdout.count(b"\n") == lines, done.stdout[:200]
    return took
