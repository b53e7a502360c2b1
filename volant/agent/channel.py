"""The agent's end of the byte pipe to the daemon: attach, re-attach, and what a virtio-serial port does in between.

no host      read gives b"" at once and poll reports a hang-up for ever: look again every ABSENT_POLL_S instead of waiting
bytes        `Acceptor` finds each preamble in them, whatever of an old session stands before it
preamble     the old session is dropped, preamble and hello are answered, a new session begins
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping

from volant.agent.loop import HUNG_UP, WRITABLE, Loop
from volant.agent.session import Handler, Outbox, Session
from volant.proto.errors import ProtocolFault
from volant.proto.preamble import NONCE_BYTES, Acceptor, preamble

PORT_NAME = "org.volant.agent.0"

PORTS = "/sys/class/virtio-ports"

ABSENT_POLL_S, ABSENT_MOST_S = 0.05, 0.4
"""Pause between two looks at a pipe without a host; it doubles from the first to the most, for a look costs 2 ms under emulation
and a daemon may be gone for long."""

PORT_POLL_S = 0.01
"""How often the port is looked for until it is there; the driver makes it shortly after it was loaded."""

WRITE_BYTES = 32_768
"""One write. A host that doesn't read lets 1,024 of them queue up in guest memory before the port is full."""

KNOCK = preamble(bytes(NONCE_BYTES))
"""Written when the pipe is opened: whatever the host wrote before that was lost, so it had better attach again now. A host takes
no answer but that to its own nonce, and skips this."""


def find_port() -> str:
    """The device of the agent's port; empty while there is none."""
    try:
        names = os.listdir(PORTS)
    except OSError:
        return ""
    for name in names:
        try:
            with open(f"{PORTS}/{name}/name") as file:
                if file.read().strip() == PORT_NAME:
                    return f"/dev/{name}"
        except OSError:
            continue
    return ""


async def open_port(loop: Loop) -> int:
    """Wait for the agent's port and open it."""
    while True:
        path = find_port()
        if path:
            try:
                return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                pass  # its device node comes a moment later
        await loop.sleep(PORT_POLL_S)


class Channel:
    """Serves one session after the other on one pipe."""

    def __init__(self, loop: Loop, handlers: Mapping[str, Handler], on_defect: Callable[[str], None]) -> None:
        self._loop = loop
        self._handlers, self._on_defect = handlers, on_defect
        self.outbox = Outbox(loop)
        self._session: Session | None = None

    async def run(self, open_pipe: Callable[[Loop], Awaitable[int]]) -> None:
        """For ever: the host may come and go."""
        fd = await open_pipe(self._loop)
        self.outbox.put(KNOCK)
        self._loop.spawn(self._write(fd), "channel writer")
        acceptor, pause = Acceptor(), ABSENT_POLL_S
        while True:
            data = await self._read(fd)
            if not data:
                self._drop()
                await self._loop.sleep(pause)
                acceptor, pause = Acceptor(), min(pause * 2, ABSENT_MOST_S)
                continue
            pause = ABSENT_POLL_S
            for nonce, piece in acceptor.feed(data):
                if nonce is not None:
                    self._begin(nonce)
                self._take(piece)

    def _begin(self, nonce: bytes) -> None:
        self._drop()
        self._session = Session(self._loop, self.outbox, self._handlers, self._on_defect)
        self.outbox.put(preamble(nonce) + self._session.hello())

    def _take(self, piece: bytes) -> None:
        session = self._session
        if session is None or session.over or not piece:
            return
        try:
            session.receive(piece)
        except ProtocolFault as fault:
            session.close()
            self.outbox.put(session.farewell(fault))

    def _drop(self) -> None:
        """Forget the session and whatever was to be written for it; the peer skips a frame that is cut by this."""
        if self._session is not None:
            self._session.close()
            self._session = None
            self.outbox.clear()

    async def _read(self, fd: int) -> bytes:
        try:
            return await self._loop.read(fd)
        except OSError:
            return b""

    async def _write(self, fd: int) -> None:
        unsent = self.outbox.unsent
        while True:
            if not unsent:
                await self.outbox.changed.wait()
                continue
            try:
                written = os.write(fd, bytes(unsent[:WRITE_BYTES]))
            except BlockingIOError:
                events = await self._loop.wait_ready(fd, WRITABLE)
                if events & HUNG_UP and not events & WRITABLE:
                    await self._loop.sleep(ABSENT_POLL_S)
            except OSError:
                await self._loop.sleep(ABSENT_POLL_S)
            else:
                del unsent[:written]
                self.outbox.changed.notify()
