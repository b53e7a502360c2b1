"""The RPC service against its goals: a daemon with one small method, load from processes of their own, and a socketpair as floor.

The goals are those measured to be reachable on two cores, about half of what a minimal server achieves.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from benchmarks.result import Result, at_least, at_most
from volant.daemon.main import GC_THRESHOLDS
from volant.daemon.rpc.listener import bind_socket
from volant.daemon.rpc.peer import Peer
from volant.daemon.rpc.registry import Handlers
from volant.daemon.rpc.service import RpcService
from volant.proto.method import Method

_SECONDS = 0.8
_ROUNDS = 3
"""The best round counts: other work on the machine only ever makes one slower."""
_RECORD_BYTES = 40
"""About a small call's frame, for the floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    text: str
    times: int = 1
    tags: dict[str, str] = field(default_factory=dict)


_SAY = Method("echo.say", Text, Text, "say it again")


@dataclass(frozen=True, slots=True)
class _Shape:
    """One kind of load and what it should reach."""

    name: str
    kind: str
    connections: int
    rate: float
    p99_ms: float = 0.0


_SHAPES = (
    _Shape("rpc: 1 client, blocking", "blocking", 1, 6_000, 1),
    _Shape("rpc: 8 connections", "spread", 8, 20_000, 3),
    _Shape("rpc: 64 connections", "spread", 64, 25_000, 10),
    _Shape("rpc: 1,000 connections", "spread", 1_000, 10_000, 200),
    _Shape("rpc: one connection, 64 in flight", "pipelined", 1, 100_000),
    _Shape("rpc: asyncio client, 64 tasks", "multiplexed", 64, 30_000),
    _Shape("rpc: connect, ask, close", "connecting", 1, 3_000),
)


def run() -> Iterator[Result]:
    """All figures; takes about 20 seconds."""
    floor = _socketpair_rate()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        with _daemon(path):
            for shape in _SHAPES:
                rounds = [_load(shape, path) for _ in range(_ROUNDS)]
                rate, p99 = max(rate for rate, _ in rounds), min(p99 for _, p99 in rounds)
                yield at_least(shape.name, rate, "req/s", shape.rate, peer_name="socketpair", peer=floor)
                if shape.p99_ms:
                    yield at_most(f"{shape.name}, p99", p99 / 1e3, "ms", shape.p99_ms)


def _load(shape: _Shape, path: Path) -> tuple[float, float]:
    """Requests per second, and the 99th percentile of the time of one in microseconds."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks._rpc_load", shape.kind, str(path), str(shape.connections), str(_SECONDS)],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=_allow_descriptors,
    )
    rate, _, p99 = map(float, done.stdout.split())
    return rate, p99


def _allow_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))


@contextmanager
def _daemon(path: Path) -> Iterator[None]:
    """The service in a process of its own."""
    ready, told = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(path, told), daemon=True)
    process.start()
    ready.recv()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _serve(path: Path, told: object) -> None:
    _allow_descriptors()
    handlers = Handlers()
    handlers.add(_SAY, _say)
    service = RpcService(None, handlers, bind_socket(path))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            told.send(None)  # type: ignore[attr-defined]

    trio.run(main)


def _say(app: None, peer: Peer, params: Text) -> Text:
    return params


def _socketpair_rate() -> float:
    """Round trips per second of two processes that only pass bytes: what no server can beat with one request in flight."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        while data := theirs.recv(_RECORD_BYTES):
            theirs.sendall(data)
        os._exit(0)
    theirs.close()
    payload, done, start = b"x" * _RECORD_BYTES, 0, time.perf_counter()
    while time.perf_counter() - start < _SECONDS:
        ours.sendall(payload)
        ours.recv(_RECORD_BYTES)
        done += 1
    rate = done / (time.perf_counter() - start)
    ours.close()
    os.waitpid(child, 0)
    return rate
