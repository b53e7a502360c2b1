"""Plain records for tests that need one and don't care which."""

from __future__ import annotations

from typing import Any

from volant.daemon.ports import ConfigRecord, DeploymentRecord, PluginRecord, VmRecord
from volant.proto.api.deployment import Revision, Template
from volant.proto.specs.states import VmState, Wanted


def vm_record(number: int = 1, **fields: Any) -> VmRecord:
    """A pending VM; its id and name follow from `number`."""
    given: dict[str, Any] = {
        "id": f"{number:012x}",
        "name": f"vm-{number}",
        "plugin": "demo",
        "plugin_version": "1.0.0",
        "config_version": 1,
        "wanted": Wanted.RUNNING,
        "wanted_generation": 1,
        "state": VmState.PENDING,
        "generation": 1,
        "created_at": "2026-01-31T12:00:00.000Z",
    }
    return VmRecord(**(given | fields))


def config_record(vm_id: str, version: int = 1, **config: Any) -> ConfigRecord:
    return ConfigRecord(vm_id=vm_id, version=version, config=config, created_at="2026-01-31T12:00:00.000Z", author="uid:0(root)")


def plugin_record(name: str = "demo", version: str = "1.0.0", **fields: Any) -> PluginRecord:
    given: dict[str, Any] = {
        "name": name,
        "version": version,
        "manifest": {"name": name, "version": version},
        "enabled": True,
        "artifacts": {},
        "installed_at": "2026-01-31T12:00:00.000Z",
    }
    return PluginRecord(**(given | fields))


def deployment_record(name: str = "web", **fields: Any) -> DeploymentRecord:
    given: dict[str, Any] = {
        "name": name,
        "replicas": 1,
        "max_unavailable": 1,
        "min_ready_ms": 0,
        "paused": False,
        "deleting": False,
        "revision": 1,
        "rolling_revision": 1,
        "generation": 1,
        "created_at": "2026-01-31T12:00:00.000Z",
    }
    return DeploymentRecord(**(given | fields))


def revision(number: int = 1, **template: Any) -> Revision:
    """One of a deployment's revisions; `template` are fields of its description."""
    described = Template(**({"plugin": "demo", "plugin_version": "1.0.0"} | template))
    return Revision(
        revision=number, template=described, note="created", created_at="2026-01-31T12:00:00.000Z", author="uid:0", origin="pid 4711"
    )
