"""Stores of earlier versions of Volant, with VMs that still run: made of today's, for no earlier version is at hand."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from volant.daemon.store.migrating import HISTORY_TABLE, MIGRATIONS
from volant.daemon.store.store import prepare

NOW = max(int(step.name[:4]) for step in MIGRATIONS.glob("[0-9]*.py"))
"""The version that this Volant's schema steps make."""

CONFIG_SINCE = {"restart": 5, "autostart": 5}
"""Fields of a VM's config that came with a step of the schema; what is stored before it has none."""


def put_back(database: Path, version: int) -> None:
    """Make of a store, which nobody may have open, one of that version: by that version's own steps, with the rows of today's as far as
    it has tables and columns for them."""
    earlier = database.with_name("earlier.db")
    with tempfile.TemporaryDirectory() as steps:
        for step in MIGRATIONS.glob("[0-9]*.py"):
            if int(step.name[:4]) <= version:
                shutil.copy(step, steps)
        prepare(earlier, migrations=Path(steps)).close()
    with closing(sqlite3.connect(earlier)) as connection, connection:
        connection.execute("ATTACH ? AS today", (str(database),))
        for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            if table != HISTORY_TABLE and not table.startswith("sqlite_"):
                columns = ", ".join(f'"{row[1]}"' for row in connection.execute(f'PRAGMA main.table_info("{table}")'))
                connection.execute(f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM today."{table}"')
        for vm_id, number, config in connection.execute("SELECT vm_id, version, config FROM main.vm_configs").fetchall():
            known = {key: value for key, value in json.loads(config).items() if CONFIG_SINCE.get(key, 0) <= version}
            connection.execute("UPDATE main.vm_configs SET config = ? WHERE vm_id = ? AND version = ?", (json.dumps(known), vm_id, number))
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    earlier.replace(database)
