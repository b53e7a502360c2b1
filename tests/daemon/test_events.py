"""The hub, and following over the seam between stored and live events."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from tests.fakes.store import MemoryStore
from volant.daemon.events import MAX_BEHIND, MAX_HELD, REPLAY_PAGE, Hub, follow
from volant.daemon.ports import EventDraft
from volant.proto.api.event import Event
from volant.proto.errors import Lagged


def event(seq: int, kind: str = "VM_LOG", vm: str = "") -> Event:
    return Event(seq=seq, time="", kind=kind, vm=vm, vm_id="", message="", data={})


def make_hub(newest: int = 0) -> Hub:
    return Hub(newest=newest, encode=lambda event: b"%d" % event.seq)


async def take(events: AsyncIterator[Event], count: int) -> list[int]:
    return [(await anext(events)).seq for _ in range(count)]


class TestHub:
    async def test_a_subscriber_gets_what_is_published_from_then_on(self) -> None:
        hub = make_hub()
        hub.publish((event(1),))
        async with hub.subscribe() as events:
            hub.publish((event(2), event(3)))
            assert await take(events, 2) == [2, 3]

    async def test_a_subscriber_waits_for_the_next_event(self, autojump_clock: trio.testing.MockClock) -> None:
        hub = make_hub()

        async def publish_later() -> None:
            await trio.sleep(5)
            hub.publish((event(1),))

        async with hub.subscribe() as events, trio.open_nursery() as nursery:
            nursery.start_soon(publish_later)
            assert await take(events, 1) == [1]
            assert trio.current_time() == 5

    async def test_events_published_out_of_order_come_in_order_and_once(self) -> None:
        hub = make_hub(newest=10)
        async with hub.subscribe() as events:
            hub.publish((event(13),))
            hub.publish((event(12), event(13)))
            hub.publish((event(9),))
            hub.publish((event(11),))
            hub.publish((event(14),))
            assert await take(events, 4) == [11, 12, 13, 14]

    async def test_a_slow_subscriber_is_told_what_it_saw_last_and_others_are_not_touched(self) -> None:
        hub = make_hub()
        async with hub.subscribe() as slow, hub.subscribe() as quick:
            hub.publish(tuple(event(seq) for seq in range(1, 4)))
            assert await take(slow, 2) == [1, 2]
            assert await take(quick, 3) == [1, 2, 3]
            for seq in range(4, MAX_BEHIND + 10):
                hub.publish((event(seq),))
                assert await take(quick, 1) == [seq]
            with pytest.raises(Lagged) as told:
                await anext(slow)
        assert told.value.data == {"seen": 2, "newest": MAX_BEHIND + 9}

    async def test_a_full_queue_is_not_yet_too_slow(self) -> None:
        hub = make_hub()
        async with hub.subscribe() as events:
            hub.publish(tuple(event(seq) for seq in range(1, MAX_BEHIND + 1)))
            assert await take(events, MAX_BEHIND) == list(range(1, MAX_BEHIND + 1))

    async def test_a_number_that_never_comes_ends_the_wait_for_it_and_is_told(self) -> None:
        hub = make_hub()
        async with hub.subscribe() as events:
            hub.publish(tuple(event(seq) for seq in range(2, MAX_HELD + 3)))
            with pytest.raises(Lagged):
                await anext(events)
        async with hub.subscribe() as events:
            hub.publish((event(MAX_HELD + 3),))
            assert await take(events, 1) == [MAX_HELD + 3]

    async def test_a_thousand_subscribers_share_one_encoding(self) -> None:
        made: list[int] = []

        def encode(event: Event) -> bytes:
            made.append(event.seq)
            return b"%d" % event.seq

        hub = Hub(newest=0, encode=encode)
        received: list[bytes] = []

        async def listen(task_status: trio.TaskStatus[None]) -> None:
            async with hub.subscribe() as events:
                task_status.started()
                for _ in range(3):
                    received.append(hub.encoded(await anext(events)))

        async with trio.open_nursery() as nursery:
            for _ in range(1_000):
                await nursery.start(listen)
            hub.publish((event(1), event(2)))
            hub.publish((event(3),))
        assert len(received) == 3_000
        assert made == [1, 2, 3]

    def test_old_events_are_encoded_without_being_kept(self) -> None:
        made: list[int] = []

        def encode(event: Event) -> bytes:
            made.append(event.seq)
            return b""

        hub = Hub(newest=MAX_BEHIND + 1, encode=encode)
        for _ in range(2):
            hub.encoded(event(1))
        assert made == [1, 1]


class Live:
    """A store and a hub that hear of each event as in the daemon."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.hub = make_hub()

    async def happen(self, count: int = 1, *, vm: str = "", kind: str = "VM_LOG") -> None:
        for _ in range(count):
            self.hub.publish(await self.store.commit(EventDraft(kind=kind, vm=vm, vm_id=vm and f"id-{vm}")))


class TestFollow:
    async def test_without_a_number_only_what_comes_is_told(self) -> None:
        live = Live()
        await live.happen(3)
        async with follow(live.store, live.hub, after=None) as events:
            await live.happen(2)
            assert await take(events, 2) == [4, 5]

    @pytest.mark.parametrize("stored", [0, 1, REPLAY_PAGE - 1, REPLAY_PAGE, REPLAY_PAGE + 1, 3 * REPLAY_PAGE])
    async def test_stored_events_come_before_live_ones_without_gap_or_repeat(self, stored: int) -> None:
        live = Live()
        await live.happen(stored + 5)
        async with follow(live.store, live.hub, after=5) as events:
            seen = await take(events, stored)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(live.happen, 10)
                seen += await take(events, 10)
        assert seen == list(range(6, stored + 16))

    async def test_no_event_is_lost_or_repeated_while_others_commit(self) -> None:
        """Twenty followers start at different moments of a busy time; committers publish in whatever order they wake up."""
        live = Live()
        total = 2_000

        async def commit_many() -> None:
            for _ in range(total // 20):
                await live.happen()

        async def check(after: int) -> None:
            async with follow(live.store, live.hub, after=after) as events:
                assert await take(events, total - after) == list(range(after + 1, total + 1))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(commit_many)
            for _ in range(20):
                await trio.lowlevel.checkpoint()
                _, newest = await live.store.event_range()
                nursery.start_soon(check, newest // 2)

    async def test_only_what_was_asked_for_is_told_on_both_sides_of_the_seam(self) -> None:
        live = Live()

        async def some_of_each() -> None:
            for vm, kind in (("a", "VM_READY"), ("b", "VM_READY"), ("a", "VM_LOG"), ("", "SYSTEM_STARTED")):
                await live.happen(vm=vm, kind=kind)

        await some_of_each()
        async with (
            follow(live.store, live.hub, after=0, vm="a", kinds=("VM_READY",)) as one,
            follow(live.store, live.hub, after=0, vm="id-b") as other,
        ):
            assert await take(one, 1) == [1]
            assert await take(other, 1) == [2]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(some_of_each)
                assert await take(one, 1) == [5]
                assert await take(other, 1) == [6]

    async def test_following_from_before_what_is_kept_is_refused(self) -> None:
        live = Live()
        await live.happen(10)
        await live.store.trim_events(keep=4)
        async with follow(live.store, live.hub, after=6) as events:
            assert await take(events, 4) == [7, 8, 9, 10]
        async with follow(live.store, live.hub, after=5) as events:
            with pytest.raises(Lagged, match="oldest kept: 7") as refused:
                await anext(events)
        assert refused.value.data == {"oldest": 7, "newest": 10}
        assert "list again" in refused.value.hint

    async def test_following_from_before_when_all_is_forgotten(self) -> None:
        live = Live()
        await live.happen(10)
        await live.store.trim_events(keep=0)
        async with follow(live.store, live.hub, after=9) as events:
            with pytest.raises(Lagged):
                await anext(events)
        async with follow(live.store, live.hub, after=10) as events, trio.open_nursery() as nursery:
            nursery.start_soon(live.happen)
            assert await take(events, 1) == [11]

    async def test_a_number_of_another_store_is_refused(self) -> None:
        live = Live()
        await live.happen(3)
        async with follow(live.store, live.hub, after=4) as events:
            with pytest.raises(Lagged, match="not of this store"):
                await anext(events)

    async def test_pruning_during_a_slow_replay_is_told(self) -> None:
        live = Live()
        await live.happen(3 * REPLAY_PAGE)
        async with follow(live.store, live.hub, after=0) as events:
            await take(events, REPLAY_PAGE)
            await live.store.trim_events(keep=1)
            with pytest.raises(Lagged):
                await anext(events)

    async def test_leaving_ends_the_subscription(self) -> None:
        live = Live()
        async with follow(live.store, live.hub, after=None) as events:
            await live.happen()
            await anext(events)
        await live.happen(MAX_BEHIND + 1)
        with pytest.raises(StopAsyncIteration):
            await anext(events)
