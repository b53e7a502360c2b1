"""A hub that keeps what was published."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from volant.proto.api.event import Event


class KeepingHub:
    """`ports.EventHub` without listeners: `published` holds every event in order."""

    def __init__(self) -> None:
        self.published: list[Event] = []

    def publish(self, events: tuple[Event, ...]) -> None:
        self.published += events

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Event]]:
        async def nothing() -> AsyncIterator[Event]:
            for event in ():
                yield event

        yield nothing()

    def encoded(self, event: Event) -> bytes:
        return repr(event).encode()
