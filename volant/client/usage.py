"""Shares of the CPU from two readings of `vm.stats`. Pure, and light to import."""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Stats = Mapping[str, Any]
    """A plain `Stats` of the API."""


def shares(before: Stats, now: Stats) -> dict[str, float]:
    """Percent of one CPU that each VM used between two readings, by its id; 200 is two CPUs all the time. VMs that are missing in one of
    them, or were started in between, have none yet."""
    passed = now["at_ns"] - before["at_ns"]
    if passed <= 0:
        return {}
    earlier = {(item["id"], item["boot"]): item["cpu_ns"] for item in before["items"]}
    return {
        item["id"]: max(0.0, (item["cpu_ns"] - earlier[key]) / passed * 100)
        for item in now["items"]
        if (key := (item["id"], item["boot"])) in earlier
    }
