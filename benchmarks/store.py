"""The store against plain sqlite3 with the same settings, in one run.

One transaction is what a VM's change of state costs: its record replaced and one event appended, flushed to disk.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

import trio

from benchmarks.result import Result
from tests.fakes.records import config_record, vm_record
from volant.daemon.ports import EventDraft, Put
from volant.daemon.store import rows
from volant.daemon.store import statements as sql
from volant.daemon.store.store import SqliteStore, open_store, prepare

WRITERS = 64
GROUPED, SINGLE = 12_000, 1_500
"""Transactions with WRITERS writers, and with one."""
VMS, EVENTS = 10_000, 100_000
READS = 300
TICK_SECONDS = 0.001
"""The loop asks to be woken this often; how much later it wakes is its stall."""

_PLAIN = "sqlite3, one by one"
_RAW = "same SQL, sqlite3"


def run() -> list[Result]:
    """Ten lines: writing with many and with one, reading, opening, and what the loop feels of it."""
    with tempfile.TemporaryDirectory() as folder:
        floor = _plain_writes(Path(folder, "plain.db"))
        writing = trio.run(_writes, Path(folder, "writes.db"), floor)
        path = Path(folder, "reads.db")
        trio.run(_fill, path)
        return writing + trio.run(_reads, path)


def _drafts(number: int) -> tuple[Put, EventDraft]:
    vm = vm_record(number)
    return Put(vm), EventDraft(kind="VM_RUNNING", vm=vm.name, vm_id=vm.id, message="the VMM runs", data={"pid": 4711})


def _plain_writes(path: Path) -> float:
    """Transactions a second with nothing around sqlite3: the floor."""
    prepare(path).close()
    vm, draft = vm_record(1), _drafts(1)[1]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = full")
        began = time.perf_counter()
        for _ in range(SINGLE):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(sql.PUT_VM, rows.vm_row(vm))
            connection.execute(sql.ADD_EVENT, rows.event_row(draft, "2026-01-31T12:00:00.000Z"))
            connection.execute("COMMIT")
        return SINGLE / (time.perf_counter() - began)


async def _writes(path: Path, floor: float) -> list[Result]:
    async with open_store(path) as store:
        idle = await _stalls_during(lambda: trio.sleep(1))
        many, many_ms = await _write(store, WRITERS, GROUPED)
        stalls = await _stalls_during(lambda: _write(store, WRITERS, GROUPED))
        one, one_ms = await _write(store, 1, SINGLE)
    idle_p99, stall_p99, many_p99, one_p99 = (_p99(values) for values in (idle, stalls, many_ms, one_ms))
    return [
        _at_least(f"durable transactions, {WRITERS} writers", many, floor, 4_000),
        _at_most(f"durable transaction, {WRITERS} writers, p99", many_p99, "", 0, 30),
        _at_least("durable transactions, 1 writer", one, floor, 700),
        _at_most("durable transaction, 1 writer, p99", one_p99, "", 0, 5),
        _at_most(f"loop stall beside {WRITERS} writers, p99", stall_p99, "idle loop", idle_p99, 10),
        _at_most(f"loop stall beside {WRITERS} writers, longest", max(stalls), "idle loop", max(idle), 50),
    ]


async def _write(store: SqliteStore, writers: int, count: int) -> tuple[float, list[float]]:
    """Transactions a second, and each one's milliseconds."""
    took: list[float] = []

    async def write(number: int) -> None:
        changes = _drafts(number)
        for _ in range(count // writers):
            began = time.perf_counter()
            await store.commit(*changes)
            took.append(_ms_since(began))

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for number in range(writers):
            nursery.start_soon(write, number)
    return len(took) / (time.perf_counter() - began), took


async def _stalls_during(work: Callable[[], Awaitable[object]]) -> list[float]:
    """How many milliseconds too late the loop woke a task, tick by tick."""
    late: list[float] = []

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await trio.sleep(TICK_SECONDS)
            late.append(_ms_since(began) - TICK_SECONDS * 1_000)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        await work()
        nursery.cancel_scope.cancel()
    return late


async def _fill(path: Path) -> None:
    async with open_store(path) as store:
        for start in range(0, VMS, 1_000):
            vms = [vm_record(number) for number in range(start, start + 1_000)]
            configs = [replace(config_record(vm.id), config={"env": {"A": "b"}}) for vm in vms]
            await store.commit(*map(Put, vms), *map(Put, configs))
        for start in range(0, EVENTS, 1_000):
            await store.commit(*(_drafts(number % VMS)[1] for number in range(start, start + 1_000)))


async def _reads(path: Path) -> list[Result]:
    began = time.perf_counter()
    async with open_store(path) as store:
        opened = _ms_since(began)
        vm_id = vm_record(VMS // 2).id
        get = await _median_ms(lambda: store.configs(vm_id))
        page = await _median_ms(lambda: store.events(after=EVENTS // 2, limit=100))
        last = await _median_ms(lambda: store.events(after=0, limit=50, last=50))
    with closing(sqlite3.connect(path)) as connection:
        raw_get = _raw_median_ms(connection, sql.VM_CONFIGS, (vm_id,))
        raw_page = _raw_median_ms(connection, sql.events_query(vm=False, deployment=False, kinds=0, newest_first=False), (EVENTS // 2, 100))
        raw_last = _raw_median_ms(connection, sql.events_query(vm=False, deployment=False, kinds=0, newest_first=True), (50,))
        began = time.perf_counter()
        connection.execute("PRAGMA quick_check").fetchall()
        checked = _ms_since(began)
    kept = f"{VMS:,} VMs and {EVENTS:,} events"
    return [
        _at_most(f"config of one VM, of {kept}", get, _RAW, raw_get, 1),
        _at_most("page of 100 events from the middle", page, _RAW, raw_page, 12),
        _at_most("last 50 events", last, _RAW, raw_last, 2),
        _at_most(f"open with {kept}", opened, "quick_check alone", checked, 500),
    ]


async def _median_ms(read: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(READS):
        began = time.perf_counter()
        await read()
        took.append(_ms_since(began))
    return median(took)


def _raw_median_ms(connection: sqlite3.Connection, query: str, values: tuple[object, ...]) -> float:
    took = []
    for _ in range(READS):
        began = time.perf_counter()
        connection.execute(query, values).fetchall()
        took.append(_ms_since(began))
    return median(took)


def _at_least(name: str, measured: float, floor: float, goal: int) -> Result:
    return Result(name, measured, "tx/s", _PLAIN, floor, measured / floor, f">= {goal:,} tx/s", measured >= goal)


def _at_most(name: str, measured: float, peer_name: str, peer: float, goal: int) -> Result:
    return Result(name, measured, "ms", peer_name, peer, measured / peer if peer else 0.0, f"<= {goal:g} ms", measured <= goal)


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100)[-1]


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1_000
