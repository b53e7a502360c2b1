"""Whatever a power cut leaves of the files, the store opens them, and everything that was acknowledged is there, whole."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon.store import powerloss_writer as writer
from tests.daemon.store.powerloss import Call, Disk, Loss, Recording, record
from tests.fakes.records import vm_record
from volant.daemon.ports import EventDraft
from volant.daemon.store.migrating import HISTORY_TABLE, MIGRATIONS, backup_path
from volant.daemon.store.rows import config_row, event_row, vm_row
from volant.daemon.store.store import SqliteStore, open_store, prepare

ROUNDS = int(os.environ.get("VOLANT_POWERLOSS_ROUNDS", "0"))
"""0: at each sync one kind of loss, in turns, and every kind where more than the log is synced. N: every kind everywhere, N times."""

COMMITS = 70
"""Of each VM in one life of the store; some three checkpoints."""

LIVES = 3
"""Each but the first begins with what a power cut has left of the one before."""

SHARED_MEMORY = "-shm"
"""SQLite's index of the log: mapped, never synced, and made anew by whoever opens the files first."""


def chosen(recording: Recording, seed: int) -> Iterator[tuple[str, Disk, list[str], Loss, random.Random]]:
    """The cuts to try, each with a name that finds it again."""
    for place, operation, disk, said in recording.cuts():
        usual = operation.name.endswith("-wal")
        losses = list(Loss)
        if not ROUNDS and usual:
            losses = [losses[place % len(losses)]]
        for loss in losses:
            for turn in range(ROUNDS or 1):
                chance = random.Random(f"{seed} {place} {loss} {turn}")
                yield (
                    f"life {seed}, before operation {place} ({operation.call.name} {operation.name}), {loss.name}",
                    disk,
                    said,
                    loss,
                    chance,
                )


def lay_out(folder: Path, files: dict[str, bytes], chance: random.Random) -> Path:
    """The files in an empty folder, with nonsense in the shared memory half of the time; the database's path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if chance.random() < 0.5:
        (folder / f"volant.db{SHARED_MEMORY}").write_bytes(chance.randbytes(32_768))
    return folder / "volant.db"


def check_sound(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def check_promises(store: SqliteStore, said: list[str]) -> None:
    """What was said holds, and every commit is there whole or not at all."""
    told = Counter[str]()
    for line in said:
        what, seq = line.split()
        told[what] = max(told[what], int(seq))
    oldest, newest = await store.event_range()
    assert newest >= told["committed"]
    assert oldest >= told["kept"]
    assert newest - oldest + 1 >= min(newest, writer.KEEP)
    events = await store.events(after=0, limit=1_000_000)
    assert [event.seq for event in events] == (list(range(oldest, newest + 1)) if newest else [])
    last = {event.vm_id: event.data["generation"] for event in events}
    generations = {vm.id: vm.generation for vm in await store.vms()}
    assert last.items() <= generations.items()  # of one that had no turn for long, the last event may be forgotten
    there = {number: generations[vm_record(number).id] for number in range(writer.VMS) if vm_record(number).id in generations}
    for number, generation in there.items():
        configs = tuple(writer.config(number, version) for version in range(1, generation + 1))
        assert await store.configs(vm_record(number).id) == configs
    assert await store.leases() == tuple(writer.lease(number) for number in there)
    assert await store.objects() == tuple(writer.tap(number) for number, generation in there.items() if generation % 2)


@pytest.mark.slow
async def test_no_acknowledged_commit_is_lost_or_halved_by_a_power_cut(tmp_path: Path) -> None:
    folder, image = tmp_path / "disk", tmp_path / "image"
    folder.mkdir()
    tried = Counter[str]()
    promised: list[str] = []
    for life in range(LIVES):
        recording = record(folder, writer.__name__, str(folder / "volant.db"), str(COMMITS), leave_out=SHARED_MEMORY)
        checkpoints = sum(operation.call is Call.SYNC and operation.name == "volant.db" for operation in recording.operations)
        assert checkpoints >= 2
        left, promised_then = {}, promised
        for name, disk, said, loss, chance in chosen(recording, life):
            files = disk.after_cut(loss, chance)
            path = lay_out(image, files, chance)
            try:
                async with open_store(path) as store:
                    await check_promises(store, [*promised, *said])
                check_sound(path)
            except BaseException as error:
                error.add_note(name)
                raise
            tried[loss.name] += 1
            if loss is Loss.TORN and len(said) < COMMITS:
                left, promised_then = files, [*promised, *said]  # from the middle of this life: the next one begins with it
        promised = promised_then
        lay_out(folder, left, random.Random(life))
    print(f"power cuts: {tried.total()} ({', '.join(f'{count} {loss}' for loss, count in tried.items())})")
    assert tried.total() > 200
    assert set(tried) == {loss.name for loss in Loss}


REWRITES_EVENTS = """
from peewee import TextField

def up(migrator, db):
    migrator.migrate(migrator.add_column("events", "colour", TextField(default="grey")))
    db.execute_sql("UPDATE events SET message = upper(message)")
"""


@pytest.fixture
async def old_store(tmp_path: Path) -> Path:
    """A store as the first version left it, with some hundred pages."""
    steps = tmp_path / "first"
    steps.mkdir()
    shutil.copy(MIGRATIONS / "0001_initial.py", steps)
    path = tmp_path / "disk" / "volant.db"
    path.parent.mkdir()
    prepare(path, migrations=steps).close()
    vm = vm_record(1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute(f"INSERT INTO vms VALUES ({', '.join('?' * 25)})", vm_row(vm)[:25])
        connection.execute("INSERT INTO vm_configs VALUES (?, ?, ?, ?, ?)", config_row(writer.config(1, 1))[:5])
        event = event_row(EventDraft(kind="VM_LOG", vm=vm.name, vm_id=vm.id, message=writer.MESSAGE), "2026-01-31T12:00:00.000Z")[:6]
        connection.executemany("INSERT INTO events VALUES (NULL, ?, ?, ?, ?, ?, ?)", [event] * 200)
        connection.execute("COMMIT")
    return path


def content(path: Path) -> list[str]:
    """The whole database as SQL, but for the times at which schema steps were taken."""
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if not line.startswith(f'INSERT INTO "{HISTORY_TABLE}"')]


def contents(folder: Path) -> dict[str, list[str]]:
    """Of the database and the copies beside it, by name. Every file is one of them, or SQLite's for one of them."""
    ours = [path for path in folder.iterdir() if not path.name.endswith((SHARED_MEMORY, "-wal", "-journal"))]
    return {path.name: content(path) for path in ours}


@pytest.mark.slow
async def test_a_power_cut_during_an_upgrade_leaves_the_old_store_or_the_new_and_whole_copies(old_store: Path, tmp_path: Path) -> None:
    steps = Path(shutil.copytree(MIGRATIONS, tmp_path / "steps", ignore=shutil.ignore_patterns("__pycache__")))
    newest = max(int(step.name[:4]) for step in steps.glob("[0-9]*.py"))
    (steps / f"{newest + 1:04}_colour.py").write_text(REWRITES_EVENTS)
    recording = record(old_store.parent, writer.__name__, str(old_store), "migrate", str(steps), leave_out=SHARED_MEMORY)
    expected = contents(old_store.parent)
    assert set(expected) == {"volant.db", *(backup_path(old_store, version).name for version in range(1, newest + 1))}
    image, tried = tmp_path / "image", 0
    for name, disk, _, loss, chance in chosen(recording, LIVES):
        path = lay_out(image, disk.after_cut(loss, chance), chance)
        try:
            prepare(path, migrations=steps).close()
            check_sound(path)
            assert contents(image) == expected
        except BaseException as error:
            error.add_note(name)
            raise
        tried += 1
    print(f"power cuts during an upgrade: {tried}")
    assert tried > 50
