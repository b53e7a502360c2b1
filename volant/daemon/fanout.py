"""Events to many followers at once: one task writes every event to every connection, without a task or a wake-up for each follower.

A thousand followers of a hundred events a second are a hundred thousand messages; handed from task to task they cost more than a core,
written one after the other a third of one. Nobody waits for anybody: what a follower's socket does not take is kept for it up to a
bound, and a follower beyond that is told how far it came and may follow on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import compress
from typing import NoReturn

import trio

from volant.daemon.events import LIST_AGAIN, MAX_BEHIND, Hub, check_known, too_slow
from volant.daemon.ports import EventSink, Store
from volant.proto.api.event import Event, Selection
from volant.proto.errors import Fault, HostShort, Lagged, StoreFailed

_log = logging.getLogger("volant.events")

EVENTS_PER_TURN = 64
"""Events written together: under load one write carries many, and a follower still hears of the first within milliseconds."""

PUSHES_PER_ROUND = 50
"""Events times followers written before others get a turn: some 0.3 ms, which other calls may be held up."""

STORE_AGAIN_S = 1.0
"""Pause before the store is asked again after it failed: a full disk doesn't empty faster."""

REPLAY_PAGE = 200
"""Stored events read at once: some 50 KB, and about 1 ms of the store's reader."""

REPLAYED_PER_ROUND = 32
"""Stored events encoded before others get a turn: about 0.5 ms."""

_EVERYTHING = Selection()


class Fanout:
    """Every event of a hub to everybody who follows. `run` it while anybody may."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store, self._hub = store, hub
        self._followers: set[_Follower] = set()
        self._begun = hub.newest
        """Number of the newest event that is being handed out or was. Who comes now gets the next one."""

    async def run(self) -> NoReturn:
        """Hand out what happens. Should this task itself fall behind the hub, it goes on with what the store has."""
        while True:
            try:
                async with self._hub.subscribe() as live:
                    await self._catch_up()
                    while True:
                        events = await live.take(EVENTS_PER_TURN)
                        await self._hand_out([event for event in events if event.seq > self._begun])
            except Lagged as lagged:
                if "oldest" in lagged.data:  # not even the store has it any more
                    self._end_all(lagged)
            except (StoreFailed, HostShort) as fault:
                _log.warning("followers of events wait for the store: %s", fault.message)
                await trio.sleep(STORE_AGAIN_S)

    async def follow(self, sink: EventSink, *, after: int | None, select: Selection) -> NoReturn:
        """Send `sink` every event with a greater number than `after` that `select` takes, once and in order, until the caller is cancelled.

        `after` None: what happens from now on. Raises Lagged when `after` is older than what is kept (data: oldest, newest), or when
        the other side reads too slowly (data: seen, newest).
        """
        at_end = after is None
        while after is not None and not at_end:
            after, at_end = await self._replay(sink, after, select)
        follower = _Follower(sink, select, self._hub.newest if after is None else after, replaying=after is not None)
        self._followers.add(follower)
        try:
            # What is handed out from here on is held back until all before it has been replayed.
            begun = self._begun
            while after is not None and after < begun and follower.reason is None:
                after, _ = await self._replay(sink, after, select)
            if after is not None and follower.reason is None:
                follower.go_live(after)
            raise await follower.wait_ended()
        finally:
            self._followers.remove(follower)

    async def _replay(self, sink: EventSink, after: int, select: Selection) -> tuple[int, bool]:
        """Send the next stored events; the number up to which everything has been looked at, and whether that is all for now."""
        page, seen, at_end = await _read_page(self._store, after, select)
        for start in range(0, len(page), REPLAYED_PER_ROUND):
            await sink.send_encoded(*map(self._hub.encoded, page[start : start + REPLAYED_PER_ROUND]))
        return seen, at_end

    async def _catch_up(self) -> None:
        at_end = False
        while not at_end:
            page, _, at_end = await _read_page(self._store, self._begun, _EVERYTHING)
            for start in range(0, len(page), EVENTS_PER_TURN):
                await self._hand_out(page[start : start + EVENTS_PER_TURN])

    def _end_all(self, lagged: Lagged) -> None:
        for follower in self._followers:
            follower.end(Lagged(lagged.message, hint=lagged.hint, **lagged.data))
        self._begun = self._hub.newest

    async def _hand_out(self, events: Sequence[Event]) -> None:
        if not events:
            return
        self._begun = events[-1].seq
        encoded = [self._hub.encoded(event) for event in events]
        pushed = 0
        for follower in tuple(self._followers):
            if follower.reason is None:
                follower.take(events, encoded)
                pushed += len(events)
            if pushed >= PUSHES_PER_ROUND:
                pushed = 0
                await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()


class _Follower:
    """One who follows: which events it wants, and how far it is."""

    def __init__(self, sink: EventSink, select: Selection, seen: int, *, replaying: bool) -> None:
        self.reason: Fault | None = None
        """Why it ended, once it has."""
        self._ended = trio.Event()
        self._sink, self._select, self._seen = sink, select, seen
        self._held: list[tuple[int, bytes]] | None = [] if replaying else None
        """Numbers and encodings of what came while it was still being sent what came before; None once it is live."""

    async def wait_ended(self) -> Fault:
        await self._ended.wait()
        assert self.reason is not None
        return self.reason

    def take(self, events: Sequence[Event], encoded: Sequence[bytes]) -> None:
        """Send those it wants, or end it."""
        newest = events[-1].seq
        if self._held is not None:
            self._held += [(event.seq, item) for event, item in zip(events, encoded, strict=True) if self._select.takes(event)]
            if len(self._held) > MAX_BEHIND:
                self.end(too_slow(self._seen, newest))
        elif self._select.everything and events[0].seq > self._seen:
            self._push(encoded, newest)
        else:
            wanted = (event.seq > self._seen and self._select.takes(event) for event in events)
            self._push(list(compress(encoded, wanted)), newest)

    def go_live(self, seen: int) -> None:
        """Everything up to `seen` has been sent: send what was held, and from now on what comes."""
        held, self._held = self._held, None
        self._seen = seen
        if held:
            self._push([item for seq, item in held if seq > seen], held[-1][0])

    def end(self, reason: Fault) -> None:
        self.reason = reason
        self._held = None
        self._ended.set()

    def _push(self, items: Sequence[bytes], newest: int) -> None:
        try:
            if items:
                self._sink.push_encoded(*items)
            self._seen = max(self._seen, newest)  # a replay may have been ahead of what is handed out
        except Lagged:
            self.end(too_slow(self._seen, newest))
        except Fault as fault:  # the connection broke
            self.end(fault)


async def _read_page(store: Store, after: int, select: Selection) -> tuple[tuple[Event, ...], int, bool]:
    """The next stored events that match, the number up to which everything has been looked at, and whether that is all for now."""
    _, newest = await store.event_range()
    page = await store.events(after=after, limit=REPLAY_PAGE, vm=select.vm, kinds=select.kinds, deployment=select.deployment)
    # Asked after reading: only then is it certain that nothing was pruned from under the page.
    oldest, _ = await store.event_range()
    _refuse_gap(after, oldest, newest)
    if len(page) == REPLAY_PAGE:
        return page, page[-1].seq, False
    return page, max(newest, page[-1].seq if page else 0), True


def _refuse_gap(after: int, oldest: int, newest: int) -> None:
    check_known(after, oldest, newest)
    if after < newest and (not oldest or after + 1 < oldest):
        raise Lagged(
            f"events after {after} are no longer kept (oldest kept: {oldest}, newest: {newest})",
            hint=LIST_AGAIN,
            oldest=oldest,
            newest=newest,
        )
