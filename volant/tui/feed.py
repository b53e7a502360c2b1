"""The connection: kept up for as long as the UI runs, told to the desk as news. Never ends it, never blocks a key."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from sys import intern
from typing import Any

from volant.client.aio import AsyncClient, AsyncStream
from volant.proto.errors import Fault, Lagged, MalformedFrame
from volant.proto.messages import PACKED
from volant.tui.model import Changed, Connected, Connecting, EventsLost, Happened, Heard, Lost
from volant.tui.records import Alike, PackedRecord, Record, shared

FIRST_RETRY_S, SOON_S, LATE_S = 0.25, 0.8, 5.0
"""Pauses between tries, doubled each time up to SOON_S, after a while up to LATE_S: a daemon that is restarted is found within a
second, one that stays down costs next to nothing."""
RESTART_S = 60.0
"""How long a restart may take; later the tries become rare."""
JITTER = 0.2
"""Share by which a pause differs, so that many clients don't come at once."""
QUIET_S = 3.0
"""A connection that lived so long was a good one: the next pause is the first again."""


def changed(item: dict[str, Any]) -> Changed:
    """An item of `vm.watch`. MalformedFrame when what is packed doesn't fit together."""
    items: tuple[Record, ...] = (*map(shared, item["items"]), *_unpacked(item.get("packed") or {}))
    alike = tuple(map(_alike, item.get("alike", ())))
    return Changed(items, tuple(item["gone"]), item["seq"], item["complete"], tuple(item.get("altered", ())), alike)


def _alike(told: dict[str, Any]) -> Alike:
    """An `AlikeVms`."""
    fields, ids, columns = tuple(map(intern, told["fields"])), tuple(told["ids"]), told["columns"]
    _check_lengths([columns], len(fields))
    _check_lengths(columns, len(ids))
    return Alike(fields, ids, tuple(zip(*columns, strict=True)))


def _unpacked(packed: dict[str, Any]) -> list[Record]:
    """A `PackedVms`."""
    columns = [packed.get(name, ()) for name in ("ids", "names", "statuses", "records")]
    _check_lengths(columns, len(columns[0]))
    return [
        PackedRecord(record, {"id": vm_id, "name": name, "status": intern(status)})
        for vm_id, name, status, record in zip(*columns, strict=True)
    ]


def _check_lengths(columns: list[Any], length: int) -> None:
    if any(len(column) != length for column in columns):
        raise MalformedFrame("what volantd told of VMs has more of one thing than of another")


class Feed:
    """`run` it. `client` is the connection of the moment; `events_after` says which event is the last one that is known."""

    def __init__(
        self,
        path: str,
        tell: Callable[[Heard], None],
        clock: Callable[[], float],
        *,
        events_after: Callable[[], int],
        read_only: Callable[[], bool] = lambda: False,
    ) -> None:
        """`read_only` says whether the daemon is to refuse what would change something; it is asked before each connection."""
        self.path = path
        self._read_only = read_only
        self.tell, self._clock, self._events_after = tell, clock, events_after
        self.client: AsyncClient | None = None
        self.besides: Callable[[AsyncClient], Coroutine[Any, Any, None]] | None = None
        """What else is done with each connection once its list is there, for as long as it lasts."""
        self._now = asyncio.Event()
        self._conversation: asyncio.Task[None] | None = None

    def of(self, path: str, tell: Callable[[Heard], None]) -> Feed:
        """The feed of another daemon, which begins with the same settings."""
        return Feed(path, tell, self._clock, events_after=self._events_after, read_only=self._read_only)

    def again(self) -> None:
        """List anew; while disconnected, try now."""
        self._now.set()
        if self._conversation is not None:
            self._conversation.cancel()

    async def run(self) -> None:
        pause, down_since = FIRST_RETRY_S, self._clock()
        while True:
            begun = self._clock()
            self.tell(Connecting(begun))
            fault = await self._once()
            now = self._clock()
            if fault is None:  # asked to list anew
                pause, down_since = FIRST_RETRY_S, now
                continue
            if now - begun > QUIET_S:
                pause, down_since = FIRST_RETRY_S, now
            wait = pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
            self.tell(Lost(now, fault.message, fault.hint, now + wait))
            self._now.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._now.wait(), wait)
            pause = min(pause * 2, SOON_S if now - down_since < RESTART_S else LATE_S)

    async def _once(self) -> Fault | None:
        """One connection, until it ends: why it did; None when `again` ended it."""
        self._conversation = asyncio.create_task(self._converse())
        try:
            await self._conversation
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # it is the app that ends
                self._conversation.cancel()
                raise
            return None
        except Fault as fault:
            return fault
        finally:
            self.client, self._conversation = None, None
        return Fault("the daemon ended the list")

    async def _converse(self) -> None:
        async with AsyncClient(self.path, read_only=self._read_only(), reconnect=False) as client:
            hello = await client.daemon()
            self.client = client
            self.tell(Connected(self._clock(), hello.version))
            following: list[asyncio.Task[None]] = []
            try:
                wanted = {"deltas": True} | ({"packed": True} if PACKED in hello.features else {})
                async with self._open(client, "vm.watch", wanted) as changes:
                    async for item in changes:
                        self.tell(changed(item))
                        if not following and item["complete"]:
                            following = [asyncio.create_task(work(client)) for work in (self._follow, self.besides) if work is not None]
                    await changes.result()
            finally:
                for task in following:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    async def _follow(self, client: AsyncClient) -> None:
        """Events from the last known one on. A gap that can't be filled is told; the list says how things are either way."""
        after = self._events_after()
        while True:
            try:
                async with self._open(client, "event.follow", {"after": after}) as stream:
                    async for event in stream:
                        self.tell(Happened((event,)))
                    await stream.result()
            except Lagged as lagged:
                after = self._resume(lagged.data)
            except Fault:
                return  # the connection is gone, which the list tells; or the daemon has no events for us

    @staticmethod
    def _open(client: AsyncClient, method: str, params: dict[str, Any]) -> AsyncStream[Any]:
        return client.stream(method, params)

    def _resume(self, data: dict[str, Any]) -> int:
        """Where to follow from after having missed some."""
        if "seen" in data:  # read too slowly: what was missed is replayed
            return self._events_after()
        oldest, newest = int(data.get("oldest", 0)), int(data.get("newest", 0))
        self.tell(EventsLost(oldest or newest + 1))
        return max(oldest - 1, 0) if oldest else newest


class Silence(Feed):
    """Of a recording: there is no daemon, and nothing is ever heard."""

    def __init__(self, path: str) -> None:
        super().__init__(path, lambda news: None, lambda: 0.0, events_after=lambda: 0)

    async def run(self) -> None:
        await asyncio.Event().wait()
