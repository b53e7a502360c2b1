"""The terminal UI in a real pseudo-terminal, measured from outside: what is on the screen when, after which key, at which cost.

The daemon's end is a socket with canned answers in a process of its own, so that thousands of VMs change ten times a second.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks._daemons import COMMAND
from benchmarks.result import Result, at_most, percentile

COLUMNS, ROWS = 140, 40
STARTS = 9
SECONDS = 8.0
"""How long a steady state is watched."""
KEYS = 60
DEADLINE_S = 30.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Screen:
    """The UI, or another of our commands, on a pseudo-terminal; what it writes is kept with its time."""

    def __init__(self, socket: str, *words: str, program: tuple[str, ...] = COMMAND) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TMUX", "COLORTERM"))}
        environ |= {"TERM": "xterm-256color", "VOLANT_SOCKET": socket, "PYTHONPATH": str(Path(__file__).parents[1]), "LC_ALL": "C.UTF-8"}
        self.began = time.monotonic()
        command = (*program, *(words or ("tui",)))
        self.process = subprocess.Popen(command, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        self.written = bytearray()
        self.times: list[tuple[float, int]] = []
        """When so many bytes had been written."""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            select.select([self._master], [], [])
            try:
                data = os.read(self._master, 65_536)
            except OSError:
                return
            with self._news:
                self.written += data
                self.times.append((time.monotonic(), len(self.written)))
                self._news.notify_all()

    def see(self, text: bytes, *, since: int = 0) -> float:
        """When `text` was first on the screen, written at or after byte `since`."""
        with self._news:
            end_s = time.monotonic() + DEADLINE_S
            at = -1
            while at < 0:
                searched = len(self.written)
                at = self.written.find(text, since)
                # A flood is searched once, not anew for each piece of it.
                since = max(since, searched - len(text) + 1)
                if at < 0 and not self._news.wait(end_s - time.monotonic()):
                    raise AssertionError(f"{text!r} never came; the last was {bytes(self.written[-2000:])!r}")
            end = at + len(text)
            return next(moment for moment, length in self.times if length >= end)

    def saw_round(self, number: int) -> float:
        """When this round of changes, or a later one that was drawn in its place, was first on the screen."""
        with self._news:
            seen = next(found for found in re.finditer(rb"r(\d{5})", self.written) if int(found[1]) >= number)
            return next(moment for moment, length in self.times if length >= seen.end())

    def type(self, keys: bytes) -> float:
        os.write(self._master, keys)
        return time.monotonic()

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_mib(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()  # else it might read from the next one, whose descriptor has the same number
        os.close(self._master)


@contextmanager
def host(socket: Path, vms: int, *, share: float = 0.0, hertz: float = 0.0, lines: int = 0) -> Iterator[list[tuple[int, float]]]:
    """The daemon's end; the rounds of changes it has sent, with their times, as they come. `lines`: of output a second."""
    command = (sys.executable, "-m", "benchmarks._tui_host", str(socket), str(vms), str(share), str(hertz), str(lines))
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    rounds: list[tuple[int, float]] = []
    said = process.stdout

    def note() -> None:
        for line in said:
            number, moment = line.split()
            rounds.append((int(number), float(moment)))

    threading.Thread(target=note, daemon=True).start()
    try:
        yield rounds
    finally:
        process.kill()
        process.wait()
        socket.unlink(missing_ok=True)


@contextmanager
def shown(socket: Path, vms: int) -> Iterator[Screen]:
    """The UI once it has listed everything."""
    screen = Screen(str(socket))
    try:
        screen.see(f"{vms}/{vms} ".encode())
        yield screen
    finally:
        screen.close()


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="vb-") as folder:
        socket = Path(folder) / "s"
        yield from _starts(socket)
        yield from _steady(socket, 1_000, cpu=20, key_p50=20, key_p95=60, event_p95=50)
        yield from _steady(socket, 5_000, cpu=35, key_p50=50, key_p95=120, event_p95=None)
        yield from _quiet(socket)
        yield _returns(socket)


def _starts(socket: Path) -> Iterator[Result]:
    skeleton, paint = [], []
    for vms, goal in ((1_000, 350), (5_000, 400)):
        listed = []
        with host(socket, vms):
            for turn in range(STARTS):
                with shown(socket, vms) as screen:
                    if turn:  # the first fills the caches
                        skeleton.append((screen.see(b"volant") - screen.began) * 1_000)
                        paint.append((screen.see(b"<?>") - screen.began) * 1_000)
                        listed.append((screen.see(f"{vms}/{vms} ".encode()) - screen.began) * 1_000)
        yield at_most(f"tui: {vms:,} VMs listed, p50", median(listed), "ms", goal)
    yield at_most("tui: skeleton, p50", median(skeleton), "ms", 30)
    yield at_most("tui: first real paint, p50", median(paint), "ms", 250)


def _steady(socket: Path, vms: int, *, cpu: float, key_p50: float, key_p95: float, event_p95: float | None) -> Iterator[Result]:
    """All VMs change ten times a second."""
    with host(socket, vms, share=1.0, hertz=10) as rounds, shown(socket, vms) as screen:
        time.sleep(2)
        began, spent, written = time.monotonic(), screen.cpu_s(), len(screen.written)
        time.sleep(SECONDS)
        took = time.monotonic() - began
        used = (screen.cpu_s() - spent) / took * 100
        out = (len(screen.written) - written) / took / 1_000
        delays = [(screen.saw_round(number) - sent) * 1_000 for number, sent in list(rounds) if began < sent < began + SECONDS - 1]
        presses = [_press(screen, at) for at in range(2, KEYS + 2)]
        memory = screen.memory_mib()
    name = f"tui: {vms:,} VMs, all change at 10 Hz"
    yield at_most(f"{name}: CPU", used, "%", cpu)
    yield at_most(f"{name}: key, p50", median(presses), "ms", key_p50)
    yield at_most(f"{name}: key, p95", percentile(presses, 0.95), "ms", key_p95)
    if event_p95 is not None:
        yield at_most(f"{name}: change to screen, p95", percentile(delays, 0.95), "ms", event_p95)
        yield at_most(f"{name}: written", out, "kB/s", 200)
    else:
        yield at_most(f"{name}: memory", memory, "MiB", 64)


def _press(screen: Screen, row: int) -> float:
    """Milliseconds from pressing Down until the status line says the new row. The presses come at odd moments of a frame."""
    time.sleep(0.05 + (row * 37 % 50) / 1_000)
    since = len(screen.written)
    pressed = screen.type(b"j")
    return (screen.see(f"row {row}\x1b".encode(), since=since) - pressed) * 1_000


def _quiet(socket: Path) -> Iterator[Result]:
    """Nothing happens."""
    with host(socket, 1_000), shown(socket, 1_000) as screen:
        time.sleep(2)
        began, spent, written = time.monotonic(), screen.cpu_s(), len(screen.written)
        time.sleep(SECONDS)
        yield at_most("tui: idle, CPU", (screen.cpu_s() - spent) / (time.monotonic() - began) * 100, "%", 0.5)
        yield at_most("tui: idle, written", len(screen.written) - written, "bytes", 0)
        moves = []
        for row in range(2, 22):
            since = len(screen.written)
            _press(screen, row)
            time.sleep(0.1)
            moves.append(float(len(screen.written) - since))
        yield at_most("tui: a cursor move, written, p50", median(moves), "bytes", 3_000)


def _returns(socket: Path) -> Result:
    """From a new daemon's listening until its list is on the screen."""
    waits = []
    with host(socket, 100):
        screen = Screen(str(socket))
        screen.see(b"100/100 ")
    try:
        for pause in (0.4, 2.0, 5.0):
            since = len(screen.written)
            screen.see(b"DISCONNECTED", since=max(0, since - 5_000))
            time.sleep(pause)
            since = len(screen.written)
            with host(socket, 100):
                began = time.monotonic()
                waits.append((screen.see(b"live", since=since) - began) * 1_000)
    finally:
        screen.close()
    return at_most("tui: fresh again after a restart, worst of 3", max(waits), "ms", 1_000)
