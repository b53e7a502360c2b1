"""Which deployment an event is about, itself or one of its VMs, so that events can be found by it."""

from __future__ import annotations

from typing import Any

from peewee import SqliteDatabase


def up(migrator: Any, db: SqliteDatabase) -> None:
    run: Any = db.execute_sql
    # Said in SQL, as in step 2: peewee would build the table anew.
    run("ALTER TABLE events ADD COLUMN deployment TEXT NOT NULL DEFAULT ''")
    run('CREATE INDEX "eventrow_deployment" ON events ("deployment")')
