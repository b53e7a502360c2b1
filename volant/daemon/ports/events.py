"""Committed events on their way to listeners."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from volant.proto.api.event import Event


class EventSink(Protocol):
    """Where encoded events are sent to."""

    async def send_encoded(self, *items: bytes) -> None:
        """Send them in order; waits while the other side reads too slowly."""

    def push_encoded(self, *items: bytes) -> None:
        """Send them in order without waiting. Lagged when the other side is too far behind, ConnectionLost when it is gone."""


class EventHub(Protocol):
    """Hands committed events to whoever listens now."""

    def publish(self, events: tuple[Event, ...]) -> None:
        """Never waits; a listener that is too far behind is cut off."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Events from now on; raises Lagged in the iterator when the subscriber was too slow."""

    def encoded(self, event: Event) -> bytes:
        """The event's wire form, made once and shared by all who send it."""
