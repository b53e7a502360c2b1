"""Drives a hosted agent: the daemon's end of the channel, blocking, over a socketpair."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE_S
from volant.proto import cbor
from volant.proto.connection import INITIAL_CREDIT, MAX_DATA, Connection, Side
from volant.proto.errors import Fault
from volant.proto.frames import MAX_FRAME_TO_DAEMON
from volant.proto.messages import (
    CreditReceived,
    DataReceived,
    EndReceived,
    FaultReceived,
    Hello,
    HelloReceived,
    ItemReceived,
    Message,
    ReplyReceived,
)
from volant.proto.preamble import Attacher

ROOT = Path(__file__).resolve().parents[2]
HOSTED = Path(__file__).with_name("hosted.py")


class Call:
    """What came back for one call so far."""

    def __init__(self, id: int) -> None:
        self.id = id
        self.items: list[Any] = []
        self.data: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.result: Any = None
        self.fault: Fault | None = None
        self.done = False


class Link:
    """One attached session, driven by whoever waits."""

    def __init__(self, sock: socket.socket, *, grants: bool = True) -> None:
        self.sock = sock
        self.connection = Connection(
            Side.CLIENT, cbor, max_incoming=MAX_FRAME_TO_DAEMON, max_outgoing=MAX_FRAME_TO_DAEMON, hello=Hello("daemon", "0")
        )
        self.calls: dict[int, Call] = {}
        self.grants = grants
        self._attacher = Attacher(os.urandom(12))

    def attach(self) -> Link:
        """Preamble and hello until the agent's hello is here."""
        self.sock.settimeout(PATIENCE_S)
        self.sock.sendall(self._attacher.attempt() + self.connection.hello())
        while self.connection.peer is None:
            self.pump()
        return self

    def pump(self) -> None:
        """Take what comes next."""
        data = self.sock.recv(65_536)
        if not data:
            raise ConnectionError("the agent has closed its end")
        for message in self.connection.receive(self._attacher.feed(data)):
            self._route(message)

    def start(self, name: str, /, **params: Any) -> Call:
        id, frame = self.connection.call(name, params)
        call = self.calls[id] = Call(id)
        self.sock.sendall(frame)
        return call

    def call(self, name: str, /, **params: Any) -> Call:
        """Call and wait for its end; the fault raised."""
        return self.finish(self.start(name, **params))

    def finish(self, call: Call) -> Call:
        self.until(lambda: call.done)
        if call.fault is not None:
            raise call.fault
        return call

    def until(self, condition: Any) -> None:
        """Pump until `condition()` holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            self.pump()

    def send(self, call: Call, data: bytes, channel: int = 0) -> None:
        """All of `data`, as credit allows; stops when the call ends."""
        while data and not call.done:
            room = min(self.connection.sendable(call.id, channel), MAX_DATA)
            if room:
                self.sock.sendall(self.connection.data(call.id, channel, data[:room]))
                data = data[room:]
            else:
                self.pump()

    def end(self, call: Call, channel: int = 0) -> None:
        self.sock.sendall(self.connection.end(call.id, channel))

    def cancel(self, call: Call) -> None:
        self.sock.sendall(self.connection.cancel(call.id))

    def exec(self, *argv: str, stdin: bytes = b"", **params: Any) -> Call:
        """Run a program to its end."""
        call = self.start("guest.exec", argv=list(argv), **params)
        self.send(call, stdin)
        if not call.done:
            self.end(call)
        return self.finish(call)

    def _route(self, message: Message) -> None:
        match message:
            case ItemReceived(id=id, item=item):
                self.calls[id].items.append(item)
            case DataReceived(id=id, channel=channel, data=data):
                self.calls[id].data[channel] = self.calls[id].data.get(channel, b"") + data
                if self.grants:
                    self.sock.sendall(self.connection.credit(id, channel, len(data)))
            case EndReceived(id=id, channel=channel):
                self.calls[id].ended.add(channel)
            case ReplyReceived(id=id, result=result):
                self.calls[id].done, self.calls[id].result = True, result
            case FaultReceived(id=id, fault=fault):
                self.calls[id].done, self.calls[id].fault = True, fault
            case HelloReceived() | CreditReceived():
                pass
            case _:
                raise AssertionError(f"the agent sent {message}")


class Hosted:
    """A running agent, and the host's end of its pipe."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: socket.socket) -> None:
        self.process, self.pipe = process, pipe

    def attach(self, **options: Any) -> Link:
        return Link(self.pipe, **options).attach()

    def memory_mib(self) -> int:
        """Resident memory of the agent."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def children(self) -> list[str]:
        """Process ids of its children, the dead ones included."""
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()


@contextmanager
def hosted(config: dict[str, Any] | None = None, tree: str | Path = "/", *, port: int = 0) -> Iterator[Hosted]:
    """An agent with this configuration blob, ended with the block; `port` for its HTTP surface (0: none)."""
    ours, theirs = socket.socketpair()
    argv = [sys.executable, "-I", "-S", str(HOSTED), str(ROOT), str(theirs.fileno()), str(tree), json.dumps(config or {})]
    argv += [str(port)] if port else []
    process = subprocess.Popen(argv, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE)
    theirs.close()
    try:
        yield Hosted(process, ours)
    finally:
        process.kill()
        process.wait()
        ours.close()
        assert process.stdout is not None
        process.stdout.close()


def manifest(*entrypoint: str, base_url: str = "http://127.0.0.1:9", **more: Any) -> dict[str, Any]:
    """A config blob whose workload is `entrypoint`; `env` and `workdir` go to the workload, other words to the manifest."""
    workload = {"type": "http", "base_url": base_url, "entrypoint": list(entrypoint)}
    workload |= {name: more.pop(name) for name in ("env", "workdir") if name in more}
    return {"manifest": {"name": "w", "workload": workload, **more}}


CREDIT = INITIAL_CREDIT
