"""From where and how each version of a VM's config came about, and which one its latest boot has."""

from __future__ import annotations

from typing import Any

from peewee import SqliteDatabase


def up(migrator: Any, db: SqliteDatabase) -> None:
    run: Any = db.execute_sql
    # Said in SQL, as in step 2: peewee would build the tables anew.
    run("ALTER TABLE vm_configs ADD COLUMN origin TEXT NOT NULL DEFAULT ''")
    run("ALTER TABLE vm_configs ADD COLUMN note TEXT NOT NULL DEFAULT ''")
    run("ALTER TABLE vms ADD COLUMN booted_config INTEGER NOT NULL DEFAULT 0")
