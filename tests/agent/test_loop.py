"""The agent's loop, on a clock that tests turn by hand."""

from __future__ import annotations

import os
import select
import socket

import pytest

from volant.agent.loop import Cancelled, Condition, Loop, Task, all_of


class Clock:
    """Stands still while anything happens, and jumps over every wait."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    def poll(self, epoll: select.epoll, patience: float | None) -> list[tuple[int, int]]:
        events = epoll.poll(0)
        if not events:
            assert patience is not None, "everybody waits for ever"
            self.at += patience
        return events


@pytest.fixture
def failures() -> list[tuple[str, BaseException]]:
    return []


@pytest.fixture
def loop(failures: list[tuple[str, BaseException]]) -> Loop:
    def note(task: Task, failure: BaseException) -> None:
        failures.append((task.name, failure))

    clock = Clock()
    return Loop(note, clock, clock.poll)


def test_sleepers_wake_in_the_order_of_their_times(loop: Loop) -> None:
    woken = []

    async def sleeper(seconds: float) -> None:
        await loop.sleep(seconds)
        woken.append(seconds)

    async def main() -> None:
        await all_of(loop, sleeper(0.3), sleeper(0.1), sleeper(0.2))

    loop.run(main())
    assert woken == [0.1, 0.2, 0.3]


def test_a_deadline_leaves_its_block_and_no_other(loop: Loop) -> None:
    async def main() -> None:
        with loop.move_on_after(10) as outer:
            with loop.move_on_after(0.05) as inner:
                await loop.sleep(1)
            assert inner.expired
            await loop.sleep(0.05)
        assert not outer.expired

    loop.run(main())


def test_a_deadline_that_is_not_reached_changes_nothing(loop: Loop) -> None:
    async def main() -> None:
        with loop.move_on_after(0.05) as deadline:
            await loop.sleep(0.01)
        await loop.sleep(0.2)
        assert not deadline.expired

    loop.run(main())


def test_cancelling_runs_clean_up_at_once(loop: Loop) -> None:
    cleaned = []

    async def victim() -> None:
        try:
            await loop.sleep(100)
        finally:
            cleaned.append(True)

    async def main() -> None:
        task = loop.spawn(victim(), "victim")
        await loop.sleep(0.01)
        loop.cancel(task)
        assert cleaned and task.done and isinstance(task.failure, Cancelled)

    loop.run(main())


def test_a_task_cancelled_before_its_first_step_never_runs(loop: Loop) -> None:
    ran = []

    async def victim() -> None:
        ran.append(True)

    async def main() -> None:
        task = loop.spawn(victim(), "victim")
        loop.cancel(task)
        await loop.sleep(0.01)
        assert task.done and not ran

    loop.run(main())


def test_a_failing_task_is_reported_and_ends_alone(loop: Loop, failures: list[tuple[str, BaseException]]) -> None:
    async def broken() -> None:
        raise ValueError("broken")

    async def main() -> None:
        loop.spawn(broken(), "broken")
        await loop.sleep(0.05)

    loop.run(main())
    assert [(name, str(failure)) for name, failure in failures] == [("broken", "broken")]


def test_the_first_failure_of_several_waits_cancels_the_others(loop: Loop) -> None:
    async def broken() -> None:
        await loop.sleep(0.01)
        raise ValueError("broken")

    async def main() -> None:
        before = loop.now()
        with pytest.raises(ValueError, match="broken"):
            await all_of(loop, loop.sleep(100), broken())
        assert loop.now() - before < 1

    loop.run(main())


def test_both_ends_of_one_descriptor_can_be_waited_for(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    got = []

    async def reader() -> None:
        got.append(await loop.read(ours.fileno()))

    async def main() -> None:
        task = loop.spawn(reader(), "reader")
        await loop.sleep(0.01)
        await loop.write_all(ours.fileno(), b"out")
        theirs.send(b"in")
        await task.wait()

    with ours, theirs:
        loop.run(main())
        assert theirs.recv(10) == b"out"
    assert got == [b"in"]


def test_a_descriptor_closed_and_reopened_after_a_cancel_is_no_confusion(loop: Loop) -> None:
    async def main() -> None:
        for _ in range(3):
            read, write = os.pipe2(os.O_NONBLOCK)
            waiter = loop.spawn(_drop(loop, read), "waiter")
            await loop.sleep(0.01)
            loop.cancel(waiter)
            os.close(read)
            os.close(write)
            # The same numbers again: what the first one waited for must not be in the way.
            assert os.pipe2(os.O_NONBLOCK) == (read, write)
            os.write(write, b"in")
            assert await loop.read(read) == b"in"
            os.close(read)
            os.close(write)

    loop.run(main())


async def _drop(loop: Loop, fd: int) -> None:
    await loop.read(fd)


def test_waking_everybody_once(loop: Loop) -> None:
    woken = []

    async def main() -> None:
        bell = Condition(loop)

        async def waiter(name: str) -> None:
            await bell.wait()
            woken.append(name)

        tasks = [loop.spawn(waiter(name), name) for name in "ab"]
        await loop.sleep(0.01)
        bell.notify()
        for task in tasks:
            await task.wait()

    loop.run(main())
    assert woken == ["a", "b"]
