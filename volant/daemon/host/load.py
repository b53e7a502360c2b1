"""How busy the host's CPUs are, from the first line of /proc/stat (proc(5))."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

STAT = Path("/proc/stat")
_IDLE, _IOWAIT, _COUNTED = 3, 4, 8
"""Fields of the line `cpu`, counted from 0: idle, waiting for disks while idle. Behind the first eight come guests' times, which are in
the user times already."""
_FIRST_LINE = 256
"""Bytes that surely hold it: ten numbers of at most twenty digits. Further lines, one for each CPU among them, are not wanted."""


class CpuTimes(NamedTuple):
    """Of all CPUs together since the host's start, in clock ticks."""

    busy: int
    """Time stolen by a hypervisor below us counts: it is not to be had either."""
    total: int

    def percent_since(self, before: CpuTimes) -> float:
        """The busy share of the time that has passed, 0 to 100."""
        passed = self.total - before.total
        # The kernel's idle time may step back a little (proc(5)).
        return min(100.0, max(0.0, (self.busy - before.busy) / passed * 100)) if passed > 0 else 0.0


def read_cpu() -> CpuTimes:
    """The times now."""
    with STAT.open("rb", buffering=0) as file:
        return parse_stat(file.read(_FIRST_LINE))


def parse_stat(stat: bytes) -> CpuTimes:
    """Read the beginning of /proc/stat; ValueError when it is none."""
    name, *fields = stat.partition(b"\n")[0].split()
    if name != b"cpu" or len(fields) < _COUNTED:
        raise ValueError("no line of all CPUs in stat")
    times = [int(each) for each in fields[:_COUNTED]]
    return CpuTimes(sum(times) - times[_IDLE] - times[_IOWAIT], sum(times))
