"""A VM's console in a real pseudo-terminal, measured from outside: raw attach (`volant console`) and the pane of the terminal UI.

Throughput against a socket that writes as fast as it is read; echoes through a real daemon, whose fake VM repeats each line.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

from benchmarks._console_host import END, FLOOD
from benchmarks._daemons import PLUGIN, start_fake
from benchmarks.result import Result, at_least, at_most, percentile
from benchmarks.tui import Screen
from tests.rig import rig

ECHOES = 60
KEYS = 20
TURNS = 3


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="vb-") as folder, _host(Path(folder) / "s") as socket:
        raw = max(_flood(socket, "console", "web-0000") for _ in range(TURNS))
        plain = max(_printed(Path(folder)) for _ in range(TURNS))
        yield at_least("console: raw attach", raw, "MB/s", 50, peer_name="cat of a file", peer=plain)
        yield from _pane(socket)
    yield from _echoes()


@contextmanager
def _host(socket: Path) -> Iterator[str]:
    command = (sys.executable, "-m", "benchmarks._console_host", str(socket))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        try:
            yield str(socket)
        finally:
            process.kill()


def _flood(socket: str, *words: str) -> float:
    """Megabytes a second from the key that starts it to its last line."""
    screen = Screen(socket, *words)
    try:
        screen.see(b"ready")
        since = len(screen.written)
        began = screen.type(b"F")
        return FLOOD / (screen.see(END, since=since) - began) / 1e6
    finally:
        screen.close()


def _printed(folder: Path) -> float:
    """As many bytes printed by `cat`: what the pseudo-terminal and whoever reads it can do."""
    file = folder / "flood"
    file.write_bytes((b"x" * 78 + b"\r\n") * (FLOOD // 80) + END)
    screen = Screen("", str(file), program=("cat",))
    try:
        return FLOOD / (screen.see(END) - screen.began) / 1e6
    finally:
        screen.close()


def _pane(socket: str) -> Iterator[Result]:
    """The same in the UI, with keys of the UI meanwhile, which other bytes of the flood lie between."""
    screen = Screen(socket)
    try:
        screen.see(b"1/1 ")
        screen.type(b"ci")
        screen.see(b"TYPING")
        spent = screen.cpu_s()
        began = screen.type(b"F\x1d")
        presses = [_press(screen, b"v", b"COPY") for _ in range(KEYS)]
        shown = (screen.see(END) - began, screen.cpu_s() - spent)
    finally:
        screen.close()
    yield at_least("console: pane, boot messages", FLOOD / shown[0] / 1e6, "MB/s", 2.5)
    yield at_least("console: pane, for each second of its CPU time", FLOOD / shown[1] / 1e6, "MB/s", 5)
    yield at_most("console: pane, key under flood, p95", percentile(presses, 0.95), "ms", 80)


def _press(screen: Screen, key: bytes, expected: bytes) -> float:
    time.sleep(0.05)
    since = len(screen.written)
    pressed = screen.type(key)
    seen = screen.see(expected, since=since)
    screen.type(b"q")
    return (seen - pressed) * 1_000


def _echoes() -> Iterator[Result]:
    """From Enter to the fake VM's answer on the screen."""
    with rig(hypervisor="fake", network="none") as host:
        _, client = start_fake(host)
        with closing(client):
            client.call_plain("vm.create", {"name": "web-1", "plugin": PLUGIN, "wait": "ready"})
        raw = _answers(Screen(str(host.socket), "console", "web-1"), "raw")
        yield at_most("console: raw attach, answer, p50", median(raw), "ms", 3)
        yield at_most("console: raw attach, answer, p95", percentile(raw, 0.95), "ms", 3)
        pane = _answers(Screen(str(host.socket)), "pane", keys=b"ci")
        yield at_most("console: pane, answer, p50", median(pane), "ms", 10, peer_name="raw attach", peer=median(raw))


def _answers(screen: Screen, word: str, *, keys: bytes = b"") -> list[float]:
    try:
        if keys:
            screen.see(b"1/1 ")
            screen.type(keys)
            screen.see(b"TYPING")
        else:
            screen.see(b"kestrel")
        waits = []
        for number in range(ECHOES):
            time.sleep(0.05 + number * 37 % 50 / 1_000)
            pressed = screen.type(f"{word}-{number}.\r".encode())
            waits.append((screen.see(f"you said {word}-{number}.".encode()) - pressed) * 1_000)
        return waits
    finally:
        screen.close()
