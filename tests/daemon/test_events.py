"""The hub: everybody in the daemon who listens hears of each event in order, or is told that it missed some."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from volant.daemon.events import MAX_BEHIND, MAX_HELD, Hub
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
        assert "follow again after 2" in told.value.hint

    async def test_what_is_queued_can_be_taken_together(self) -> None:
        hub = make_hub()
        async with hub.subscribe() as events:
            hub.publish((event(1), event(2), event(3)))
            assert [[one.seq for one in await events.take(2)] for _ in range(2)] == [[1, 2], [3]]

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
