"""Short commands, the whole process, beside an interpreter that does nothing: the list of VMs, the help, and what a Tab costs.

A real daemon answers, whose VMs are the fake launcher's. Bytecode is cached, as it is for anybody who runs a command the second time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from benchmarks._daemons import COMMAND, PLUGIN, environment, start_fake
from benchmarks.result import Result, at_most
from tests.rig import rig
from volant.client.cli.completing.answer import CAP_MS, CAP_VARIABLE
from volant.proto.specs.states import WaitFor

VMS = 100
RUNS = 30
WARM_UPS = 3
LIST_GOAL_MS = 60.0
HELP_GOAL_MS = 40.0
_LIST = (*COMMAND, "vm", "list")
_HELP = (*COMMAND, "--help")
_TAB = (*COMMAND, "__complete", "words", "vm", "get", "")
_PASS = (sys.executable, "-c", "pass")


def run() -> Iterator[Result]:
    """Medians in milliseconds beside the bare interpreter's, taken in turns."""
    with rig(hypervisor="fake", network="none") as host:
        daemon, client = start_fake(host)
        with client:
            for number in range(VMS):
                client.vms.create(name=f"vm-{number:03}", plugin=PLUGIN, wait=WaitFor.READY)
        environ = environment(host)
        # A busy machine may take longer than the cap, and then there would be nothing to measure.
        patient = environ | {CAP_VARIABLE: "60000"}
        listed, helped, completed, bare = _in_turns([(_LIST, VMS + 1), (_HELP, None), (_TAB, VMS + 1), (_PASS, 0)], patient)
        os.kill(daemon, signal.SIGSTOP)
        try:
            (unanswered,) = _in_turns([(_TAB, 1)], environ)
        finally:
            os.kill(daemon, signal.SIGCONT)
    floor = median(bare)
    for name, times, goal in (
        (f"volant vm list of {VMS} VMs, p50", listed, LIST_GOAL_MS),
        ("volant --help, p50", helped, HELP_GOAL_MS),
        (f"Tab with {VMS} VMs to choose from, p50", completed, float(CAP_MS)),
    ):
        yield at_most(name, median(times), "ms", goal, peer_name="python -c pass", peer=floor)
    yield at_most("Tab while the daemon hangs, p50", median(unanswered), "ms", float(CAP_MS), peer_name="python -c pass", peer=floor)


def _in_turns(commands: list[tuple[tuple[str, ...], int | None]], environ: dict[str, str]) -> list[list[float]]:
    """Milliseconds of each command, run after run; each must have so many lines of output, unless None."""
    found: list[list[float]] = [[] for _ in commands]
    for turn in range(WARM_UPS + RUNS):
        for times, (command, lines) in zip(found, commands, strict=True):
            took = _milliseconds(command, environ, lines=lines)
            if turn >= WARM_UPS:
                times.append(took)
    return found


def _milliseconds(command: tuple[str, ...], environ: dict[str, str], *, lines: int | None) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True)
    took = (time.perf_counter() - began) * 1_000
    assert lines is None or done.stdout.count(b"\n") == lines, done.stdout[:200]
    return took
