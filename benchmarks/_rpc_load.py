"""Load for the RPC benchmarks, each in a process of its own: `python -m benchmarks._rpc_load KIND SOCKET CONNECTIONS SECONDS`.

Prints requests per second, and the 50th and 99th percentile of the time of one in microseconds. The frames are made once, so that
the generator costs as little as may be, next to the daemon on the other core.
"""

from __future__ import annotations

import asyncio
import selectors
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
        self.id += 1
        self.sent_at = time.perf_counter()
        self.socket.sendall(encode_frame(cbor.dumps([1, self.id, "echo.say", _PARAMS])))


def _read_frame(connected: socket.socket) -> bytes:
    (length,) = LENGTH.unpack(connected.recv(4, socket.MSG_WAITALL))
    return connected.recv(length, socket.MSG_WAITALL)


def spread(path: str, count: int, seconds: float) -> tuple[int, float, list[float]]:
    """`count` connections with one request in flight each."""
    connections = [_Connection(path) for _ in range(count)]
    selector = selectors.EpollSelector()
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.ask()
    times: list[float] = []
    start = time.perf_counter()
    while (now := time.perf_counter()) - start < seconds:
        for key, _ in selector.select():
            connection = key.data
            connection.socket.recv(65_536)
            now = time.perf_counter()
            times.append(now - connection.sent_at)
            connection.ask()
    return len(times), now - start, times


def pipelined(path: str, count: int, seconds: float) -> tuple[int, float, list[float]]:
    """One connection with 64 requests in flight."""
    connection = _Connection(path)
    requests = [encode_frame(cbor.dumps([1, 100_000 + id, "echo.say", _PARAMS])) for id in range(1_000_000)]
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
