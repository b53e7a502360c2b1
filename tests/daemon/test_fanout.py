"""Following over the seam between stored and live events, by many at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from tests.fakes.events import KeepingSink
from tests.fakes.store import MemoryStore
from tests.patience import PATIENCE_S
from volant.daemon.events import MAX_BEHIND, Hub
from volant.daemon.fanout import REPLAY_PAGE, STORE_AGAIN_S, Fanout
from volant.daemon.ports import EventDraft
from volant.proto.api.event import Event, Selection
from volant.proto.errors import Fault, Lagged, StoreFailed


@dataclass
class Follower:
    """One call of `follow`, and how it ended."""

    sink: KeepingSink = field(default_factory=KeepingSink)
    fault: Fault | None = None
    ended: trio.Event = field(default_factory=trio.Event)

    async def numbers(self, count: int) -> list[int]:
        with trio.fail_after(PATIENCE_S):
            return [int(item) for item in await self.sink.wait_sent(count)]

    async def reason(self) -> Fault:
        with trio.fail_after(PATIENCE_S):
            await self.ended.wait()
        assert self.fault is not None
        return self.fault


class Live:
    """A store, a hub and a fan-out that hear of each event as in the daemon."""

    def __init__(self, nursery: trio.Nursery, stored: int) -> None:
        self.store = MemoryStore()
        self._nursery = nursery
        self.hub = Hub(newest=stored, encode=lambda event: b"%d" % event.seq)
        self.fanout = Fanout(self.store, self.hub)

    async def happen(self, count: int = 1, *, vm: str = "", kind: str = "VM_LOG", deployment: str = "") -> None:
        for _ in range(count):
            draft = EventDraft(kind=kind, vm=vm, vm_id=vm and f"id-{vm}", deployment=deployment)
            self.hub.publish(await self.store.commit(draft))

    async def follow(self, after: int | None, select: Selection = Selection()) -> Follower:  # noqa: B008 - frozen
        follower = Follower()
        self._nursery.start_soon(self._follow, follower, after, select)
        await trio.testing.wait_all_tasks_blocked()
        return follower

    async def _follow(self, follower: Follower, after: int | None, select: Selection) -> None:
        try:
            await self.fanout.follow(follower.sink, after=after, select=select)
        except Fault as fault:
            follower.fault = fault
        follower.ended.set()


@asynccontextmanager
async def living(stored: int = 0) -> AsyncIterator[Live]:
    """A daemon's events, so many of them from before it started."""
    async with trio.open_nursery() as nursery:
        live = Live(nursery, stored)
        for _ in range(stored):
            await live.store.commit(EventDraft(kind="VM_LOG"))
        nursery.start_soon(live.fanout.run)
        await trio.testing.wait_all_tasks_blocked()
        yield live
        nursery.cancel_scope.cancel()


async def test_without_a_number_only_what_comes_is_told() -> None:
    async with living(stored=3) as live:
        follower = await live.follow(None)
        await live.happen(2)
        assert await follower.numbers(2) == [4, 5]


@pytest.mark.parametrize("stored", [0, 1, REPLAY_PAGE - 1, REPLAY_PAGE, REPLAY_PAGE + 1, 3 * REPLAY_PAGE])
async def test_stored_events_come_before_live_ones_without_gap_or_repeat(stored: int) -> None:
    async with living(stored + 5) as live:
        follower = await live.follow(5)
        await live.happen(10)
        assert await follower.numbers(stored + 10) == list(range(6, stored + 16))


async def test_no_event_is_lost_or_repeated_while_others_commit() -> None:
    """Twenty follow from different moments of a busy time on; committers publish in whatever order they wake up."""
    total, committers = 2_000, 20
    async with living() as live:
        followers: list[tuple[int, Follower]] = []

        async def begin() -> None:
            for _ in range(20):
                await trio.lowlevel.checkpoint()
                _, newest = await live.store.event_range()
                follower = Follower()
                followers.append((newest // 2, follower))
                live._nursery.start_soon(live._follow, follower, newest // 2, Selection())

        async with trio.open_nursery() as nursery:
            for _ in range(committers):
                nursery.start_soon(live.happen, total // committers)
            nursery.start_soon(begin)
        for after, follower in followers:
            assert await follower.numbers(total - after) == list(range(after + 1, total + 1))


async def test_only_what_was_asked_for_is_told_on_both_sides_of_the_seam() -> None:
    async with living() as live:

        async def some_of_each() -> None:
            for vm, kind in (("a", "VM_READY"), ("b", "VM_READY"), ("a", "VM_LOG"), ("", "SYSTEM_STARTED")):
                await live.happen(vm=vm, kind=kind)

        await some_of_each()
        one, other = await live.follow(0, Selection(vm="a", kinds=("VM_READY",))), await live.follow(0, Selection(vm="id-b"))
        await some_of_each()
        replicas = await live.follow(None, Selection(deployment="web"))
        await live.happen(vm="web-1", deployment="web")
        assert await replicas.numbers(1) == [9]
        assert await one.numbers(2) == [1, 5]
        assert await other.numbers(2) == [2, 6]


async def test_following_from_before_what_is_kept_is_refused() -> None:
    async with living(stored=10) as live:
        await live.store.trim_events(keep=4)
        assert await (await live.follow(6)).numbers(4) == [7, 8, 9, 10]
        refused = await (await live.follow(5)).reason()
        assert "oldest kept: 7" in refused.message
        assert refused.data == {"oldest": 7, "newest": 10}
        assert "list again" in refused.hint


async def test_following_from_before_when_all_is_forgotten() -> None:
    async with living(stored=10) as live:
        await live.store.trim_events(keep=0)
        assert isinstance(await (await live.follow(9)).reason(), Lagged)
        follower = await live.follow(10)
        await live.happen()
        assert await follower.numbers(1) == [11]


async def test_a_number_of_another_store_is_refused() -> None:
    async with living(stored=3) as live:
        assert "not of this store" in (await (await live.follow(4)).reason()).message


async def test_one_that_reads_too_slowly_is_told_how_far_it_came_and_goes_on_from_there() -> None:
    async with living() as live:
        slow, quick = await live.follow(None), await live.follow(None)
        await live.happen(3)
        assert await slow.numbers(3) == [1, 2, 3]
        slow.sink.stands = True
        await live.happen(4)
        reason = await slow.reason()
        assert reason.data["seen"] == 3
        assert "follow again after 3" in reason.hint
        again = await live.follow(reason.data["seen"])
        assert await again.numbers(4) == [4, 5, 6, 7]
        assert await quick.numbers(7) == [1, 2, 3, 4, 5, 6, 7]


async def test_a_burst_beyond_every_bound_reaches_those_who_read() -> None:
    """More than the hub keeps for a listener, published before the fan-out's task runs once: the store has it."""
    async with living() as live:
        follower = await live.follow(None)
        drafts = (EventDraft(kind="VM_LOG") for _ in range(2 * MAX_BEHIND))
        live.hub.publish(await live.store.commit(*drafts))
        assert await follower.numbers(2 * MAX_BEHIND) == list(range(1, 2 * MAX_BEHIND + 1))


async def test_a_burst_that_not_even_the_store_has_is_told_to_everybody() -> None:
    async with living() as live:
        followers = [await live.follow(None) for _ in range(2)]
        events = await live.store.commit(*(EventDraft(kind="VM_LOG") for _ in range(2 * MAX_BEHIND)))
        await live.store.trim_events(keep=10)
        live.hub.publish(events)
        for follower in followers:
            assert "list again" in (await follower.reason()).hint
        fresh = await live.follow(None)
        await live.happen()
        assert await fresh.numbers(1) == [2 * MAX_BEHIND + 1]


async def test_following_outlasts_a_store_that_fails(autojump_clock: trio.testing.MockClock) -> None:
    async with living() as live:
        follower = await live.follow(None)
        events: tuple[Event, ...] = await live.store.commit(*(EventDraft(kind="VM_LOG") for _ in range(2 * MAX_BEHIND)))
        live.store.read_failures.append(StoreFailed("reading failed"))
        live.hub.publish(events)
        assert await follower.numbers(2 * MAX_BEHIND) == list(range(1, 2 * MAX_BEHIND + 1))
        assert trio.current_time() == STORE_AGAIN_S


async def test_others_get_a_turn_while_a_thousand_are_told() -> None:
    async with living() as live:
        followers = [Follower() for _ in range(1_000)]
        for follower in followers:
            live._nursery.start_soon(live._follow, follower, None, Selection())
        await trio.testing.wait_all_tasks_blocked()
        events = await live.store.commit(EventDraft(kind="VM_LOG"))
        live.hub.publish(events)
        told: list[int] = []
        while not followers or told[-1:] != [len(followers)]:
            told.append(sum(bool(follower.sink.sent) for follower in followers))
            await trio.lowlevel.checkpoint()
        assert len(set(told)) > 10
