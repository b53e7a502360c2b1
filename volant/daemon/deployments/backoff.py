"""How long to wait before what failed is tried again: not at all the first time, then ever longer. Pure; the clock is the caller's."""

from __future__ import annotations

from dataclasses import dataclass

BASE_S = 1.0
CAP_S = 60.0
"""A broken plugin costs one start a minute and replica; whoever mends it waits no longer than that, and a change of the deployment
tries again at once."""
ALL = 0
"""In place of an index: what keeps any replica from being made. Replicas count from 1."""
STABLE_S = 60.0
"""A replica that was ready for so long had got over its earlier failures."""


@dataclass(frozen=True, slots=True)
class _Streak:
    failures: int
    revision: int
    until: float


class Backoff:
    """The failures in a row of each index, of one deployment."""

    def __init__(self) -> None:
        self._streaks: dict[int, _Streak] = {}

    def failed(self, index: int, revision: int, now: float, *, ready_s: float | None) -> None:
        """`ready_s`: how long it was ready before; None when it never was."""
        before = self._streaks.get(index)
        is_first = before is None or before.revision != revision or (ready_s or 0) >= STABLE_S
        failures = 1 if before is None or is_first else before.failures + 1
        delay = 0.0 if failures == 1 and ready_s is not None else min(CAP_S, BASE_S * 2.0 ** min(failures - 1, 32))
        self._streaks[index] = _Streak(failures, revision, now + delay)

    def not_before(self, revisions: frozenset[int]) -> dict[int, float]:
        """When each index may be tried again; failures of other descriptions than `revisions` count for nothing."""
        return {index: streak.until for index, streak in self._streaks.items() if streak.revision in revisions}

    def forget(self, index: int) -> None:
        """It works again."""
        self._streaks.pop(index, None)

    def forget_all(self) -> None:
        """Something has changed: try everything again at once."""
        self._streaks.clear()
