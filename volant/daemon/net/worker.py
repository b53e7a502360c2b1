"""One thread that runs blocking jobs in order, for objects that must stay in a single thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import outcome
import trio

T = TypeVar("T")


class Worker:
    """Starts its thread with the first job, so that a daemon without a use for it has none."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, job: Callable[[], T]) -> T:
        """Run `job` after those queued before it; its result or exception.

        Cancelling is looked at before the job is queued, not after: whoever waits learns what became of the host.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()

        def do() -> None:
            result = outcome.capture(job)
            token.run_sync_soon(trio.lowlevel.reschedule, task, result)

        self._jobs.put(do)
        done: T = await trio.lowlevel.wait_task_rescheduled(_not_cancellable)
        return done

    def close(self) -> None:
        """End the thread once the queued jobs are done. Call when nobody waits for a job any more."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _not_cancellable(_raise_cancel: Any) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED
