"""Lines of workloads' output: from the daemon's plain items to what is kept, with what was lost on the way counted. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from sys import intern
from typing import Any, NamedTuple

from volant.proto.specs.filter import Field, Fields, Kind

FIELDS = Fields(
    {"vm": Field("vm"), "stream": Field("stream"), "text": Field("text"), "age": Field("time", Kind.AGE)},
    searched=("text", "vm"),
)  # fmt: skip
"""What the lines can be filtered by."""

RATE_S = 2.0
"""The time over which lines are counted for their rate."""


class LogLine(NamedTuple):
    """One line. 50,000 of them with a hundred characters each take some 17 MB."""

    time: str
    vm: str
    stream: str
    text: str


class Source:
    """The output of one start of one VM."""

    def __init__(self, vm: str, boot: int) -> None:
        self.vm, self.boot = intern(vm), boot
        self.seq = 0
        """Number of the last line that came."""

    def take(self, items: Iterable[Mapping[str, Any]]) -> tuple[list[LogLine], int]:
        """The lines that came, and how many before or between them were lost: their numbers say so."""
        lines, lost, last, vm = [], 0, self.seq, self.vm
        for item in items:
            seq = item["seq"]
            if seq > last + 1 and last:
                lost += seq - last - 1
            last = seq
            lines.append(LogLine(item["time"], vm, intern(item["stream"]), item["text"]))
        self.seq = last
        return lines, lost


class Rate:
    """How many lines a second came lately."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()
        self._sum = 0

    def count(self, now: float, number: int) -> None:
        self._counts.append((now, number))
        self._sum += number

    def per_second(self, now: float) -> float:
        while self._counts and self._counts[0][0] <= now - RATE_S:
            self._sum -= self._counts.popleft()[1]
        return self._sum / RATE_S
