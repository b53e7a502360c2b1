"""Opening the database file: every reason why it can't be used, told before anything relies on it. Blocking; runs in a thread."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peewee import DatabaseError, SqliteDatabase

from volant.daemon.store import problems
from volant.proto.errors import Fault, StoreFailed

BUSY_TIMEOUT_MS = 5_000
"""How long a write waits for a foreign process (a shell, a backup job) to let go. The daemon itself has one writer."""

JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024
"""What the WAL shrinks back to after a burst; below it the file is reused, which is faster than growing it anew."""

FILE_MODE = 0o600
"""Manifests and configs hold environment variables, and those hold secrets."""

ELSEWHERE = "name another folder with --state-dir or VOLANT_STATE_DIR"

DAMAGE_SHOWN = 3
"""How many of `quick_check`'s findings an error quotes; the first says what there is to know."""


def connect(path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, readonly: bool = False) -> SqliteDatabase:
    """An open connection with the store's settings; may be handed to another thread. Raises as `faults` does."""
    pragmas: dict[str, int | str] = {
        "busy_timeout": busy_timeout_ms,
        "journal_mode": "wal",
        "synchronous": "full",
        "foreign_keys": 1,
        "temp_store": "memory",
        "journal_size_limit": JOURNAL_LIMIT_BYTES,
    }
    if readonly:
        pragmas = {"busy_timeout": busy_timeout_ms, "query_only": 1, "temp_store": "memory"}
    database = SqliteDatabase(str(path), pragmas=pragmas, thread_safe=False, check_same_thread=False)
    with faults(path):
        database.connect()
    return database


def raw(database: SqliteDatabase) -> sqlite3.Connection:
    """The driver's connection inside; peewee's types don't know it."""
    untyped: Any = database
    connection: sqlite3.Connection = untyped.connection()
    return connection


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """What SQLite, with or without peewee around it, says about the file becomes a fault."""
    try:
        yield
    except sqlite3.Error as error:
        raise problems.explain(error, path) from error
    except DatabaseError as error:
        # peewee raises classes of its own while it handles the driver's exception, which tells more.
        if isinstance(error.__context__, sqlite3.Error):
            raise problems.explain(error.__context__, path) from error
        raise


def check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise StoreFailed(f"the state folder {folder} does not exist", hint=f"make it (`mkdir -p -m 0700 {folder}`) or {ELSEWHERE}")


def check_place(path: Path) -> None:
    """Refuse a place where the file can't be, and make an empty private file where none is."""
    check_folder(path.parent)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    except FileExistsError:
        _check_existing(path)
    except OSError as error:
        raise cannot_create(path, error) from error


def _check_existing(path: Path) -> None:
    if not path.is_file():
        raise StoreFailed(f"{path} is not a file", hint=f"move it away or {ELSEWHERE}")
    # Asked without opening: closing any descriptor of the file would drop the locks that SQLite holds through another one.
    for place, mode in ((path, os.R_OK | os.W_OK), (path.parent, os.R_OK | os.W_OK | os.X_OK)):
        if not os.access(place, mode, effective_ids=True):
            raise _forbidden(place)


def cannot_create(path: Path, error: OSError) -> Fault:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return problems.disk_full(path)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return _forbidden(path.parent)
    return StoreFailed(f"{path} can't be made: {error.strerror}", hint=ELSEWHERE)


def _forbidden(place: Path) -> StoreFailed:
    if os.statvfs(place).f_flag & os.ST_RDONLY:
        return StoreFailed(f"{place} lies on a read-only file system", hint=f"mount it for writing or {ELSEWHERE}")
    return StoreFailed(
        f"volantd (uid {os.geteuid()}) may not read and write {place}",
        hint="`chown -R` it to the user that runs volantd, or run as its owner",
    )


def check_sound(database: SqliteDatabase, path: Path) -> None:
    """SQLite's own look at every page; some milliseconds for each ten megabytes."""
    with faults(path):
        findings = [str(row[0]) for row in raw(database).execute("PRAGMA quick_check").fetchmany(DAMAGE_SHOWN)]
    if findings != ["ok"]:
        raise problems.damaged(path, "; ".join(findings))
