"""Committed events on their way to whoever in the daemon listens; `fanout` brings them to clients.

Events have numbers without gaps, and all rely on it: a listener sees each number once and in order, or is told that it missed some.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from volant.proto.api.event import Event
from volant.proto.errors import Lagged

MAX_BEHIND = 1_024
"""Events a subscriber may leave unread: ten seconds of a busy host. They are shared, so a full queue costs its pointers, 8 KiB."""

MAX_HELD = 1_024
"""Events kept back for one with a smaller number. Callers publish as soon as their commit returns, so that one is normally
a scheduler round away; by this many it is lost, and whoever listens is told so."""


class Subscription:
    """One listener's queue. Iterating gives events in order, and raises Lagged once too many were left unread."""

    def __init__(self, seen: int) -> None:
        self._seen = self._newest = seen
        self._queue: deque[Event] = deque()
        self._cut_off = False
        self._reader = trio.lowlevel.ParkingLot()

    def offer(self, events: list[Event]) -> None:
        """Queue and wake the reader. Too many: they are all forgotten, so that a reader that stands still holds no memory."""
        self._newest = events[-1].seq
        if self._cut_off:
            return
        self._queue.extend(events)
        if len(self._queue) > MAX_BEHIND:
            self.cut_off()
        self._reader.unpark_all()

    def cut_off(self) -> None:
        self._cut_off = True
        self._queue.clear()
        self._reader.unpark_all()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        """Waits only while nothing is queued, so that a burst costs one wake-up; MAX_BEHIND bounds how long that can hold the loop."""
        await self._wait_queued()
        event = self._queue.popleft()
        self._seen = event.seq
        return event

    async def take(self, limit: int) -> list[Event]:
        """What is queued, at most `limit`; waits until something is."""
        await self._wait_queued()
        events = [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]
        self._seen = events[-1].seq
        return events

    async def _wait_queued(self) -> None:
        while not self._queue:
            if self._cut_off:
                raise too_slow(self._seen, self._newest)
            await self._reader.park()


class Hub:
    """`ports.EventHub`. `newest` is the last number the store gave out before; `encode` makes the wire form of an event."""

    def __init__(self, *, newest: int, encode: Callable[[Event], bytes]) -> None:
        self._newest, self._encode = newest, encode
        self._subscriptions: set[Subscription] = set()
        self._held: dict[int, Event] = {}
        self._encoded: dict[int, bytes] = {}

    @property
    def newest(self) -> int:
        """Number of the newest event that was handed out."""
        return self._newest

    def publish(self, events: tuple[Event, ...]) -> None:
        """Commits that return together reach their callers in any order; by number is how events leave here. Repeats are ignored."""
        self._held.update((event.seq, event) for event in events if event.seq > self._newest)
        self._release()
        if len(self._held) > MAX_HELD:
            for subscription in self._subscriptions:
                subscription.cut_off()
            self._newest = min(self._held) - 1
            self._release()

    def _release(self) -> None:
        """Hand out what follows the newest without a gap."""
        ready: list[Event] = []
        while (event := self._held.pop(self._newest + 1, None)) is not None:
            ready.append(event)
            self._newest = event.seq
            self._encoded.pop(event.seq - MAX_BEHIND, None)
        if ready:
            for subscription in self._subscriptions:
                subscription.offer(ready)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscription]:
        subscription = Subscription(self._newest)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)

    def encoded(self, event: Event) -> bytes:
        """The wire form, made once for all subscribers; kept for events that one of them may still have to read."""
        known = self._encoded.get(event.seq)
        if known is None:
            known = self._encode(event)
            if event.seq > self._newest - MAX_BEHIND:
                self._encoded[event.seq] = known
        return known


def too_slow(seen: int, newest: int) -> Lagged:
    """For a listener that was cut off after event `seen`."""
    return Lagged(
        f"events after {seen} were read too slowly, so no more are sent (newest: {newest})",
        hint=f"follow again after {seen}: what was missed is replayed as long as it is kept",
        seen=seen,
        newest=newest,
    )


LIST_AGAIN = "list again, then follow from the number that the list gives"
"""What to do when events that are asked for are not there."""


def check_known(after: int, oldest: int, newest: int) -> None:
    """Lagged (data: oldest, newest) for a number that this store has not come to: whoever has it knows it from another one."""
    if after > newest:
        raise Lagged(f"event {after} is not of this store, whose newest is {newest}", hint=LIST_AGAIN, oldest=oldest, newest=newest)
