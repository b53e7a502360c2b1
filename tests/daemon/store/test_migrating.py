"""Schema steps: taken once, with a copy from before, and not at all when one fails or the file is from a newer version."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peewee import SqliteDatabase
from playhouse.schema_diff import diff_models

from tests.earlier import NOW
from tests.fakes.records import config_record, deployment_record, vm_record
from volant.daemon.ports import EventDraft, Lease, Put
from volant.daemon.store.migrating import MIGRATIONS
from volant.daemon.store.models import MODELS
from volant.daemon.store.rows import config_row, vm_row
from volant.daemon.store.store import open_store, prepare
from volant.proto.errors import StoreFailed

NEXT = NOW + 1
COLOUR, BROKEN = f"{NEXT:04}_colour.py", f"{NEXT:04}_broken.py"

ADDS_A_COLUMN = """
from peewee import TextField

def up(migrator, db):
    migrator.migrate(migrator.add_column("vms", "colour", TextField(default="grey")))
"""
FAILS_HALF_WAY = """
def up(migrator, db):
    db.execute_sql("DELETE FROM events")
    db.execute_sql("ALTER TABLE vms DROP COLUMN reason")
    db.execute_sql("INSERT INTO nowhere VALUES (1)")
"""


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """The steps that ship, where a test can add to them."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store with one VM and three events."""
    path = tmp_path / "volant.db"
    async with open_store(path) as store:
        await store.commit(Put(vm_record(1)), *(EventDraft(kind="VM_LOG") for _ in range(3)))
    return path


def ask(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_the_models_are_what_the_migrations_make(tmp_path: Path) -> None:
    database: SqliteDatabase = prepare(tmp_path / "volant.db")
    difference = diff_models(database, list(MODELS))
    database.close()
    assert not difference, str(difference)


async def test_a_new_store_needs_no_backup(path: Path) -> None:
    assert not list(path.parent.glob("*.bak-*"))


async def test_a_step_is_taken_once_after_a_backup(path: Path, steps: Path) -> None:
    before = content(path)
    (steps / COLOUR).write_text(ADDS_A_COLUMN)
    prepare(path, migrations=steps).close()
    backup = path.with_name(f"volant.db.bak-{NOW}")
    assert ask(path, "SELECT name, colour FROM vms") == [("vm-1", "grey")]
    assert content(backup) == before
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    backup.unlink()
    prepare(path, migrations=steps).close()
    assert not backup.exists()


async def test_each_step_has_a_backup_of_its_own(path: Path, steps: Path) -> None:
    (steps / COLOUR).write_text(ADDS_A_COLUMN)
    (steps / f"{NEXT + 1:04}_size.py").write_text(ADDS_A_COLUMN.replace("colour", "size"))
    prepare(path, migrations=steps).close()
    assert {file.name for file in path.parent.glob("*.bak-*")} == {f"volant.db.bak-{NOW}", f"volant.db.bak-{NEXT}"}
    assert ask(path.with_name(f"volant.db.bak-{NEXT}"), "SELECT colour FROM vms") == [("grey",)]


async def test_a_step_that_fails_leaves_the_store_as_it_was(path: Path, steps: Path) -> None:
    before = content(path)
    (steps / BROKEN).write_text(FAILS_HALF_WAY)
    with pytest.raises(StoreFailed, match=rf"from version {NOW} to {NEXT} \({NEXT:04}_broken\): no such table: nowhere") as failed:
        prepare(path, migrations=steps)
    assert "the database is as it was" in failed.value.hint
    assert f"volant.db.bak-{NOW}" in failed.value.hint
    assert content(path) == before
    async with open_store(path) as store:
        assert await store.vms() == (vm_record(1),)


async def test_a_step_that_can_not_even_be_loaded_leaves_the_store_as_it_was(path: Path, steps: Path) -> None:
    before = content(path)
    (steps / BROKEN).write_text("import no_such_module")
    with pytest.raises(StoreFailed, match="no_such_module"):
        prepare(path, migrations=steps)
    assert content(path) == before


async def test_a_newer_schema_is_refused_and_not_touched(path: Path, steps: Path) -> None:
    (steps / COLOUR).write_text(ADDS_A_COLUMN)
    prepare(path, migrations=steps).close()
    before = content(path)
    with pytest.raises(StoreFailed, match=rf"schema version {NEXT} \({NEXT:04}_colour\); this volantd knows up to {NOW}") as refused:
        async with open_store(path):
            pass
    assert f"volant.db.bak-{NOW}" in refused.value.hint
    assert content(path) == before


async def test_going_back_to_the_backup_is_enough_for_the_earlier_version(path: Path, steps: Path) -> None:
    (steps / COLOUR).write_text(ADDS_A_COLUMN)
    prepare(path, migrations=steps).close()
    path.with_name(f"volant.db.bak-{NOW}").replace(path)
    async with open_store(path) as store:
        assert await store.vms() == (vm_record(1),)
        (event,) = await store.commit(EventDraft(kind="VM_LOG"))
        assert event.seq == 4


async def test_a_store_from_before_deployments_keeps_its_vms_with_all_they_had(tmp_path: Path) -> None:
    steps = tmp_path / "migrations"
    steps.mkdir()
    shutil.copy(MIGRATIONS / "0001_initial.py", steps)
    path = tmp_path / "volant.db"
    prepare(path, migrations=steps).close()
    vm = vm_record(1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"INSERT INTO vms VALUES ({', '.join('?' * 25)})", vm_row(vm)[:25])
        connection.execute("INSERT INTO vm_configs VALUES (?, ?, ?, ?, ?)", config_row(config_record(vm.id))[:5])
        connection.execute("INSERT INTO leases VALUES (?, ?, ?)", ("10.0.0.1", vm.id, "m"))
    async with open_store(path) as store:
        assert await store.vms() == (vm,)
        assert await store.configs(vm.id) == (config_record(vm.id),)
        assert await store.leases() == (Lease("10.0.0.1", vm.id, "m"),)
        await store.commit(Put(deployment_record("web")), Put(replace(vm, deployment="web", revision=3)))
        assert await store.vms() == (replace(vm, deployment="web", revision=3),)
