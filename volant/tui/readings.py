"""What VMs cost their host, over the time that somebody looks: the readings of `vm.stats_watch`, kept for sparklines. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from volant.client.usage import shares

KEPT_READINGS = 240
"""Of each VM: eight minutes at one in two seconds, and more than a line has columns."""
EVERY_MS = 2_000
"""Between two readings: what top takes as well."""


class Reading(NamedTuple):
    """Of one VM, or of all together, at one moment."""

    cpu_percent: float
    """Of one CPU."""
    memory_bytes: int


class Readings:
    """`take` each item of the stream; the first gives no shares of the CPU yet."""

    def __init__(self) -> None:
        self._last: Mapping[str, Any] | None = None
        self.of: dict[str, deque[Reading]] = {}
        """By the id of the VM, the newest last; VMs that have no process any more are dropped."""
        self.total: deque[Reading] = deque(maxlen=KEPT_READINGS)

    def take(self, stats: Mapping[str, Any]) -> None:
        last, self._last = self._last, stats
        if last is None:
            return
        used = shares(last, stats)
        fresh: dict[str, deque[Reading]] = {}
        for item in stats["items"]:
            if item["id"] in used:
                fresh[item["id"]] = self.of.get(item["id"], deque(maxlen=KEPT_READINGS))
                fresh[item["id"]].append(Reading(used[item["id"]], item["memory_bytes"]))
        self.of = fresh
        self.total.append(Reading(sum(used.values()), sum(item["memory_bytes"] for item in stats["items"])))
