"""A byte pipe into a fake guest, without a task behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio


class GuestTime(Protocol):
    """What happens in the guest by itself. Nothing runs for it: whoever waits on one of its pipes makes it happen."""

    def advance(self) -> None:
        """Do what is due."""

    def due(self) -> float:
        """trio time of the next thing to do; infinity when there is none."""


class FakePipe(trio.abc.Stream):
    """The host's end. `deliver` is called with what the host sends, and answers with `put`; `end` is the guest hanging up."""

    def __init__(self, time: GuestTime, deliver: Callable[[bytes], None]) -> None:
        self._time = time
        self._deliver = deliver
        self._incoming = bytearray()
        self._changed = trio.lowlevel.ParkingLot()
        self._ended = False
        self._closed = False

    @property
    def open(self) -> bool:
        """Neither side has closed it."""
        return not (self._ended or self._closed)

    def put(self, data: bytes) -> None:
        """The guest says `data`."""
        self._incoming += data
        self._changed.unpark_all()

    def end(self) -> None:
        """The guest's end is gone."""
        self._ended = True
        self._changed.unpark_all()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError
        if self._ended:
            raise trio.BrokenResourceError
        self._deliver(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            self._time.advance()
            if self._incoming:
                data = bytes(self._incoming[:max_bytes])
                del self._incoming[:max_bytes]
                return data
            if self._ended:
                return b""
            with trio.move_on_at(self._time.due()):
                await self._changed.park()

    async def aclose(self) -> None:
        self._closed = True
        self._changed.unpark_all()
        await trio.lowlevel.checkpoint()
