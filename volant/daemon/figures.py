"""How busy the host is, told to whoever watches when it is noticeably otherwise: while nothing happens, watching costs no bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import trio

from volant.daemon.host.load import CpuTimes
from volant.daemon.host.memory import HostMemory
from volant.proto.api.system import HostFigures

EVERY_S, FIRST_S = 2.0, 0.25
"""Between two looks at the host, and after how long the first figures are told. A look is two small reads, some 50 microseconds."""
CPU_STEP = 5
"""Percent of all CPUs by which what was told may be off: an idle host goes up and down by some two, and nobody acts on less."""
MEMORY_SHARE = 100
"""Memory may be off by this part of all there is."""


class HostMeter:
    """`cpu`, `memory` and `deployments` (how many are in each state) say how things are now."""

    def __init__(self, cpu: Callable[[], CpuTimes], memory: Callable[[], HostMemory], deployments: Callable[[], dict[str, int]]) -> None:
        self._cpu, self._memory, self._deployments = cpu, memory, deployments

    async def watch(self) -> AsyncGenerator[HostFigures, None]:
        """The figures now, and then whenever they differ noticeably from those that were told last."""
        before, told = self._cpu(), None
        await trio.sleep(FIRST_S)
        while True:
            times, memory = self._cpu(), self._memory()
            figures = HostFigures(
                cpu_percent=round(times.percent_since(before)),
                memory_mib=memory.total_mib,
                memory_available_mib=memory.available_mib,
                deployments=self._deployments(),
            )
            before = times
            if told is None or differs(told, figures):
                told = figures
                yield figures
            await trio.sleep(EVERY_S)


def differs(told: HostFigures, now: HostFigures) -> bool:
    """Whether somebody who was told the one should be told the other."""
    step = max(1, now.memory_mib // MEMORY_SHARE)
    return (
        abs(told.cpu_percent - now.cpu_percent) >= CPU_STEP
        or abs(told.memory_available_mib - now.memory_available_mib) >= step
        or told.memory_mib != now.memory_mib
        or told.deployments != now.deployments
    )
