"""The store the daemon runs with: `ports.Store` on one SQLite file.

One thread writes, many transactions a disk flush; another reads beside it (WAL), so that a long list never delays a commit.
A read sees every commit that has returned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio
from peewee import SqliteDatabase

from volant.daemon.host.clock import utc_now
from volant.daemon.ports import Change, ConfigRecord, DeploymentRecord, HostObject, Lease, PluginRecord, VmRecord
from volant.daemon.store import migrating, opening, problems, rows
from volant.daemon.store import statements as sql
from volant.daemon.store.changes import Clock, apply_all
from volant.daemon.store.reserve import Reserve, lets_go
from volant.daemon.store.worker import Work, Worker, commit_group, open_worker, run_each
from volant.proto.api.deployment import Revision
from volant.proto.api.event import Event
from volant.proto.errors import HostShort

T = TypeVar("T")

TAKE_BACK_S = 10.0
"""Between two tries to hold space back again that was given up: a deletion is over by then."""

TRIM_STEP = 2_000
"""Events forgotten in one transaction: some milliseconds, so that commits don't wait behind a long delete."""


class SqliteStore:
    """`ports.Store`. Made by `open_store`."""

    def __init__(self, path: Path, writer: Worker, reader: Worker, now: Clock, reserve: Reserve | None) -> None:
        self.path = path
        self._writer, self._reader, self._now = writer, reader, now
        self._reserve = reserve
        self._take_back_at = 0.0

    async def commit(self, *changes: Change) -> tuple[Event, ...]:
        """NameTaken, AddressTaken and StoreFailed for what the tables refuse; HostShort and StoreFailed for what the disk refuses."""
        if not changes:
            return ()
        try:
            events = await self._do(self._writer, lambda connection: apply_all(connection, changes, self._now))
        except HostShort:
            if self._reserve is None or not lets_go(changes):
                raise
            self._take_back_at = trio.current_time() + TAKE_BACK_S
            await trio.to_thread.run_sync(self._reserve.give)
            events = await self._do(self._writer, lambda connection: apply_all(connection, changes, self._now))
        if self._reserve is not None and not self._reserve.held and trio.current_time() >= self._take_back_at:
            self._take_back_at = trio.current_time() + TAKE_BACK_S
            await trio.to_thread.run_sync(self._reserve.take)
        return events

    async def vms(self) -> tuple[VmRecord, ...]:
        return await self._all(sql.ALL_VMS, (), rows.vm_record)

    async def configs(self, vm_id: str) -> tuple[ConfigRecord, ...]:
        return await self._all(sql.VM_CONFIGS, (vm_id,), rows.config_record)

    async def latest_configs(self) -> dict[str, ConfigRecord]:
        return {record.vm_id: record for record in await self._all(sql.LATEST_CONFIGS, (), rows.config_record)}

    async def plugins(self) -> tuple[PluginRecord, ...]:
        return await self._all(sql.ALL_PLUGINS, (), rows.plugin_record)

    async def deployments(self) -> tuple[DeploymentRecord, ...]:
        return await self._all(sql.ALL_DEPLOYMENTS, (), rows.deployment_record)

    async def revisions(self) -> dict[str, tuple[Revision, ...]]:
        found: dict[str, tuple[Revision, ...]] = {}
        for deployment, revision in await self._all(sql.ALL_REVISIONS, (), rows.revision_record):
            found[deployment] = (*found.get(deployment, ()), revision)
        return found

    async def leases(self) -> tuple[Lease, ...]:
        return await self._all(sql.ALL_LEASES, (), rows.lease_record)

    async def objects(self) -> tuple[HostObject, ...]:
        return await self._all(sql.ALL_OBJECTS, (), rows.object_record)

    async def events(
        self, *, after: int, limit: int, vm: str = "", kinds: tuple[str, ...] = (), deployment: str = "", last: int = 0
    ) -> tuple[Event, ...]:
        """`vm` is a name or an id. With `last`, the newest so many that match, oldest first; at most `limit` either way."""
        query = sql.events_query(vm=bool(vm), deployment=bool(deployment), kinds=len(kinds), newest_first=last > 0)
        values: list[Any] = [] if last > 0 else [after]
        if vm:
            values += [vm, vm]
        if deployment:
            values.append(deployment)
        values += [*kinds, min(last, limit) if last > 0 else limit]
        found = await self._all(query, tuple(values), rows.event_record)
        return found[::-1] if last > 0 else found

    async def event_range(self) -> tuple[int, int]:
        return await self._do(self._reader, _event_range)

    async def trim_events(self, *, keep: int, since: str = "") -> int:
        gone = 0
        while True:
            dropped, more = await self._do(self._writer, lambda connection: _drop_oldest(connection, keep, since))
            gone += dropped
            if not more:
                return gone

    async def _all(self, query: str, values: tuple[Any, ...], convert: Callable[[rows.Row], T]) -> tuple[T, ...]:
        """Rows become records in the reader's thread too: a thousand of them take longer than the loop may be held up."""
        return await self._do(self._reader, lambda connection: tuple(map(convert, connection.execute(query, values))))

    async def _do(self, worker: Worker, work: Work[T]) -> T:
        try:
            return await worker.do(work)
        except sqlite3.Error as error:
            raise problems.explain(error, self.path) from error


@asynccontextmanager
async def open_store(
    path: Path, *, now: Clock = utc_now, busy_timeout_ms: int = opening.BUSY_TIMEOUT_MS, reserve: Reserve | None = None
) -> AsyncIterator[SqliteStore]:
    """Check the file, migrate it and serve it; leaving waits for what is queued. `reserve`: what a full disk has for letting go.

    The caller holds the state folder's lock (`lock.state_lock`). StoreFailed or HostShort when the file can't be used.
    """
    database = await trio.to_thread.run_sync(partial(prepare, path, busy_timeout_ms=busy_timeout_ms))
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(open_worker("store-writer", database, commit_group))
        reading = await trio.to_thread.run_sync(partial(opening.connect, path, busy_timeout_ms=busy_timeout_ms, readonly=True))
        reader = await stack.enter_async_context(open_worker("store-reader", reading, run_each))
        if reserve is not None:
            await trio.to_thread.run_sync(reserve.take)
        yield SqliteStore(path, writer, reader, now, reserve)


def prepare(path: Path, *, busy_timeout_ms: int = opening.BUSY_TIMEOUT_MS, migrations: Path = migrating.MIGRATIONS) -> SqliteDatabase:
    """The file as a sound, up-to-date database, open for writing. Blocking."""
    opening.check_place(path)
    database = opening.connect(path, busy_timeout_ms=busy_timeout_ms)
    try:
        opening.check_sound(database, path)
        migrating.migrate(database, path, migrations=migrations)
    except BaseException:
        database.close()
        raise
    return database


def _event_range(connection: sqlite3.Connection) -> tuple[int, int]:
    oldest, newest = connection.execute(sql.EVENT_RANGE).fetchone()
    return oldest or 0, newest or 0


def _drop_oldest(connection: sqlite3.Connection, keep: int, since: str) -> tuple[int, bool]:
    """One step towards keeping the newest `keep`, and of those only what happened `since` then: how many went, and whether more may
    have to. Numbers have no gaps, so we can subtract."""
    oldest, newest = _event_range(connection)
    if not oldest:
        return 0, False
    step = oldest + TRIM_STEP - 1
    end = newest - keep
    if since:
        (kept,) = connection.execute(sql.FIRST_SINCE, (TRIM_STEP, since)).fetchone()
        end = max(end, min(step, newest) if kept is None else kept - 1)
    step = min(end, step)
    if step < oldest:
        return 0, False
    return connection.execute(sql.DROP_EVENTS, (step,)).rowcount, step < newest
