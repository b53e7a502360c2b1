"""A listener that answers clients as a script says: what a daemon would say, changed, cut short or without an end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fuzz.mutants import framed
from volant.proto import cbor
from volant.proto.connection import Connection, Side
from volant.proto.errors import ProtocolFault
from volant.proto.frames import MAX_FRAME_TO_DAEMON
from volant.proto.messages import CallReceived, Hello, Kind

ID = "$id"
"""In the place of a message's call: the one that is answered."""

ENDLESS_BYTES = 1024 * 1024
"""How much is sent to a client before it has listened for too long."""

QUIET_S = 1.0
"""How long it waits for a client to say anything: one that waits for it as long would wait for ever."""

CONNECTIONS = 5
"""Answered in one script; who comes again is sent away, for a stream that goes on each time may be followed for ever."""

PATIENCE_S = 30.0
"""How long anything may take; it takes milliseconds on an idle machine."""


class HostileDaemon:
    """A script is `{"greets": bool, "answers": {method: [message...]}, "damage": [[place, bits]...], "endless": message or None}`.

    The damage is done to the bytes of each answer; an endless one never ends its call, and says that message again and again. The
    connection is closed behind the first answer that is damaged or ends no call, and at the first method that has none.
    """

    def __init__(self, path: Path) -> None:
        self._script: dict[str, Any] = {}
        self._left = 0
        self.overheard = False
        """A client listened to all that was sent to it without an end."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def play(self, script: dict[str, Any]) -> None:
        """Answer the next clients so."""
        self._script, self._left, self.overheard = script, CONNECTIONS, False

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            with connected, contextlib.suppress(OSError, ProtocolFault):
                self._left -= 1
                if self._left >= 0:
                    connected.settimeout(QUIET_S)
                    self._converse(connected, self._script)

    def _converse(self, connected: socket.socket, script: dict[str, Any]) -> None:
        wire = Connection(Side.SERVER, cbor, max_incoming=MAX_FRAME_TO_DAEMON, hello=Hello("daemon", "1"))
        if script["greets"]:
            connected.sendall(wire.hello())
        while data := connected.recv(65_536):
            for message in wire.receive(data):
                if isinstance(message, CallReceived):
                    said = script["answers"].get(message.method)
                    if said is None or not self._answer(connected, script, message.id, said):
                        return
                    if script["damage"] or not any(map(ends_call, said)):
                        return

    def _answer(self, connected: socket.socket, script: dict[str, Any], id: int, said: list[Any]) -> bool:
        """Whether the client may ask on."""
        is_endless = script["endless"] is not None
        stream = bytearray(b"".join(about(id, each) for each in said if not (is_endless and ends_call(each))))
        for place, bits in script["damage"]:
            if stream:
                stream[place % len(stream)] ^= bits
        connected.sendall(stream)
        if is_endless:
            more = about(id, script["endless"]) * 1_000
            for _ in range(ENDLESS_BYTES // len(more)):
                connected.sendall(more)
            self.overheard = True
            return False
        return True


def ends_call(message: Any) -> bool:
    return isinstance(message, list) and message[:2] in ([Kind.REPLY, ID], [Kind.FAULT, ID])


def about(id: int, message: Any) -> bytes:
    """The frame of a script's message about that call."""
    if isinstance(message, list) and len(message) > 1 and message[1] == ID:
        message = [message[0], id, *message[2:]]
    return framed(message)


@contextlib.contextmanager
def hostile_daemon(path: Path) -> Iterator[HostileDaemon]:
    daemon = HostileDaemon(path)
    try:
        yield daemon
    finally:
        daemon.close()


def reply(value: Any) -> list[Any]:
    return [int(Kind.REPLY), ID, value]


def item(value: Any) -> list[Any]:
    return [int(Kind.ITEM), ID, value]
