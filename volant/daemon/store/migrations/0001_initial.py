"""The first schema."""

from __future__ import annotations

from typing import Any

from peewee import CompositeKey, ForeignKeyField, IntegerField, Model, SqliteDatabase, TextField
from playhouse.sqlite_ext import AutoIncrementField


class Table(Model):
    class Meta:
        strict_tables = True


class Vm(Table):
    id = TextField(primary_key=True)
    name = TextField(unique=True)
    plugin = TextField()
    plugin_version = TextField()
    config_version = IntegerField()
    wanted = TextField()
    wanted_generation = IntegerField()
    state = TextField()
    generation = IntegerField()
    boot = IntegerField()
    process = TextField(null=True)
    ip = TextField()
    mac = TextField()
    tap = TextField()
    forwards = TextField()
    hypervisor = TextField()
    accel = TextField()
    health = TextField()
    reason = TextField()
    error = TextField(null=True)
    created_at = TextField()
    started_at = TextField()
    ready_at = TextField()
    stopped_at = TextField()
    ready_ms = IntegerField()

    class Meta:
        table_name = "vms"


class Config(Table):
    vm = ForeignKeyField(Vm, column_name="vm_id", on_delete="CASCADE", index=False)
    version = IntegerField()
    config = TextField()
    created_at = TextField()
    author = TextField()

    class Meta:
        table_name = "vm_configs"
        primary_key = CompositeKey("vm", "version")


class Plugin(Table):
    name = TextField()
    version = TextField()
    manifest = TextField()
    enabled = IntegerField()
    artifacts = TextField()
    installed_at = TextField()
    warnings = TextField()

    class Meta:
        table_name = "plugins"
        primary_key = CompositeKey("name", "version")


class LeaseRow(Table):
    ip = TextField(primary_key=True)
    vm = ForeignKeyField(Vm, column_name="vm_id", on_delete="CASCADE")
    mac = TextField()

    class Meta:
        table_name = "leases"


class ObjectRow(Table):
    kind = TextField()
    name = TextField()
    vm = ForeignKeyField(Vm, column_name="vm_id", on_delete="RESTRICT", null=True)
    detail = TextField()
    created_at = TextField()

    class Meta:
        table_name = "objects"
        primary_key = CompositeKey("kind", "name")


class EventRow(Table):
    seq = AutoIncrementField()
    time = TextField()
    kind = TextField(index=True)
    vm = TextField(index=True)
    vm_id = TextField(index=True)
    message = TextField()
    data = TextField()

    class Meta:
        table_name = "events"


MODELS = (Vm, Config, Plugin, LeaseRow, ObjectRow, EventRow)


def up(migrator: Any, db: SqliteDatabase) -> None:
    with db.bind_ctx(MODELS):
        db.create_tables(MODELS, safe=False)
