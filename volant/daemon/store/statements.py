"""The SQL of the store, rendered once: peewee takes 60-90 us to build a statement, SQLite a tenth of that to run one.

Values are bound in the order of the model's fields, as `rows` makes them; the values given to peewee here only hold their places.
"""

from __future__ import annotations

from functools import cache, reduce
from operator import and_
from typing import Any

from peewee import EXCLUDED, OP, Expression, Field, Insert, Tuple, fn

from volant.daemon.store.models import Config, Deployment, EventRow, LeaseRow, ObjectRow, Plugin, RevisionRow, Table, Vm


def _rendered(query: Any) -> str:
    sql: str = query.sql()[0]
    return sql


def _others(model: type[Table], fields: tuple[Field, ...]) -> list[Field]:
    """By name, because comparing fields makes SQL."""
    names = {field.name for field in fields}
    return [field for field in model._meta.sorted_fields if field.name not in names]


def _insert(model: type[Table], *without: Field) -> Insert:
    query: Insert = model.insert(dict.fromkeys(_others(model, without)))
    return query


def _upsert(model: type[Table], *key: Field, where: Expression | None = None) -> str:
    return _rendered(_insert(model).on_conflict(conflict_target=key, preserve=_others(model, key), where=where))


PUT_VM = _upsert(Vm, Vm.id)
DROP_VM = _rendered(Vm.delete().where(Vm.id == ""))
VM_BY_NAME = _rendered(Vm.select(Vm.id).where(Vm.name == ""))
ALL_VMS = _rendered(Vm.select().order_by(Vm.created_at, Vm.id))

PUT_CONFIG = _rendered(_insert(Config))
DROP_CONFIG = _rendered(Config.delete().where((Config.vm == "") & (Config.version == 0)))
CONFIG_EXISTS = _rendered(Config.select(Config.version).where((Config.vm == "") & (Config.version == 0)))
VM_CONFIGS = _rendered(Config.select().where(Config.vm == "").order_by(Config.version))
LATEST_CONFIGS = _rendered(
    Config.select().where(Tuple(Config.vm, Config.version).in_(Config.select(Config.vm, fn.MAX(Config.version)).group_by(Config.vm)))
)

PUT_PLUGIN = _upsert(Plugin, Plugin.name, Plugin.version)
DROP_PLUGIN = _rendered(Plugin.delete().where((Plugin.name == "") & (Plugin.version == "")))
ALL_PLUGINS = _rendered(Plugin.select().order_by(Plugin.name, Plugin.version))

PUT_DEPLOYMENT = _upsert(Deployment, Deployment.name)
DROP_DEPLOYMENT = _rendered(Deployment.delete().where(Deployment.name == ""))
DEPLOYMENT_VMS = _rendered(Vm.select(Vm.name).where(Vm.deployment == "").order_by(Vm.name))
ALL_DEPLOYMENTS = _rendered(Deployment.select().order_by(Deployment.name))

PUT_REVISION = _rendered(_insert(RevisionRow))
DROP_REVISION = _rendered(RevisionRow.delete().where((RevisionRow.deployment == "") & (RevisionRow.revision == 0)))
REVISION_EXISTS = _rendered(RevisionRow.select(RevisionRow.revision).where((RevisionRow.deployment == "") & (RevisionRow.revision == 0)))
ALL_REVISIONS = _rendered(RevisionRow.select().order_by(RevisionRow.deployment, RevisionRow.revision))

PUT_LEASE = _upsert(LeaseRow, LeaseRow.ip, where=Expression(LeaseRow.vm, OP.EQ, EXCLUDED.vm_id))
"""Changes no row when the address belongs to another VM."""
DROP_LEASE = _rendered(LeaseRow.delete().where(LeaseRow.ip == ""))
LEASE_OWNER = _rendered(LeaseRow.select(LeaseRow.vm).where(LeaseRow.ip == ""))
ALL_LEASES = _rendered(LeaseRow.select().order_by(LeaseRow.ip))

PUT_OBJECT = _upsert(ObjectRow, ObjectRow.kind, ObjectRow.name, where=Expression(ObjectRow.vm, OP.IS, EXCLUDED.vm_id))
"""Changes no row when the object has another owner."""
DROP_OBJECT = _rendered(ObjectRow.delete().where((ObjectRow.kind == "") & (ObjectRow.name == "")))
OBJECT_OWNER = _rendered(ObjectRow.select(ObjectRow.vm).where((ObjectRow.kind == "") & (ObjectRow.name == "")))
VM_OBJECTS = _rendered(ObjectRow.select(ObjectRow.kind, ObjectRow.name).where(ObjectRow.vm == "").order_by(ObjectRow.kind, ObjectRow.name))
ALL_OBJECTS = _rendered(ObjectRow.select().order_by(ObjectRow.kind, ObjectRow.name))

ADD_EVENT = _rendered(_insert(EventRow, EventRow.seq))
DROP_EVENTS = _rendered(EventRow.delete().where(EventRow.seq <= 0))
EVENT_RANGE = "SELECT (SELECT MIN(seq) FROM events), (SELECT seq FROM sqlite_sequence WHERE name = 'events')"
"""AUTOINCREMENT keeps the greatest number ever given in `sqlite_sequence`; null while there was none."""
FIRST_SINCE = "SELECT MIN(seq) FROM (SELECT seq, time FROM events ORDER BY seq LIMIT ?) WHERE time >= ?"
"""The oldest event that is not older than a time, among the oldest so many; null when all of those are. The clock may have been set
back, so that older times follow; they go when what stands before them does."""


@cache
def events_query(*, vm: bool, deployment: bool, kinds: int, newest_first: bool) -> str:
    """Binds: `after` unless newest first, the VM's name and again as id when `vm`, the deployment's when `deployment`, then each of
    the kinds, then the limit."""
    conditions: list[Any] = [] if newest_first else [EventRow.seq > 0]
    if vm:
        conditions.append((EventRow.vm == "") | (EventRow.vm_id == ""))
    if deployment:
        conditions.append(EventRow.deployment == "")
    if kinds:
        conditions.append(EventRow.kind.in_([""] * kinds))
    query = EventRow.select()
    if conditions:
        query = query.where(reduce(and_, conditions))
    return _rendered(query.order_by(EventRow.seq.desc() if newest_first else EventRow.seq).limit(1))
