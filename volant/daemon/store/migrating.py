"""Bringing the schema up to date, one numbered step at a time, with a copy kept from before each. Blocking; runs in a thread."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Protocol, cast

from peewee import SqliteDatabase
from playhouse.migrations import Runner

from volant.daemon.store import problems
from volant.daemon.store.opening import ELSEWHERE, FILE_MODE, cannot_create, faults, raw
from volant.proto.errors import StoreFailed

MIGRATIONS = Path(__file__).with_name("migrations")
"""The steps that ship with this version."""

HISTORY_TABLE = "schema_migration"
"""peewee's record of the steps that were taken, by their file names."""

_log = logging.getLogger("volant.store")


class _Step(Protocol):
    """What `playhouse.migrations` (which ships no types) tells of one migration."""

    idx: int
    name: str
    path: str | None
    """None: it was applied, and no such file ships with this version."""
    applied: object | None


def migrate(database: SqliteDatabase, path: Path, *, migrations: Path) -> None:
    """Take all the steps that are missing. The database is as it was before a step that fails. StoreFailed, HostShort."""
    with faults(path):
        tables = set(database.get_tables())
        if tables and HISTORY_TABLE not in tables:
            raise StoreFailed(
                f"{path} is a database of another program (tables {', '.join(sorted(tables)[:3])})",
                hint=f"move it away or {ELSEWHERE}",
            )
        runner = Runner(database, str(migrations), table_name=HISTORY_TABLE)
        steps = [cast(_Step, step) for step in runner.status()]
    _refuse_newer(path, steps)
    version = max((step.idx for step in steps if step.applied), default=0)
    is_new = version == 0
    for step in steps:
        if not step.applied:
            _take(runner, step, database, path, version, keep_copy=not is_new)
            version = step.idx


def _refuse_newer(path: Path, steps: list[_Step]) -> None:
    newest = max(step.idx for step in steps if step.path)
    unknown = [step for step in steps if step.path is None]
    if unknown:
        raise StoreFailed(
            f"{path} has schema version {unknown[-1].idx} ({unknown[-1].name}); this volantd knows up to {newest}",
            hint=f"install the newer Volant again, or put back the copy from before its upgrade: {path.name}.bak-{newest}",
        )


def _take(runner: Runner, step: _Step, database: SqliteDatabase, path: Path, version: int, *, keep_copy: bool) -> None:
    kept = None
    if keep_copy:
        kept = backup_path(path, version)
        with faults(kept):
            back_up(raw(database), kept)
    try:
        runner.up(target=step.name)
    except Exception as error:  # a step is any code; peewee's context has rolled it back
        if isinstance(error.__context__, sqlite3.Error) and problems.is_about_the_disk(error.__context__):
            raise problems.explain(error.__context__, path) from error
        raise StoreFailed(
            f"the schema of {path} could not be brought from version {version} to {step.idx} ({step.name}): {error}",
            hint="the database is as it was" + (f", and a copy is {kept}" if kept else "") + "; the earlier Volant still works with it",
        ) from error
    _log.info("schema of %s is at version %d (%s)", path, step.idx, step.name)


def backup_path(path: Path, version: int) -> Path:
    return path.with_name(f"{path.name}.bak-{version}")


def back_up(connection: sqlite3.Connection, target: Path) -> None:
    """A consistent copy by SQLite's backup API, on disk under its name only when whole."""
    partial = target.with_name(f"{target.name}.partial")
    try:
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE))
        with closing(sqlite3.connect(partial)) as copy:
            connection.backup(copy)
        _flush(partial)
        os.replace(partial, target)
        _flush(target.parent)
    except OSError as error:
        raise cannot_create(target, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
