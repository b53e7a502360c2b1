"""Deployments, their revisions, and which VM is whose replica."""

from __future__ import annotations

from typing import Any

from peewee import CompositeKey, ForeignKeyField, IntegerField, Model, SqliteDatabase, TextField


class Table(Model):
    class Meta:
        strict_tables = True


class Deployment(Table):
    name = TextField(primary_key=True)
    replicas = IntegerField()
    max_unavailable = IntegerField()
    min_ready_ms = IntegerField()
    paused = IntegerField()
    deleting = IntegerField()
    revision = IntegerField()
    rolling_revision = IntegerField()
    generation = IntegerField()
    created_at = TextField()

    class Meta:
        table_name = "deployments"


class RevisionRow(Table):
    deployment = ForeignKeyField(Deployment, column_name="deployment", on_delete="CASCADE", index=False)
    revision = IntegerField()
    template = TextField()
    note = TextField()
    created_at = TextField()
    author = TextField()
    origin = TextField()

    class Meta:
        table_name = "deployment_revisions"
        primary_key = CompositeKey("deployment", "revision")


MODELS = (Deployment, RevisionRow)


def up(migrator: Any, db: SqliteDatabase) -> None:
    with db.bind_ctx(MODELS):
        db.create_tables(MODELS, safe=False)
    run: Any = db.execute_sql
    # Said in SQL: peewee would build the table anew, and dropping the old one would take the VMs' configs and leases with it.
    run('ALTER TABLE vms ADD COLUMN deployment TEXT REFERENCES deployments ("name") ON DELETE RESTRICT')
    run("ALTER TABLE vms ADD COLUMN revision INTEGER NOT NULL DEFAULT 0")
    run('CREATE INDEX "vm_deployment" ON vms ("deployment")')
