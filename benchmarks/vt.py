"""The terminal emulator on recorded sessions, beside pyte: megabytes for each second of CPU time, so that other jobs don't count."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte

from benchmarks.result import Result, at_least
from volant.tui.vt.terminal import Terminal

SESSIONS = Path(__file__).parents[1] / "tests/tui/vt/sessions"
RECORDED = ("boot", "vim", "htop", "less", "ls", "top", "unicode")
CHUNK = 4_096
LENGTH = 600_000
"""Bytes fed in one turn: the session again and again."""
PEER_LENGTH = 60_000
TURNS = 3
GOAL = 2.5
"""A serial console in software emulation brings some 0.3 MB/s, and parsing may take a third of the time."""


def run() -> Iterator[Result]:
    sessions = {name: gzip.decompress((SESSIONS / f"{name}.gz").read_bytes()) for name in RECORDED}
    sessions["true colour, new in each cell"] = _picture()
    for name, session in sessions.items():
        peer = _speed(session, PEER_LENGTH, _pyte)
        ours = _speed(session, LENGTH, lambda: Terminal().feed)
        yield at_least(f"vt: {name}", ours, "MB/s", GOAL, peer_name="pyte" if peer else "pyte raises", peer=peer)


def _picture() -> bytes:
    return b"".join(b"\x1b[38;2;%d;%d;%dmx" % (n & 255, n >> 8 & 255, n * 7 & 255) for n in range(30_000))


def _pyte() -> Callable[[bytes], None]:
    stream = pyte.ByteStream(pyte.Screen(80, 24))

    def feed(data: bytes) -> None:
        stream.feed(data)

    return feed


def _speed(session: bytes, length: int, make: Callable[[], Callable[[bytes], object]]) -> float:
    """The best of some turns; 0 when it raises."""
    data = (session * (length // len(session) + 1))[:length]
    best = 0.0
    for _ in range(TURNS):
        feed = make()
        began = time.thread_time()
        try:
            for start in range(0, length, CHUNK):
                feed(data[start : start + CHUNK])
        except Exception:
            return 0.0
        best = max(best, length / (time.thread_time() - began) / 1e6)
    return best
