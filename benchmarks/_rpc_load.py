"""Load for the RPC benchmarks, each in a process of its own: `python -m benchmarks._rpc_load KIND SOCKET CONNECTIONS SECONDS`.

Prints requests per second, and the 50th and 99th percentile of the time of one in microseconds. The frames are made once, so that
the generator costs as little as may be, next to the daemon on the other core.
"""

from __future__ import annotations

import asyncio
import select
import socket
import sys
import time

from benchmarks.result import percentile
from volant.client import AsyncClient, Client
from volant.proto import cbor
from volant.proto.frames import LENGTH, encode_frame

_PIPELINE = 64
_HELLO = encode_frame(cbor.dumps([0, {"protocol": [1, 1], "version": "0", "features": [], "role": "client"}]))
_PARAMS = {"text": "hello"}


_frames: list[bytes] = []
"""Requests by call id; the same for every connection."""


def _request(id: int) -> bytes:
    return encode_frame(cbor.dumps([1, id, "echo.say", _PARAMS]))


class _Connection:
    """Sends one request after the other, and counts the frames that come back."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(_HELLO)
        _read_frame(self.socket)
        self.id = 0
        self.sent_at = 0.0

    def ask(self) -> None:
        if self.id == len(_frames):
            _frames.append(_request(self.id + 1))
        self.id += 1
        self.sent_at = time.perf_counter()
        self.socket.send(_frames[self.id - 1])


def _read_frame(connected: socket.socket) -> bytes:
    (length,) = LENGTH.unpack(connected.recv(4, socket.MSG_WAITALL))
    return connected.recv(length, socket.MSG_WAITALL)


def spread(path: str, count: int, seconds: float) -> tuple[int, float, list[float]]:
    """`count` connections with one request in flight each."""
    _frames.extend(map(_request, range(1, 2_000_000 // (10 * count))))
    connections = [_Connection(path) for _ in range(count)]
    poller = select.epoll()
    by_descriptor = {connection.socket.fileno(): connection for connection in connections}
    for descriptor, connection in by_descriptor.items():
        poller.register(descriptor, select.EPOLLIN)
        connection.ask()
    times: list[float] = []
    start = now = time.perf_counter()
    while now - start < seconds:
        for descriptor, _ in poller.poll():
            connection = by_descriptor[descriptor]
            connection.socket.recv(4_096)
            now = time.perf_counter()
            times.append(now - connection.sent_at)
            connection.ask()
    return len(times), now - start, times


def pipelined(path: str, count: int, seconds: float) -> tuple[int, float, list[float]]:
    """One connection with 64 requests in flight."""
    connection = _Connection(path)
    requests = list(map(_request, range(100_000, 700_000)))  # ids of one length, so that replies are too
    per_reply = len(encode_frame(cbor.dumps([2, 100_000, _PARAMS | {"times": 1, "tags": {}}])))
    start = time.perf_counter()
    connection.socket.sendall(b"".join(requests[:_PIPELINE]))
    sent, owed, done = _PIPELINE, 0, 0
    while time.perf_counter() - start < seconds and sent < len(requests) - _PIPELINE:
        owed += len(connection.socket.recv(65_536))
        replies, owed = divmod(owed, per_reply)
        done += replies
        connection.socket.sendall(b"".join(requests[sent : sent + replies]))
        sent += replies
    return done, time.perf_counter() - start, [0.0]


def blocking(path: str, count: int, seconds: float) -> tuple[int, float, list[float]]:
    """The blocking client of the SDK, with plain values."""
    times: list[float] = []
    with Client(path) as client:
        start = now = time.perf_counter()
        while now - start < seconds:
            client.call_plain("echo.say", _PARAMS)
            then, now = now, time.perf_counter()
            times.append(now - then)
    return len(times), now - start, times


def multiplexed(path: str, count: int, seconds: float) -> tuple[int, float, list[float]]:
    """The asyncio client of the SDK, `count` tasks on one connection."""
    times: list[float] = []

    async def ask(client: AsyncClient, until: float) -> None:
        now = time.perf_counter()
        while now < until:
            await client.call_plain("echo.say", _PARAMS)
            then, now = now, time.perf_counter()
            times.append(now - then)

    async def main() -> float:
        async with AsyncClient(path) as client:
            start = time.perf_counter()
            await asyncio.gather(*(ask(client, start + seconds) for _ in range(count)))
            return time.perf_counter() - start

    elapsed = asyncio.run(main())
    return len(times), elapsed, times


def connecting(path: str, count: int, seconds: float) -> tuple[int, float, list[float]]:
    """Connect, one request, close."""
    times: list[float] = []
    start = now = time.perf_counter()
    while now - start < seconds:
        connection = _Connection(path)
        connection.ask()
        _read_frame(connection.socket)
        connection.socket.close()
        then, now = now, time.perf_counter()
        times.append(now - then)
    return len(times), now - start, times


_KINDS = {"spread": spread, "pipelined": pipelined, "blocking": blocking, "multiplexed": multiplexed, "connecting": connecting}

if __name__ == "__main__":
    kind, path, connections, for_seconds = sys.argv[1:]
    done, elapsed, taken = _KINDS[kind](path, int(connections), float(for_seconds))
    print(done / elapsed, percentile(taken, 0.5) * 1e6, percentile(taken, 0.99) * 1e6)
