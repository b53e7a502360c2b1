"""Events about deployments. Pure."""

from __future__ import annotations

from typing import Any

from volant.daemon.ports import Asker, DeploymentRecord, EventDraft


def draft(kind: str, record: DeploymentRecord, message: str = "", *, by: Asker | None = None) -> EventDraft:
    """An event about a deployment; `by` whom it was asked for, if it was."""
    data: dict[str, Any] = {
        "deployment": record.name,
        "generation": record.generation,
        "revision": record.revision,
        "replicas": record.replicas,
    }
    if by is not None:
        data |= {"author": by.author, "origin": by.origin}
    told = f"deployment {record.name}" + (f": {message}" if message else "")
    return EventDraft(kind=kind, message=told, data=data, deployment=record.name)
