"""A thread that owns one database connection, and runs for tasks what must not block the loop.

Work goes in through a `SimpleQueue` and its outcome comes back with `run_sync_soon`, one loop wake-up for a whole group. The queue needs
no bound of its own: every entry is a task that waits, and the tasks are bounded where calls come in.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

import outcome
import trio
from peewee import SqliteDatabase

from volant.daemon.store.opening import raw

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Outcome = outcome.Outcome[Any]
RunGroup = Callable[[sqlite3.Connection, Sequence[Work[Any]]], list[Outcome]]
"""Runs all the work; one outcome each, in order. What it raises goes to every task of the group."""

MAX_GROUP = 256
"""Most work taken at once. One fsync serves them all, and the last one's outcome waits for the whole group (some 10 ms)."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    task: trio.lowlevel.Task


class Worker:
    """See the module. Made by `open_worker`."""

    def __init__(self, database: SqliteDatabase, run_group: RunGroup) -> None:
        self._database, self._run_group = database, run_group
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._token = trio.lowlevel.current_trio_token()
        self._closed = False

    async def do(self, work: Work[T]) -> T:
        """Run `work` in the thread. Not cancellable: what was queued happens, so its outcome has to be known."""
        if self._closed:
            raise trio.ClosedResourceError("this store is closed")
        await trio.lowlevel.checkpoint_if_cancelled()
        self._queue.put(_Job(work, trio.lowlevel.current_task()))
        return cast(T, await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED))

    def close_nowait(self) -> None:
        """Let the thread end after what is queued."""
        self._closed = True
        self._queue.put(None)

    def run(self) -> None:
        """The thread's body. Closes the connection at the end."""
        connection = raw(self._database)
        open_ended = True
        while open_ended:
            jobs, open_ended = self._take_group()
            if jobs:
                # Whatever goes wrong in a group, its tasks are answered: they can't be cancelled, and would wait for ever.
                answer = outcome.capture(self._run_group, connection, [job.work for job in jobs])
                outcomes: list[Outcome] = answer.value if isinstance(answer, outcome.Value) else [answer] * len(jobs)
                try:
                    self._token.run_sync_soon(_deliver, jobs, outcomes)
                except trio.RunFinishedError:
                    open_ended = False
        self._database.close()

    def _take_group(self) -> tuple[list[_Job], bool]:
        """Wait for work, then take what else is there; and whether more may come."""
        jobs: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == MAX_GROUP:
                return jobs, True
            try:
                job = self._queue.get_nowait()
            except Empty:
                return jobs, True
        return jobs, False


def _deliver(jobs: list[_Job], outcomes: list[Outcome]) -> None:
    for job, result in zip(jobs, outcomes, strict=True):
        trio.lowlevel.reschedule(job.task, result)


@asynccontextmanager
async def open_worker(name: str, database: SqliteDatabase, run_group: RunGroup) -> AsyncIterator[Worker]:
    """Runs the thread; leaving waits until what is queued is done and the connection is closed."""
    worker = Worker(database, run_group)
    thread = threading.Thread(target=worker.run, name=name, daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.close_nowait()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(thread.join)


def run_each(connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Outcome]:
    """For reads: nothing ties them together."""
    return [outcome.capture(work, connection) for work in works]


def commit_group(connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Outcome]:
    """All in one durable transaction, each in a savepoint, so that one that is refused leaves its neighbours alone."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        # Somebody else holds the write lock, or the file is gone: trying each alone would only wait as long again for each.
        return [outcome.Error(error)] * len(works)
    try:
        outcomes = [_in_savepoint(connection, work) for work in works]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if len(works) == 1:
            return [outcome.Error(error)]
    else:
        return outcomes
    # The disk refused the group. Alone, the small ones may fit where a big one does not.
    return [commit_group(connection, [work])[0] for work in works]


def _in_savepoint(connection: sqlite3.Connection, work: Work[Any]) -> Outcome:
    """The work's outcome; raises what concerns the whole transaction."""
    connection.execute("SAVEPOINT work")
    result: Outcome = outcome.capture(work, connection)
    if isinstance(result, outcome.Error):
        if isinstance(result.error, sqlite3.Error):
            raise result.error
        connection.execute("ROLLBACK TO work")
    connection.execute("RELEASE work")
    return result
