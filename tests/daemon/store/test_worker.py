"""The store's threads: transactions share a disk flush, answers always come, and the loop is never held up."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.fakes.records import vm_record
from volant.daemon.ports import EventDraft, Put
from volant.daemon.store.store import open_store
from volant.daemon.store.worker import MAX_GROUP, commit_group
from volant.proto.errors import NameTaken


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE notes (text TEXT NOT NULL)")
    return connection


def note(text: str) -> Any:
    return lambda connection: connection.execute("INSERT INTO notes VALUES (?)", (text,)).rowcount


def notes(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY rowid")]


def refuse_after_writing(connection: sqlite3.Connection) -> None:
    note("half")(connection)
    raise NameTaken("VM", "x")


def fail_the_transaction(connection: sqlite3.Connection) -> None:
    note("half")(connection)
    connection.execute("ROLLBACK")
    raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("bad", [refuse_after_writing, fail_the_transaction, lambda connection: connection.execute("no sql")])
def test_work_that_fails_leaves_its_neighbours_alone(connection: sqlite3.Connection, bad: Any) -> None:
    one, failed, two = commit_group(connection, [note("one"), bad, note("two")])
    assert one.unwrap() == two.unwrap() == 1
    with pytest.raises((NameTaken, sqlite3.OperationalError)):
        failed.unwrap()
    assert notes(connection) == ["one", "two"]
    assert not connection.in_transaction
    connection.close()


def test_a_group_is_one_transaction(connection: sqlite3.Connection) -> None:
    said: list[str] = []
    connection.set_trace_callback(said.append)
    commit_group(connection, [note(str(number)) for number in range(50)])
    assert sum(statement.startswith("BEGIN") for statement in said) == sum(statement == "COMMIT" for statement in said) == 1
    connection.close()


async def test_a_commit_that_was_queued_happens_although_its_caller_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "volant.db"
    returned: list[int] = []

    async def commit(scope: trio.CancelScope) -> None:
        with scope:
            (event,) = await store.commit(Put(vm_record(1)), EventDraft(kind="VM_CREATED"))
            returned.append(event.seq)

    async with open_store(path) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()
                nursery.start_soon(commit, scope)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
                await trio.testing.wait_all_tasks_blocked()
                assert returned == []
                other.execute("ROLLBACK")
        assert returned == [1]
        assert await store.vms() == (vm_record(1),)


async def test_a_caller_that_is_cancelled_already_commits_nothing(tmp_path: Path) -> None:
    async with open_store(tmp_path / "volant.db") as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.commit(Put(vm_record(1)))
        assert scope.cancelled_caught
        assert await store.vms() == ()


async def test_closing_waits_for_what_is_queued_and_ends_the_threads(tmp_path: Path) -> None:
    before = threading.active_count()
    count = 2 * MAX_GROUP + 1
    seqs: list[int] = []

    async def commit() -> None:
        seqs.extend(event.seq for event in await store.commit(EventDraft(kind="VM_LOG")))

    async with trio.open_nursery() as nursery, open_store(tmp_path / "volant.db") as store:
        for _ in range(count):
            nursery.start_soon(commit)
        await trio.testing.wait_all_tasks_blocked()
    assert sorted(seqs) == list(range(1, count + 1))
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("store-")] == []
    assert threading.active_count() <= before + 1  # trio keeps one idle worker thread for a while
    with pytest.raises(trio.ClosedResourceError):
        await store.commit(EventDraft(kind="VM_LOG"))


async def test_opening_and_closing_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    async def open_once() -> int:
        async with open_store(tmp_path / "volant.db") as store:
            await store.commit(EventDraft(kind="VM_LOG"))
            await store.events(after=0, limit=10)
        return len(list(Path("/proc/self/fd").iterdir()))

    first = await open_once()
    for _ in range(5):
        assert await open_once() == first


async def test_a_value_that_is_no_json_is_its_callers_error_alone(tmp_path: Path) -> None:
    outcomes: list[str] = []
    async with open_store(tmp_path / "volant.db") as store:

        async def commit(data: dict[str, Any]) -> None:
            try:
                await store.commit(EventDraft(kind="VM_LOG", data=data))
            except (TypeError, ValueError) as error:
                outcomes.append(type(error).__name__)
            else:
                outcomes.append("stored")

        async with trio.open_nursery() as nursery:
            for data in ({"a": 1}, {"a": object()}, {"a": float("nan")}, {"b": 2}):
                nursery.start_soon(commit, data)
        assert sorted(outcomes) == ["TypeError", "ValueError", "stored", "stored"]
        assert await store.event_range() == (1, 2)
