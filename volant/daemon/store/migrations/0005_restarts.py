"""The restarts that a VM's policy makes, and under which boot of the host it was last started."""

from __future__ import annotations

from typing import Any

from peewee import SqliteDatabase


def up(migrator: Any, db: SqliteDatabase) -> None:
    run: Any = db.execute_sql
    # Said in SQL, as in step 2: peewee would build the table anew.
    run("ALTER TABLE vms ADD COLUMN retries TEXT NOT NULL DEFAULT '{}'")
    run("ALTER TABLE vms ADD COLUMN host_boot TEXT NOT NULL DEFAULT ''")
