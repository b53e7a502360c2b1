"""The thread that blocking jobs run in."""

from __future__ import annotations

import threading

import pytest
import trio

from volant.daemon.net.worker import Worker


async def test_jobs_run_in_order_in_one_other_thread() -> None:
    worker, done = Worker("test"), list[int]()

    def job(number: int) -> int:
        done.append(number)
        return threading.get_ident()

    threads = {await worker.run(lambda number=number: job(number)) for number in range(5)}  # type: ignore[misc]
    assert done == [0, 1, 2, 3, 4]
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    worker.close()


async def test_exceptions_come_back() -> None:
    worker = Worker("test")
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    assert await worker.run(lambda: 7) == 7
    worker.close()


async def test_a_queued_job_is_waited_for_although_cancelled() -> None:
    worker, may_end, outcome = Worker("test"), threading.Event(), list[str]()

    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            outcome.append(await worker.run(lambda: "done" if may_end.wait(5) else "late"))

    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        nursery.start_soon(ask, scope)
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert outcome == []
        may_end.set()
    assert outcome == ["done"]
    worker.close()


async def test_a_cancelled_caller_queues_nothing() -> None:
    worker, ran = Worker("test"), list[int]()
    with trio.CancelScope() as scope:
        scope.cancel()
        await worker.run(lambda: ran.append(1))
    assert ran == []
    worker.close()
