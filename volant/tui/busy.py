"""How busy the host is, for the top line. The daemon pushes the figures when they are noticeably otherwise; nobody asks. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from volant.tui.figures import sparkline
from volant.tui.lines import Line

if TYPE_CHECKING:
    from volant.tui.desk import Desk

COLUMN_S, COLUMNS = 2.0, 10
"""What a column of the sparkline stands for, which is how often the daemon looks, and how many there are."""
_MUCH = 90
"""Percent from which a figure is coloured."""


class Busy:
    """`refreshed` after all news; then `figures` are those of now, or None where they are not known."""

    def __init__(self) -> None:
        self.figures: Mapping[str, Any] | None = None
        self._live = False
        self._tag = 0
        self._steps: deque[tuple[int, int]] = deque(maxlen=COLUMNS + 1)
        """Column of time, and percent of the CPUs from then on."""
        self._graphed = False
        """The sparkline was drawn the last time."""

    def refreshed(self, desk: Desk) -> None:
        """Follow the figures on each new connection. An older daemon has none, and is not asked again."""
        came_back, self._live = desk.live.is_live and not self._live, desk.live.is_live
        if not self._live:
            self.figures, self._tag = None, 0  # the call has ended with its connection
        elif came_back:
            self._follow(desk)

    def _follow(self, desk: Desk) -> None:
        def came(items: list[Any]) -> None:
            self.figures = items[-1]
            self._steps.append((_column(desk), self.figures["cpu_percent"]))

        def ended(result: Any) -> None:
            if self._tag == tag:
                self.figures, self._tag = None, 0

        self._steps.clear()
        tag = self._tag = desk.pending.follow("system.watch", {}, came, ended)

    def words(self, desk: Desk, *, graph: bool) -> tuple[Line, Line]:
        """CPU and memory, with the CPU's last seconds where there is room for a `graph`; empty while nothing is known."""
        self._graphed = graph
        if self.figures is None:
            return (), ()
        percent, total = self.figures["cpu_percent"], self.figures["memory_mib"]
        used = total - self.figures["memory_available_mib"]
        spark = sparkline(self._levels(desk), COLUMNS, 100, desk.glyphs) + " " if graph else ""
        cpu: Line = (("cpu ", "dim"), (spark, "cool"), (f"{percent}%", "warm" if percent >= _MUCH else ""))
        memory = f"{_gibibytes(used)}/{_gibibytes(total)}G"
        return cpu, (("mem ", "dim"), (memory, "warm" if used * 100 >= _MUCH * total else ""))

    def deployments(self) -> Line:
        """Those that are rolled out or lack replicas; empty where there are none."""
        states = self.figures["deployments"] if self.figures is not None else {}
        told = [(f"{states[state]} {word}", style) for state, word, style in _TROUBLED if states.get(state)]
        return (("deploys ", "dim"), *((f"{', ' if at else ''}{words}", style) for at, (words, style) in enumerate(told))) if told else ()

    def _levels(self, desk: Desk) -> list[int]:
        """The CPU's percent at the end of each column of time; before the first one that is known it is taken for the same."""
        now, steps = _column(desk), self._steps
        first = steps[0][1]
        return [
            next((percent for begun, percent in reversed(steps) if begun <= column), first) for column in range(now - COLUMNS + 1, now + 1)
        ]

    def next_change_s(self, desk: Desk) -> float | None:
        """When the sparkline moves on; never once it is flat, so that a quiet host writes nothing."""
        if not self._graphed or self.figures is None or len(self._steps) < 2:
            return None
        if len(set(self._levels(desk))) == 1:
            return None
        return COLUMN_S - desk.clock() % COLUMN_S


_TROUBLED = (("progressing", "rolling", "warm"), ("degraded", "degraded", "bad"))
"""States of deployments that somebody wants to know of, and what they are called here."""


def _column(desk: Desk) -> int:
    return int(desk.clock() // COLUMN_S)


def _gibibytes(size_mib: int) -> str:
    return f"{size_mib / 1024:.1f}".removesuffix(".0")
