"""Which version of a VM's configuration there was at a moment, and which one ran: read off the versions that the daemon keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from volant.client.cli.human import epoch
from volant.proto.specs.vmpatch import HOST_SIDE, differences
from volant.tui.model import Record

_RUNS = frozenset({"starting", "running", "ready", "paused", "stopping"})


def history_at(history: Mapping[str, Any], record: Record, moment: float) -> dict[str, Any]:
    """A plain `ConfigHistory` as it was at this moment, in seconds since 1970; `record` is the VM at that moment. A VM runs with what was
    newest when it was started; where that is no longer kept, its `running_version` is 0 as of one that does not run."""
    kept = [version for version in history["items"] if (epoch(str(version["created_at"])) or 0.0) <= moment]
    begun = epoch(str(record.get("started_at") or "")) if record["status"] in _RUNS else None
    ran = [version["version"] for version in kept if begun is not None and (epoch(str(version["created_at"])) or 0.0) <= begun]
    return {"name": history["name"], "running_version": ran[-1] if ran else 0, "items": kept}


def config_at(history: Mapping[str, Any]) -> dict[str, Any] | None:
    """A plain `VmConfigView` of the newest of these versions; None when there is none."""
    if not history["items"]:
        return None
    newest = history["items"][-1]
    running = next((version for version in history["items"] if version["version"] == history["running_version"]), newest)
    waiting = [each.field for each in differences(running["config"], newest["config"]) if each.field not in HOST_SIDE]
    return {
        "name": history["name"],
        "config_version": newest["version"],
        "running_version": history["running_version"],
        "pending_changes": waiting,
        "shown": newest,
    }
