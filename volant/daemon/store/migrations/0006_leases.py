"""How a VM's workload ended, and who runs the VM."""

from __future__ import annotations

from typing import Any

from peewee import SqliteDatabase


def up(migrator: Any, db: SqliteDatabase) -> None:
    run: Any = db.execute_sql
    # Said in SQL, as in step 2: peewee would build the table anew.
    run("ALTER TABLE vms ADD COLUMN exit_code INTEGER")
    run("ALTER TABLE vms ADD COLUMN exit_signal INTEGER NOT NULL DEFAULT 0")
    run("ALTER TABLE vms ADD COLUMN lease TEXT")
