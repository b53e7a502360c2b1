"""Reads what VMs cost their host: one look at each VMM's process, a few at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

import trio

from volant.daemon.ports import ProcessIdentity, VmRecord
from volant.proto.api.vm_stats import MAX_STATS, Stats, VmStats
from volant.proto.errors import NoSuchVm

READ_PER_ROUND = 50
"""Processes read before others get a turn: some 0.5 ms."""


class Usage(Protocol):
    """What a process has used; `host.usage.Usage`."""

    @property
    def cpu_ns(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...


class Meter:
    """`records` gives all VMs as they are now; `usage_of` reads a process of this boot of the host, which is `host_boot`."""

    def __init__(
        self, records: Callable[[], Iterable[VmRecord]], usage_of: Callable[[ProcessIdentity], Usage | None], host_boot: str
    ) -> None:
        self._records, self._usage_of, self._host_boot = records, usage_of, host_boot

    async def read(self, name: str = "") -> Stats:
        """Of the VM with this name, or of all. NoSuchVm."""
        records = [record for record in self._records() if name in ("", record.name)]
        if name and not records:
            raise NoSuchVm(name)
        at_ns = time.monotonic_ns()
        items: list[VmStats] = []
        for number, record in enumerate(records[:MAX_STATS]):
            if number % READ_PER_ROUND == READ_PER_ROUND - 1:
                await trio.lowlevel.checkpoint()
            process = record.process
            used = self._usage_of(process) if process is not None and process.boot_id == self._host_boot else None
            if used is not None:
                items.append(VmStats(id=record.id, name=record.name, boot=record.boot, cpu_ns=used.cpu_ns, memory_bytes=used.memory_bytes))
        return Stats(at_ns=at_ns, items=tuple(items))
