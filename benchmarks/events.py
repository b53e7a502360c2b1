"""Events to a thousand followers of a real daemon, ten of which don't read; and how fast they go out at most.

The daemon is a volantd with the fake launcher; whoever follows, makes events or asks for something else is a process of its own.
The goals of the first lines are promises (docs/events.md), the last one is about half of what a minimal server was measured to reach.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._daemons import start_fake
from benchmarks.result import Result, at_least, at_most, percentile
from tests.rig import Rig, rig

READING, STANDING = 990, 10
RATE, SECONDS = 100, 30
EVENTS = RATE * SECONDS
"""More than a follower that doesn't read is sent before it is cut off."""
FLOOD = 1_500

REACH_GOAL_MS, ASK_GOAL_MS, MEMORY_GOAL_MIB, FLOOD_GOAL, FLOOD_MEMORY_GOAL_MIB = 250.0, 5.0, 64.0, 200_000.0, 80.0


def run() -> Iterator[Result]:
    """Six lines; takes about a minute."""
    with rig(hypervisor="fake", network="none") as host:
        yield from _paced(host)
    with rig(hypervisor="fake", network="none") as host:
        yield from _flooded(host)


def _paced(host: Rig) -> Iterator[Result]:
    pid = _start(host)
    before = _memory_mib(pid)
    followers = _load(host, "readers", READING, STANDING, EVENTS, wait=True)
    emitting, asking = _load(host, "emit", EVENTS, RATE), _load(host, "ask", SECONDS)
    sent_at = emitting.communicate()[0]
    found = _outcome(followers, sent_at)
    asked = _outcome(asking)
    most = _memory_mib(pid, most=True)
    others = f"{READING} of {READING + STANDING:,} followers, {RATE}/s"
    yield at_most(f"events: {others}, p99", found["p99_ms"], "ms", REACH_GOAL_MS)
    yield at_most("events: not seen by those that read", found["missed"] + found["ends"] - 1, "events", 0)
    lagged = found["faults"].count("failed.lagged")
    yield at_least("events: told why they are cut off", lagged, f"of {STANDING}", STANDING)
    yield at_most("events: the daemon's extra memory", most - before, "MiB", MEMORY_GOAL_MIB, peer_name="alone", peer=before)
    yield at_most("events: another call meanwhile, p99", percentile(asked, 0.99), "ms", ASK_GOAL_MS)


def _flooded(host: Rig) -> Iterator[Result]:
    pid = _start(host)
    followers = _load(host, "flood", READING + STANDING, wait=True)
    _load(host, "burst", FLOOD).communicate()
    found = _outcome(followers)
    yield at_least("events: fan-out, as fast as they go", found["messages"] / found["seconds"], "msg/s", FLOOD_GOAL)
    yield at_most("events: the daemon's memory then", _memory_mib(pid, most=True), "MiB", FLOOD_MEMORY_GOAL_MIB)


def _start(host: Rig) -> int:
    """A daemon with a plugin, whose switching on and off makes events; its pid."""
    pid, client = start_fake(host)
    client.close()
    return pid


def _load(host: Rig, kind: str, *numbers: int, wait: bool = False) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks._events_load", kind, str(host.socket), *map(str, numbers)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if wait:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the load could not begin"
    return process


def _outcome(process: subprocess.Popen[str], said: str = "") -> Any:
    return json.loads(process.communicate(said)[0])


def _memory_mib(pid: int, *, most: bool = False) -> float:
    """Resident memory, or the most so far: VmRSS and VmHWM of proc(5) `status`, in KiB."""
    found = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(found["VmHWM" if most else "VmRSS"].split()[0]) / 1024
