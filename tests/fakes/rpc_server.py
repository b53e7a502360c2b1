"""A daemon's socket with canned answers, for tests of clients: the real wire, blocking threads, no daemon.

A handler is a function of a `Served` call; what it returns is the reply, a `Fault` it raises is the fault.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from volant.proto import cbor
from volant.proto.connection import MAX_DATA, Connection, Side
from volant.proto.errors import Cancelled, ConnectionLost, Fault, Internal, NoSuchMethod, ProtocolFault
from volant.proto.frames import MAX_FRAME_TO_DAEMON
from volant.proto.messages import (
    READ_ONLY,
    CallReceived,
    CancelReceived,
    CreditReceived,
    DataReceived,
    EndReceived,
    Hello,
    Message,
)

Handler = Callable[["Served"], Any]


class Served:
    """One call being answered in its own thread."""

    def __init__(self, session: Session, id: int, method: str, params: dict[str, Any]) -> None:
        self.id, self.method, self.params = id, method, params
        self._session = session
        self.changed = threading.Condition()
        self.received: dict[int, bytearray] = defaultdict(bytearray)
        self.ended: set[int] = set()
        self.over = False
        """Cancelled, or its connection is gone."""

    def item(self, item: Any) -> None:
        self._session.send(lambda wire: wire.item(self.id, item))

    def items(self, items: list[Any]) -> None:
        """Several in one write, as a flood of them comes."""
        self._session.send(lambda wire: b"".join(wire.item(self.id, item) for item in items))

    def read(self, channel: int = 0) -> bytes:
        """What came on `channel` since the last read, waiting for some; empty at its end."""
        with self.changed:
            self.changed.wait_for(lambda: self.received[channel] or channel in self.ended or self.over)
            data = bytes(self.received[channel])
            self.received[channel].clear()
        if self.over:
            raise Cancelled("the call was cancelled")
        if data:
            self._session.send(lambda wire: wire.credit(self.id, channel, len(data)))
        return data

    def read_all(self, channel: int = 0) -> bytes:
        return b"".join(iter(lambda: self.read(channel), b""))

    def write(self, data: bytes, channel: int = 1) -> None:
        """Send all of `data`, as credit allows."""
        view = memoryview(data)
        while view:
            with self.changed:
                self.changed.wait_for(lambda: self.over or self._session.wire.sendable(self.id, channel) > 0)
                if self.over:
                    raise Cancelled("the call was cancelled")
                piece = bytes(view[: min(MAX_DATA, self._session.wire.sendable(self.id, channel))])
            self._session.send(lambda wire, piece=piece: wire.data(self.id, channel, piece))  # type: ignore[misc]
            view = view[len(piece) :]

    def end(self, channel: int = 1) -> None:
        self._session.send(lambda wire: wire.end(self.id, channel))

    def wait_over(self) -> None:
        """Until the client cancels, or goes away."""
        with self.changed:
            self.changed.wait_for(lambda: self.over)

    def hang_up(self) -> None:
        """Close the connection in the middle of everything, as a killed daemon does."""
        self._session.close()


class Session:
    """One connection."""

    def __init__(self, server: RpcServer, sock: socket.socket) -> None:
        self._server, self._sock = server, sock
        self._writing = threading.Lock()
        self._calls: dict[int, Served] = {}
        self.wire = Connection(Side.SERVER, cbor, max_incoming=MAX_FRAME_TO_DAEMON, hello=server.hello)

    def run(self) -> None:
        with contextlib.suppress(OSError, ConnectionLost, ProtocolFault):
            self.send(lambda wire: wire.hello())
            while data := self._sock.recv(65_536):
                with self._writing:
                    messages = self.wire.receive(data)
                for message in messages:
                    self._take(message)
        for call in list(self._calls.values()):
            with call.changed:
                call.over = True
                call.changed.notify_all()
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def send(self, make: Callable[[Connection], bytes]) -> None:
        with self._writing:
            try:
                self._sock.sendall(make(self.wire))
            except OSError:
                raise ConnectionLost("the client is gone") from None

    def _take(self, message: Message) -> None:
        if isinstance(message, CallReceived):
            call = Served(self, message.id, message.method, message.params)
            self._calls[call.id] = call
            self._server.calls.append((message.method, message.params))
            threading.Thread(target=self._answer, args=(call,), daemon=True).start()
        elif isinstance(message, (DataReceived, EndReceived, CreditReceived, CancelReceived)) and message.id in self._calls:
            call = self._calls[message.id]
            with call.changed:
                if isinstance(message, DataReceived):
                    call.received[message.channel] += message.data
                elif isinstance(message, EndReceived):
                    call.ended.add(message.channel)
                elif isinstance(message, CancelReceived):
                    call.over = True
                call.changed.notify_all()

    def _answer(self, call: Served) -> None:
        try:
            handler = self._server.handlers.get(call.method)
            if handler is None:
                raise NoSuchMethod(call.method)
            result = handler(call)
        except Exception as error:
            # A defect of a canned handler, too, has to end the call: a client that waits for ever says nothing.
            fault = error if isinstance(error, Fault) else Internal(f"{type(error).__name__}: {error}")
            with contextlib.suppress(Fault, RuntimeError):
                self.send(lambda wire: wire.fault(call.id, fault))
        else:
            with contextlib.suppress(Fault, RuntimeError):
                self.send(lambda wire: wire.reply(call.id, result))
        self._calls.pop(call.id, None)


class RpcServer:
    """The socket and its canned handlers; `calls` holds every call as (method, params)."""

    def __init__(self, path: Path, handlers: dict[str, Handler]) -> None:
        self.path, self.handlers = path, handlers
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.hello = Hello(version="0.0.0-test", role="daemon", features=(READ_ONLY,))
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.fspath(path))
        self._listener.listen(64)
        self._sessions: list[Session] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def params(self, method: str) -> dict[str, Any]:
        """The parameters of the newest call of `method`."""
        return next(params for name, params in reversed(self.calls) if name == method)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                session = Session(self, sock)
                self._sessions.append(session)
                threading.Thread(target=session.run, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for session in self._sessions:
            session.close()


@contextlib.contextmanager
def serving(path: Path, handlers: dict[str, Handler]) -> Iterator[RpcServer]:
    """A server at `path` while the body runs."""
    server = RpcServer(path, handlers)
    try:
        yield server
    finally:
        server.close()
