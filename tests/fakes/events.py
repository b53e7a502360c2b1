"""A hub that keeps what was published, and a sink that keeps what was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from volant.proto.api.event import Event
from volant.proto.errors import Lagged


class KeepingHub:
    """`ports.EventHub` without listeners: `published` holds every event in order."""

    def __init__(self) -> None:
        self.published: list[Event] = []

    def publish(self, events: tuple[Event, ...]) -> None:
        self.published += events

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Event]]:
        async def nothing() -> AsyncIterator[Event]:
            none: tuple[Event, ...] = ()
            for event in none:
                yield event

        yield nothing()

    def encoded(self, event: Event) -> bytes:
        return repr(event).encode()


class KeepingSink:
    """`ports.EventSink`. Tests steer it: while `stands` nothing more fits."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.stands = False
        self._more = trio.Event()

    async def send_encoded(self, *items: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._keep(items)

    def push_encoded(self, *items: bytes) -> None:
        if self.stands:
            raise Lagged("the sink is full")
        self._keep(items)

    async def wait_sent(self, count: int) -> list[bytes]:
        """All that was sent, once it is `count` items."""
        while len(self.sent) < count:
            await self._more.wait()
        return self.sent

    def _keep(self, items: tuple[bytes, ...]) -> None:
        self.sent += items
        self._more.set()
        self._more = trio.Event()
