"""Whether the host's OOM killer took a process, as far as the kernel tells and we may read it.

The kernel's log names the process. Where it can't be read, the counts of kills do: of the process' cgroup, and of the whole host.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from volant.daemon.host.memory import host_memory
from volant.daemon.ports import ProcessIdentity

KERNEL_LOG = Path("/dev/kmsg")
PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
"""Where version 2 of cgroups is mounted."""

MAX_RECORDS = 20_000
"""Records of the kernel's log that are looked at: more than its buffer usually holds, some 20 ms."""

RECORD_BYTES = 8_192
"""The kernel's longest record (CONSOLE_EXT_LOG_MAX)."""

SLACK_S = 2.0
"""The log's clock and the processes' may differ by so much."""

_RECORD = re.compile(r"\d+,\d+,(?P<us>\d+),[^;]*;(?P<text>[^\n]*)")
"""Documentation/ABI/testing/dev-kmsg: priority, number, microseconds since boot, flags, then the text."""

_KILL = re.compile(r"(?:Memory cgroup out|Out) of memory: Killed process (?P<pid>\d+) \([^)]*\)")
"""mm/oom_kill.c, __oom_kill_process: for a shortage of the host and for one of a memory cgroup."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Processes that the OOM killer has taken; None where that can't be read."""

    cgroup: int | None
    host: int | None


class OomWatch:
    """Counts kills from its making on, while the process lives, so that they can be compared when it is dead."""

    def __init__(self, identity: ProcessIdentity, *, proc: Path = PROC, cgroups: Path = CGROUPS, log: Path = KERNEL_LOG) -> None:
        self._identity, self._proc, self._log = identity, proc, log
        self._cgroup = _cgroup_of(identity.pid, proc, cgroups)
        self._before = self._counts()

    def evidence(self) -> str:
        """That the OOM killer took it, as a clause; empty when nothing tells so."""
        if logged := logged_kill(self._identity, log=self._log):
            return logged
        after = self._counts()
        if self._cgroup is not None and _rose(self._before.cgroup, after.cgroup):
            return f"{self._cgroup / 'memory.events'} counts an OOM kill meanwhile"
        return ""

    def perhaps(self) -> str:
        """What to say of a process that SIGKILL ended, when nothing tells who sent it."""
        memory = host_memory()
        counted = ", which has killed since the VM started" if _rose(self._before.host, self._counts().host) else ""
        return (
            f"SIGKILL from outside, perhaps by the host's OOM killer{counted}; "
            f"the host has {memory.available_mib} of {memory.total_mib} MiB available now"
        )

    def _counts(self) -> Counts:
        cgroup = _count(self._cgroup / "memory.events") if self._cgroup is not None else None
        return Counts(cgroup, _count(self._proc / "vmstat"))


def logged_kill(identity: ProcessIdentity, *, log: Path = KERNEL_LOG) -> str:
    """The kernel's own words about the kill of that very process, as a clause; empty when there are none or we may not read them."""
    began_us = (identity.start_time / os.sysconf("SC_CLK_TCK") - SLACK_S) * 1e6
    for record in kills_in(_records(log)):
        if record.pid == identity.pid and record.us >= began_us:
            return f"the kernel's log says {record.text!r}"
    return ""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill in the kernel's log."""

    us: int
    """Microseconds since boot."""
    pid: int
    text: str


def kills_in(records: Iterable[str]) -> Iterator[Kill]:
    """The OOM kills among records of /dev/kmsg."""
    for record in records:
        parts = _RECORD.match(record)
        if parts and (kill := _KILL.search(parts["text"])):
            yield Kill(int(parts["us"]), int(kill["pid"]), kill[0])


def _records(log: Path) -> Iterator[str]:
    """What the log holds now, oldest first; one read gives one record."""
    try:
        fd = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # not everybody may read it (kernel.dmesg_restrict), and not every container has it
    try:
        for _ in range(MAX_RECORDS):
            try:
                record = os.read(fd, RECORD_BYTES)
            except OSError as error:
                if error.errno == errno.EPIPE:
                    continue  # overwritten while we read; the next read goes on with the oldest that is left
                return
            if not record:
                return
            yield record.decode("utf-8", "replace")
    finally:
        os.close(fd)


def _cgroup_of(pid: int, proc: Path, cgroups: Path) -> Path | None:
    """The folder of the process' cgroup, which outlives it; None with version 1 alone."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    return None if path is None else cgroups / path


def _count(path: Path) -> int | None:
    """The number after `oom_kill` in a file of names and numbers."""
    try:
        words = (line.split() for line in path.read_text().splitlines())
    except OSError:
        return None
    return next((int(line[1]) for line in words if line[:1] == ["oom_kill"]), None)


def _rose(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before
