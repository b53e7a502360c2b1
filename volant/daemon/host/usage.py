"""What a process has used of the host, from /proc/PID/stat (proc(5)): one small read tells it, and whose it is."""

from __future__ import annotations

import os
from dataclasses import dataclass

from volant.daemon.host.processes import PROC
from volant.daemon.ports import ProcessIdentity

_UTIME, _STIME, _START_TIME, _RSS = 14, 15, 22, 24
"""Fields of /proc/PID/stat, counted from 1: user time, system time and start time in clock ticks, resident memory in pages. Guest time
(43) is in the user time already."""
_AFTER_NAME = 3
"""The first field behind the program's name, which may itself hold anything."""
_NS_PER_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process, all its threads together."""

    cpu_ns: int
    """Since its start."""
    memory_bytes: int
    """Resident now; the kernel's own quick count, which may be some hundred KiB off."""


def usage_of(process: ProcessIdentity) -> Usage | None:
    """What this very process has used; None when it is gone. The caller knows that it is of this boot of the host."""
    try:
        stat = (PROC / str(process.pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_usage(stat, process.start_time)


def parse_usage(stat: bytes, start_time: int) -> Usage | None:
    """Read the bytes of /proc/PID/stat; None when another process has got the number since. ValueError when they are none."""
    fields = stat[stat.rindex(b")") + 1 :].split()
    if int(fields[_START_TIME - _AFTER_NAME]) != start_time:
        return None
    ticks = int(fields[_UTIME - _AFTER_NAME]) + int(fields[_STIME - _AFTER_NAME])
    return Usage(ticks * _NS_PER_TICK, int(fields[_RSS - _AFTER_NAME]) * _PAGE_BYTES)
