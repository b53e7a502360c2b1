"""A connected QMP monitor: the thin shell round `qmp`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from volant.daemon.hypervisors.qemu.qmp import Greeting, Happened, QmpBroken, QmpMessage, QmpReader, Refused, Returned, command
from volant.proto.errors import GuestFailed

READ_BYTES = 16_384
"""One read: some dozens of messages."""


class MonitorGone(Exception):
    """The connection ended: QEMU has, or it closed the monitor."""


class Monitor:
    """One negotiated connection. `run` has to be running while commands are made; `on_event` gets every event."""

    def __init__(self, stream: trio.abc.Stream, on_event: Callable[[Happened], None]) -> None:
        self._stream = stream
        self._on_event = on_event
        self._reader = QmpReader()
        self._sending = trio.Lock()
        self._next_number = 1
        self._waiting: dict[int, trio.MemorySendChannel[Returned | Refused]] = {}
        self._closed = False
        self.version = ""

    async def negotiate(self) -> None:
        """Take the greeting and leave negotiation mode; MonitorGone or QmpBroken when the peer does otherwise."""
        number = self._number()
        while True:
            for message in await self._receive():
                match message:
                    case Greeting():
                        self.version = message.version
                        await self._send(command(number, "qmp_capabilities"))
                    case Returned() if message.id == number:
                        return
                    case Refused():
                        raise QmpBroken(f"capabilities refused: {message.description}")
                    case Happened():
                        self._on_event(message)

    async def run(self) -> None:
        """Read until the connection ends or the peer breaks the rules; then commands under way fail, and this returns."""
        try:
            while True:
                for message in await self._receive():
                    self._route(message)
        except (MonitorGone, QmpBroken):
            pass
        finally:
            self._closed = True
            for waiting in self._waiting.values():
                waiting.close()

    async def execute(self, name: str) -> Any:
        """Carry out one command without arguments; its value. GuestFailed when QEMU refuses, or is gone before it answers."""
        number = self._number()
        send, receive = trio.open_memory_channel[Returned | Refused](1)
        self._waiting[number] = send
        try:
            if self._closed:
                raise MonitorGone
            await self._send(command(number, name))
            answer = await receive.receive()
        except (MonitorGone, trio.EndOfChannel):
            raise GuestFailed(f"QEMU went away during `{name}`", hint="see the VM's state") from None
        finally:
            del self._waiting[number]
            send.close()
            receive.close()
        if isinstance(answer, Refused):
            raise GuestFailed(f"QEMU refused `{name}`: {answer.description}")
        return answer.value

    def _route(self, message: QmpMessage) -> None:
        match message:
            case Happened():
                self._on_event(message)
            case Returned(id=int(number)) | Refused(id=int(number)):
                # An answer to nobody is what a cancelled command leaves behind.
                if waiting := self._waiting.get(number):
                    try:
                        waiting.send_nowait(message)
                    except trio.WouldBlock:
                        raise QmpBroken(f"two answers to command {number}") from None

    async def _receive(self) -> list[QmpMessage]:
        try:
            data = await self._stream.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if not data:
            raise MonitorGone
        return self._reader.feed(bytes(data))

    async def _send(self, data: bytes) -> None:
        async with self._sending:
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise MonitorGone from None

    def _number(self) -> int:
        number, self._next_number = self._next_number, self._next_number + 1
        return number


@asynccontextmanager
async def open_monitor(path: Path, on_event: Callable[[Happened], None]) -> AsyncIterator[Monitor]:
    """A negotiated monitor on the socket at `path`. OSError, MonitorGone or QmpBroken when there is none."""
    stream = await trio.open_unix_socket(path)
    async with stream:
        monitor = Monitor(stream, on_event)
        await monitor.negotiate()
        yield monitor
