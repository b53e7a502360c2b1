"""Committed events on their way to whoever listens: `Hub` hands them out, `follow` joins what is stored to what happens next.

Events have numbers without gaps, and both rely on it: a listener sees each number once and in order, or is told that it missed some.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import trio

from volant.daemon.ports import EventHub, Store
from volant.proto.api.event import Event
from volant.proto.errors import Lagged

MAX_BEHIND = 1_024
"""Events a subscriber may leave unread: ten seconds of a busy host. They are shared, so a full queue costs its pointers, 8 KiB."""

MAX_HELD = 1_024
"""Events kept back for one with a smaller number. Callers publish as soon as their commit returns, so that one is normally
a scheduler round away; by this many it is lost, and whoever listens is told so."""

REPLAY_PAGE = 200
"""Stored events read at once in `follow`: some 50 KB, and about 1 ms of the store's reader."""

_LIST_AGAIN = "list again, then follow from the number that the list gives"


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
        while not self._queue:
            if self._cut_off:
                raise Lagged(
                    f"events after {self._seen} were read too slowly and are lost to this listener (newest: {self._newest})",
                    hint=_LIST_AGAIN,
                    seen=self._seen,
                    newest=self._newest,
                )
            await self._reader.park()
        event = self._queue.popleft()
        self._seen = event.seq
        return event


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


@asynccontextmanager
async def follow(
    store: Store, hub: EventHub, *, after: int | None, vm: str = "", kinds: tuple[str, ...] = ()
) -> AsyncIterator[AsyncIterator[Event]]:
    """Every event with a greater number than `after` that matches, once and in order, for as long as the caller iterates.

    `after` None: what happens from now on. `vm` is a name or an id. Iterating raises Lagged when `after` is older than what
    is kept (data: oldest, newest), or when the caller is too slow (data: seen, newest).
    """
    async with AsyncExitStack() as stack:

        async def subscribe() -> AsyncIterator[Event]:
            return await stack.enter_async_context(hub.subscribe())

        live = await subscribe() if after is None else None
        yield await stack.enter_async_context(aclosing(_stored_then_live(store, subscribe, live, after or 0, vm, kinds)))


async def _stored_then_live(
    store: Store,
    subscribe: Callable[[], Awaitable[AsyncIterator[Event]]],
    live: AsyncIterator[Event] | None,
    after: int,
    vm: str,
    kinds: tuple[str, ...],
) -> AsyncGenerator[Event, None]:
    """Subscribes only when nearly caught up, so that a long replay doesn't overrun the queue; then reads the store once more, because
    what was committed before the subscription is only there. What is in both is told by its number."""
    caught_up = live is not None
    while live is None or not caught_up:
        page, after, at_end = await _read_page(store, after, vm, kinds)
        for event in page:
            yield event
        if at_end and live is None:
            live = await subscribe()
        else:
            caught_up = at_end
    async for event in live:
        if event.seq > after and (not vm or vm in (event.vm, event.vm_id)) and (not kinds or event.kind in kinds):
            yield event


async def _read_page(store: Store, after: int, vm: str, kinds: tuple[str, ...]) -> tuple[tuple[Event, ...], int, bool]:
    """The next stored events that match, the number up to which everything has been looked at, and whether that is all for now."""
    _, newest = await store.event_range()
    page = await store.events(after=after, limit=REPLAY_PAGE, vm=vm, kinds=kinds)
    # Asked after reading: only then is it certain that nothing was pruned from under the page.
    oldest, _ = await store.event_range()
    _refuse_gap(after, oldest, newest)
    if len(page) == REPLAY_PAGE:
        return page, page[-1].seq, False
    return page, max(newest, page[-1].seq if page else 0), True


def _refuse_gap(after: int, oldest: int, newest: int) -> None:
    if after > newest:
        raise Lagged(f"event {after} is not of this store, whose newest is {newest}", hint=_LIST_AGAIN, oldest=oldest, newest=newest)
    if after < newest and (not oldest or after + 1 < oldest):
        raise Lagged(
            f"events after {after} are no longer kept (oldest kept: {oldest}, newest: {newest})",
            hint=_LIST_AGAIN,
            oldest=oldest,
            newest=newest,
        )
