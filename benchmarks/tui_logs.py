"""A flood of output in the terminal UI, in a real pseudo-terminal: how far behind the view is, what it keeps and what it costs."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.result import Result, at_least, at_most, percentile
from benchmarks.tui import Screen, host, shown

LINES = 20_000
"""A second."""
FILLING_S, SECONDS = 5.0, 8.0
"""Until the ring of 50,000 lines is full twice over; how long it is watched then."""
KEYS = 20
MANY = 500
"""VMs whose output is one stream; each says forty lines a second."""


def run() -> Iterator[Result]:
    yield from _flooded(1, b"l", f"tui: {LINES:,} lines/s of output")
    yield from _flooded(MANY, b",l", f"tui: {LINES:,} lines/s of {MANY} VMs' output")


def _flooded(vms: int, keys: bytes, name: str) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="vb-") as folder:
        socket = Path(folder) / "s"
        with host(socket, vms, lines=LINES), shown(socket, vms) as screen:
            before = screen.memory_mib()
            screen.type(keys)
            time.sleep(FILLING_S)
            began, spent = time.monotonic(), screen.cpu_s()
            time.sleep(SECONDS)
            used = (screen.cpu_s() - spent) / (time.monotonic() - began) * 100
            lags = _lags(screen, began)
            rate = max(int(found.replace(b",", b"")) for found in re.findall(rb"LIVE ([\d,]+)/s", screen.written))
            presses = [_press(screen) for _ in range(KEYS)]
            grown = screen.memory_mib() - before
    yield at_least(f"{name}: taken", rate, "lines/s", LINES * 0.95)
    yield at_most(f"{name}: view behind, p50", median(lags), "ms", 1_000)
    yield at_most(f"{name}: view behind, worst", max(lags), "ms", 1_000)
    yield at_most(f"{name}: ring of 50,000 lines", grown, "MiB", 64)
    yield at_most(f"{name}: key, p95", percentile(presses, 0.95), "ms", 120)
    yield at_most(f"{name}: CPU", used, "%", 90)


def _lags(screen: Screen, began: float) -> list[float]:
    """Milliseconds from the writing of the newest line on the screen until it was there, for each time that the screen was written."""
    lags = []
    start = 0
    for moment, end in list(screen.times):
        if moment >= began:
            stamps = re.findall(rb"t=(\d{10}\.\d{3})", screen.written[max(0, start - 20) : end])
            if stamps:
                lags.append((moment - max(map(float, stamps))) * 1_000)
        start = end
    return lags


def _press(screen: Screen) -> float:
    """Milliseconds from a key until the screen says so: hold, and go on."""
    time.sleep(0.15)
    since = len(screen.written)
    pressed = screen.type(b"p")
    held = (screen.see(b"HELD", since=since) - pressed) * 1_000
    screen.type(b"p")
    return held
