"""The tables, as peewee models. They give the SQL its words (`statements`) and the drift test its truth; nobody outside this room sees one.

Rows are read and written as tuples in the order of the fields here (`rows` converts). Booleans are INTEGER and structures are
TEXT holding JSON, because STRICT tables know no other types.
"""

from __future__ import annotations

from peewee import SQL, CompositeKey, ForeignKeyField, IntegerField, Model, SqliteDatabase, TextField
from playhouse.sqlite_ext import AutoIncrementField

DIALECT = SqliteDatabase(None)
"""Makes peewee speak SQLite's dialect. Never connected: each thread runs the finished SQL on a connection of its own."""


class Table(Model):
    """STRICT, so that a wrong type is refused at the write and not met at a read."""

    class Meta:
        database = DIALECT
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
    """JSON [pid, start_time, boot_id]."""
    ip = TextField()
    mac = TextField()
    tap = TextField()
    forwards = TextField()
    """JSON list of [guest_port, host_port, protocol, host_ip]."""
    hypervisor = TextField()
    accel = TextField()
    health = TextField()
    reason = TextField()
    error = TextField(null=True)
    """JSON, the wire form of a fault."""
    created_at = TextField()
    started_at = TextField()
    ready_at = TextField()
    stopped_at = TextField()
    ready_ms = IntegerField()
    deployment = ForeignKeyField(Deployment, column_name="deployment", on_delete="RESTRICT", null=True)
    """Null: of none. RESTRICT: a deployment can't be forgotten while it has VMs."""
    revision = IntegerField(constraints=[SQL("DEFAULT 0")])
    booted_config = IntegerField(constraints=[SQL("DEFAULT 0")])
    retries = TextField(constraints=[SQL("DEFAULT '{}'")])
    """JSON, the fields of `Retries` that are not their defaults."""
    host_boot = TextField(constraints=[SQL("DEFAULT ''")])
    exit_code = IntegerField(null=True)
    exit_signal = IntegerField(constraints=[SQL("DEFAULT 0")])
    lease = TextField(null=True)
    """JSON, a `VmLease`."""

    class Meta:
        table_name = "vms"


class Config(Table):
    vm = ForeignKeyField(Vm, column_name="vm_id", on_delete="CASCADE", index=False)
    version = IntegerField()
    config = TextField()
    created_at = TextField()
    author = TextField()
    origin = TextField(constraints=[SQL("DEFAULT ''")])
    note = TextField(constraints=[SQL("DEFAULT ''")])

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
    """RESTRICT: a VM can't go while anything of it may still be on the host."""

    kind = TextField()
    name = TextField()
    vm = ForeignKeyField(Vm, column_name="vm_id", on_delete="RESTRICT", null=True)
    """Null: the daemon's own."""
    detail = TextField()
    created_at = TextField()

    class Meta:
        table_name = "objects"
        primary_key = CompositeKey("kind", "name")


class EventRow(Table):
    """`vm_id` is no foreign key: what happened to a VM is remembered after it is gone."""

    seq = AutoIncrementField()
    """AUTOINCREMENT, so that numbers never come again even when the newest rows are pruned."""
    time = TextField()
    kind = TextField(index=True)
    vm = TextField(index=True)
    vm_id = TextField(index=True)
    message = TextField()
    data = TextField()
    deployment = TextField(index=True, constraints=[SQL("DEFAULT ''")])

    class Meta:
        table_name = "events"


MODELS: tuple[type[Table], ...] = (Deployment, RevisionRow, Vm, Config, Plugin, LeaseRow, ObjectRow, EventRow)
