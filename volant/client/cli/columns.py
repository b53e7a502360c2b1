"""The columns of each noun's tables."""

from __future__ import annotations

from volant.client.cli import human
from volant.client.cli.table import Column

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

_STATUS_PAINT = {
    "ready": "32", "running": "36", "starting": "33", "pending": "33", "stopping": "33", "destroying": "33",
    "paused": "34", "stopped": "2", "crashed": "31", "failed": "31",
}  # fmt: skip


def status_paint(status: str) -> str:
    """The colour of a VM's state."""
    return _STATUS_PAINT.get(status, "")


def _age(key: str) -> Any:
    return lambda record: human.age(str(record.get(key) or ""))


def _memory(record: dict[str, Any]) -> str:
    return human.mebibytes(int(record.get("memory_mb") or 0))


def _ports(record: dict[str, Any]) -> str:
    return ",".join(
        f"{forward.get('host_port')}->{forward.get('guest_port')}/{forward.get('protocol')}" for forward in record.get("forwards") or ()
    )


def _ready(record: dict[str, Any]) -> str:
    milliseconds = int(record.get("ready_ms") or 0)
    return human.duration(milliseconds / 1000) if milliseconds else ""


def _labels(record: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((record.get("labels") or {}).items()))


VM = [
    Column("NAME", "name", flexible=True),
    Column("STATUS", "status", paint=status_paint),
    Column("PLUGIN", "plugin", flexible=True, keep=4),
    Column("CPUS", "cpu_cores", right=True, keep=2),
    Column("MEMORY", "memory_mb", show=_memory, right=True, keep=3),
    Column("IP", "ip", keep=5),
    Column("AGE", "created_at", show=_age("created_at"), right=True, keep=1),
    Column("REASON", "reason", flexible=True, keep=0, sparse=True),
    Column("VERSION", "plugin_version", wide=True),
    Column("HEALTH", "health", wide=True),
    Column("NETWORK", "network", wide=True),
    Column("PORTS", "forwards", show=_ports, raw=_ports, wide=True),
    Column("ACCEL", "accel", wide=True),
    Column("PID", "pid", right=True, wide=True),
    Column("BOOT", "boot", right=True, wide=True),
    Column("READY", "ready_ms", show=_ready, right=True, wide=True),
    Column("ID", "id", wide=True),
    Column("DEPLOYMENT", "deployment", wide=True),
    Column("LABELS", "labels", show=_labels, raw=_labels, wide=True),
    Column("RESTART", "restart", wide=True),
    Column("RESTARTS", "restarts", right=True, wide=True),
    Column("NEXT-TRY", "next_try_at", wide=True),
]


_DEPLOYMENT_PAINT = {"ready": "32", "progressing": "33", "paused": "34", "degraded": "31", "deleting": "33"}


def _template(key: str) -> Any:
    return lambda record: record["template"][key]


def _described(record: dict[str, Any]) -> str:
    return f"{record['template']['plugin']} {record['template']['plugin_version']}"


DEPLOYMENT = [
    Column("NAME", "name", flexible=True),
    Column("STATUS", "status", paint=lambda status: _DEPLOYMENT_PAINT.get(status, "")),
    Column("REPLICAS", "replicas", right=True),
    Column("AVAILABLE", "available", right=True, keep=6),
    Column("UPDATED", "updated", right=True, keep=5),
    Column("PLUGIN", "template", show=_template("plugin"), raw=_template("plugin"), flexible=True, keep=4),
    Column("VERSION", "template", show=_template("plugin_version"), raw=_template("plugin_version"), keep=3),
    Column("AGE", "created_at", show=_age("created_at"), right=True, keep=1),
    Column("REASON", "reason", flexible=True, keep=2, sparse=True),
    Column("READY", "ready", right=True, wide=True),
    Column("CURRENT", "current", right=True, wide=True),
    Column("REVISION", "revision", right=True, wide=True),
    Column("PAUSED", "paused", show=lambda record: "yes" if record.get("paused") else "no", wide=True),
    Column("MAX-UNAVAILABLE", "max_unavailable", right=True, wide=True),
]

REVISION = [
    Column("REVISION", "revision", right=True),
    Column("NOTE", "note", flexible=True),
    Column("PLUGIN", "template", show=_described, raw=_described, keep=4),
    Column("AGE", "created_at", show=_age("created_at"), right=True, keep=3),
    Column("AUTHOR", "author", keep=2),
    Column("ORIGIN", "origin", flexible=True, keep=1),
]


def _artifacts(record: dict[str, Any]) -> str:
    return ",".join(f"{role}={digest[:12]}" for role, digest in sorted((record.get("artifacts") or {}).items()))


def _warnings(record: dict[str, Any]) -> str:
    return str(len(record.get("warnings") or ()))


PLUGIN = [
    Column("NAME", "name", flexible=True),
    Column("VERSION", "version", flexible=True),
    Column("ENABLED", "enabled", show=lambda record: "yes" if record.get("enabled") else "no", keep=3),
    Column("RUNTIME", "runtime", flexible=True, keep=2),
    Column("INSTALLED", "installed_at", show=_age("installed_at"), right=True, keep=1),
    Column("ARTIFACTS", "artifacts", show=_artifacts, raw=_artifacts, wide=True),
    Column("WARNINGS", "warnings", show=_warnings, raw=_warnings, right=True, wide=True),
]

KIND_COLUMNS = len("DEPLOYMENT_DEGRADED")
"""Of an event's kind, where events are told line by line; a few are longer."""
EVENT = [
    Column("SEQ", "seq", right=True),
    Column("TIME", "time", show=lambda record: str(record.get("time"))[11:23], keep=2),
    Column("KIND", "kind"),
    Column("VM", "vm", flexible=True),
    Column("MESSAGE", "message", flexible=True, keep=3),
]

ACTION = [
    Column("NAME", "name", flexible=True),
    Column("METHOD", "method"),
    Column("PATH", "path", flexible=True),
    Column("TIMEOUT", "timeout_ms", show=lambda record: human.duration(int(record.get("timeout_ms") or 0) / 1000), right=True, keep=1),
    Column("DESCRIPTION", "description", flexible=True, keep=2),
]

CONFIG_VERSION = [
    Column("VERSION", "version", right=True),
    Column("NOTE", "note"),
    Column("CHANGES", "changes", show=lambda record: ", ".join(record["changes"]), raw=lambda record: ",".join(record["changes"]),
           flexible=True, keep=4),
    Column("AGE", "created_at", show=_age("created_at"), right=True, keep=3),
    Column("AUTHOR", "author", keep=2),
    Column("ORIGIN", "origin", flexible=True, keep=1),
]  # fmt: skip


def _value(key: str) -> Any:
    """Text as it is, nothing as a dash, anything else as JSON."""

    def show(record: dict[str, Any]) -> str:
        import json

        value = record[key]
        return "-" if value is None else value if isinstance(value, str) else json.dumps(value)

    return show


DIFFERENCE = [
    Column("FIELD", "field"),
    Column("OLD", "old", show=_value("old"), flexible=True),
    Column("NEW", "new", show=_value("new"), flexible=True),
]

_STANDING_PAINT = {"ok": "32", "missing": "31", "unowned": "31"}

LEDGER = [
    Column("KIND", "kind"),
    Column("NAME", "name", flexible=True),
    Column("VM", "vm", flexible=True),
    Column(
        "STANDING", "standing", show=lambda record: str(record.get("standing") or "-"), paint=lambda word: _STANDING_PAINT.get(word, "")
    ),
    Column("DETAIL", "detail", flexible=True, keep=1, sparse=True),
    Column("VM-ID", "vm_id", wide=True),
]


def _delta(record: dict[str, Any]) -> str:
    return "" if record["delta_ms"] is None else f"+{human.duration(record['delta_ms'] / 1000)}"


TIMELINE = [
    Column("TIME", "time", show=lambda record: str(record.get("time") or "")[11:23]),
    Column("DELTA", "delta_ms", show=_delta, right=True),
    Column("SOURCE", "source", keep=2),
    Column("WHAT", "text", flexible=True),
    Column("SEQ", "seq", show=lambda record: str(record.get("seq") or ""), right=True, wide=True),
    Column("CAUSE", "caused_by", show=lambda record: str(record.get("caused_by") or ""), right=True, wide=True),
    Column("BOOT", "boot", right=True, wide=True),
    Column("KIND", "kind", wide=True),
]

FACT = [Column("FIELD", "field"), Column("VALUE", "value")]
"""One object as lines of a name and its value."""
