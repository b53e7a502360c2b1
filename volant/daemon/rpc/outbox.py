"""What waits to be sent on one connection: a bounded queue that is written without waiting as long as the socket takes it."""

from __future__ import annotations

import socket
from collections import deque

import trio

from volant.proto.errors import ConnectionLost

HIGH_WATER = 256 * 1024
"""Unsent bytes above which nobody may add more without waiting: the peer reads too slowly. About the size of a socket's own
buffer; with one reply on top (4 MiB at most) it bounds what a connection can make the daemon hold."""

STALL_SECONDS = 30.0
"""How long a peer may take nothing at all while somebody waits for room; then it is cut off. Long enough for a paused terminal
or a busy machine, short enough that what its calls hold is freed."""

_JOIN_BYTES = 64 * 1024
"""Pieces are joined to about this size for one send."""


class Outbox:
    """All writing to one non-blocking socket. `add` and `flush` never wait; `wait_room` does, for who must not overfill it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._pieces: deque[bytes] = deque()
        self._unsent = 0
        self._taken = 0
        self._blocked = trio.Event()
        """Set when the socket took no more, so that `run` has to go on."""
        self._changed = trio.Event()
        """Replaced after each send of `run`: what `wait_room` waits for."""

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._unsent

    @property
    def is_full(self) -> bool:
        return self._unsent > HIGH_WATER

    def add(self, frame: bytes) -> None:
        """Queue a frame for the next `flush`."""
        self._pieces.append(frame)
        self._unsent += len(frame)

    def send(self, frame: bytes) -> None:
        """`add` and `flush` at once; the short way for frames that go to many."""
        if self._pieces:
            self.add(frame)
            self.flush()
        else:
            self._unsent += len(frame)
            self._write(frame)

    def flush(self) -> None:
        """Write what the socket takes now; `run` writes the rest. ConnectionLost when the peer is gone."""
        while self._pieces and not self._blocked.is_set():
            self._send_some()

    async def run(self) -> None:
        """Write on whenever the socket takes more. One per outbox."""
        while True:
            await self._blocked.wait()
            await trio.lowlevel.wait_writable(self._socket)
            self._blocked = trio.Event()
            self.flush()
            changed, self._changed = self._changed, trio.Event()
            changed.set()

    async def wait_room(self) -> None:
        """Wait until the unsent bytes are few. ConnectionLost when the peer takes nothing for STALL_SECONDS."""
        self.flush()
        while self.is_full:
            before = self._taken
            with trio.move_on_after(STALL_SECONDS):
                await self._changed.wait()
                continue
            if self._taken == before:
                raise ConnectionLost(f"the peer read nothing for {STALL_SECONDS:.0f} s while {self._unsent} bytes waited for it")

    def clear(self) -> None:
        """Let go of what is still unsent: the connection has ended."""
        self._pieces.clear()
        self._unsent = 0

    async def wait_empty(self) -> None:
        """Wait until all is with the kernel."""
        self.flush()
        while self._pieces:
            await self._changed.wait()

    def _send_some(self) -> None:
        pieces = self._pieces
        batch = [pieces.popleft()]
        size = len(batch[0])
        while pieces and size < _JOIN_BYTES:
            size += len(pieces[0])
            batch.append(pieces.popleft())
        self._write(b"".join(batch) if len(batch) > 1 else batch[0])

    def _write(self, data: bytes) -> None:
        """Give `data` to the socket; what it does not take is first in the queue."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise ConnectionLost(f"the peer is gone: {error.strerror}") from None
        self._unsent -= sent
        self._taken += sent
        if sent < len(data):
            self._pieces.appendleft(data[sent:])
            self._blocked.set()
