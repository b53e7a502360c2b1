"""Load for the benchmark of events, each kind in a process of its own: `python -m benchmarks._events_load KIND SOCKET NUMBERS...`.

Each says what it measured as one line of JSON; `readers` and `flood` say "ready" before, once they follow. Reading costs as little
as may be, since it shares two cores with the daemon: frames are counted, and only the last ones are decoded.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from benchmarks._daemons import PLUGIN
from volant.client import Client
from volant.proto import cbor
from volant.proto.frames import LENGTH, encode_frame

_HELLO = encode_frame(cbor.dumps([0, {"protocol": [1, 1], "version": "0", "features": [], "role": "client"}]))
_FOLLOW = encode_frame(cbor.dumps([1, 1, "event.follow", {}]))
_FAULT = 3
_READ_BYTES = 16 * 1024
_PATIENCE_S = 60.0
"""How long a reader waits for the next event before it says what it has."""
_FAULT_S = 2.0
"""How long one that did not read waits for the fault that should lie at the end of what waits for it."""
_PIPELINE = 32


class _Connection:
    """A connection of which frames are counted."""

    def __init__(self, path: str, *frames: bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(b"".join([_HELLO, *frames]))
        (length,) = LENGTH.unpack(self.socket.recv(LENGTH.size, socket.MSG_WAITALL))
        self.socket.recv(length, socket.MSG_WAITALL)  # the daemon's hello
        self.count = 0
        self.last = b""
        self._rest = b""

    def read(self) -> int:
        """Read once; how many frames became whole."""
        data = self._rest + self.socket.recv(_READ_BYTES)
        start, whole, size = 0, 0, len(data)
        while start + 4 <= size and (end := start + 4 + int.from_bytes(data[start : start + 4], "big")) <= size:
            start, self.last, whole = end, data[start + 4 : end], whole + 1
        self._rest = data[start:]
        self.count += whole
        return whole

    def read_to_fault(self) -> str:
        """The code of the fault that a follower finds when it begins to read at last."""
        self.socket.settimeout(_FAULT_S)
        with suppress(TimeoutError):
            while self.read():
                message = cbor.loads(self.last)
                if message[0] == _FAULT:
                    return str(message[2]["code"])
        return "none"


def _follow(path: str, count: int) -> list[_Connection]:
    """So many connections that follow, once the daemon knows of them all: it takes calls in the order in which they come."""
    followers = [_Connection(path, _FOLLOW) for _ in range(count)]
    with Client(path) as client:
        client.call_plain("system.info", {})
    time.sleep(0.5)
    return followers


def _poller(connections: list[_Connection]) -> tuple[select.epoll, dict[int, _Connection]]:
    poller, by_descriptor = select.epoll(), {connection.socket.fileno(): connection for connection in connections}
    for descriptor in by_descriptor:
        poller.register(descriptor, select.EPOLLIN)
    return poller, by_descriptor


def readers(path: str, count: int, standing: int, events: int) -> dict[str, Any]:
    """`count` followers that read and `standing` ones that don't, for `events` events."""
    reading, idle = _follow(path, count), _follow(path, standing)
    poller, by_descriptor = _poller(reading)
    _say("ready")
    arrivals = [array("d") for _ in range(events)]
    left = count * events
    while left > 0 and (ready := poller.poll(_PATIENCE_S)):
        for descriptor, _ in ready:
            follower = by_descriptor[descriptor]
            before = follower.count
            left -= follower.read()
            now = time.monotonic()
            for place in range(before, min(follower.count, events)):
                arrivals[place].append(now)
    sent_at = json.loads(sys.stdin.readline())
    taken = sorted((now - then) * 1e3 for then, at in zip(sent_at, arrivals, strict=True) for now in at)
    return {
        "missed": left,
        "ends": len({int(cbor.loads(follower.last)[2]["seq"]) for follower in reading}),
        "p99_ms": taken[int(len(taken) * 0.99)],
        "faults": [follower.read_to_fault() for follower in idle],
    }


def flood(path: str, count: int) -> dict[str, Any]:
    """`count` followers of events that come as fast as they can, until none comes for a second; only bytes are counted."""
    poller, by_descriptor = _poller(_follow(path, count))
    _say("ready")
    buffer = bytearray(_READ_BYTES)
    received, frame, began, last = 0, 0, 0.0, 0.0
    while ready := poller.poll(1.0 if received else _PATIENCE_S):
        began = began or time.monotonic()
        for descriptor, _ in ready:
            received += by_descriptor[descriptor].socket.recv_into(buffer)
            frame = frame or LENGTH.size + int.from_bytes(buffer[: LENGTH.size], "big")
        last = time.monotonic()
    return {"messages": received / frame, "seconds": last - began}


def emit(path: str, events: int, rate: int) -> list[float]:
    """So many events, `rate` a second; when each was asked for, by the monotonic clock."""
    sent_at: list[float] = []
    with Client(path) as client:
        start = time.monotonic() + 0.1
        for number in range(events):
            if (early := start + number / rate - time.monotonic()) > 0:
                time.sleep(early)
            sent_at.append(time.monotonic())
            client.call_plain(("plugin.disable", "plugin.enable")[number % 2], {"name": PLUGIN})
    return sent_at


def burst(path: str, events: int) -> float:
    """So many events as fast as the daemon takes the calls, some in flight; seconds."""
    caller = _Connection(path)
    began, sent = time.monotonic(), 0
    while caller.count < events:
        while sent < min(events, caller.count + _PIPELINE):
            sent += 1
            method = "plugin.disable" if sent % 2 else "plugin.enable"
            caller.socket.sendall(encode_frame(cbor.dumps([1, sent, method, {"name": PLUGIN}])))
        caller.read()
    return time.monotonic() - began


def ask(path: str, seconds: int) -> list[float]:
    """Milliseconds of calls that somebody else makes meanwhile, two hundred a second."""
    taken = []
    with Client(path) as client:
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            client.call_plain("vm.list", {})
            taken.append((time.monotonic() - now) * 1e3)
            time.sleep(0.005)
    return taken


def _say(line: str) -> None:
    print(line, flush=True)


_KINDS: dict[str, Callable[..., object]] = {"readers": readers, "flood": flood, "emit": emit, "burst": burst, "ask": ask}

if __name__ == "__main__":
    kind, socket_path, *numbers = sys.argv[1:]
    _say(json.dumps(_KINDS[kind](socket_path, *map(int, numbers))))
