"""Watching how busy the host is: told at once, then when it is noticeably otherwise, and not at all while nothing happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.rig import rig
from volant.daemon.figures import EVERY_S, HostMeter
from volant.daemon.host.load import CpuTimes
from volant.daemon.host.memory import HostMemory
from volant.proto.api.system import HostFigures


class Host:
    """A host whose CPUs are busy to `percent` from one look to the next."""

    def __init__(self) -> None:
        self.percent, self.available_mib, self.deployments = 30, 5_000, {"ready": 2}
        self.looks = 0
        self._times = CpuTimes(0, 0)

    def cpu(self) -> CpuTimes:
        self.looks += 1
        self._times = CpuTimes(self._times.busy + self.percent, self._times.total + 100)
        return self._times

    def figures(self) -> AsyncGenerator[HostFigures, None]:
        return HostMeter(self.cpu, lambda: HostMemory(8_000, self.available_mib), lambda: dict(self.deployments)).watch()


async def test_the_first_figures_come_at_once(autojump_clock: MockClock) -> None:
    async with aclosing(Host().figures()) as figures:
        first = await anext(figures)
    assert first == HostFigures(cpu_percent=30, memory_mib=8_000, memory_available_mib=5_000, deployments={"ready": 2})
    assert trio.current_time() < 1


async def test_nothing_is_told_while_nothing_much_changes(autojump_clock: MockClock) -> None:
    host = Host()
    async with aclosing(host.figures()) as figures:
        await anext(figures)
        host.percent, host.available_mib = 34, 4_930
        with trio.move_on_after(100 * EVERY_S) as limit:
            await anext(figures)
    assert limit.cancelled_caught
    assert host.looks > 90


@pytest.mark.parametrize("change", [{"percent": 35}, {"available_mib": 4_900}, {"deployments": {"ready": 1, "progressing": 1}}])
async def test_what_changes_noticeably_is_told_within_one_look(autojump_clock: MockClock, change: dict[str, Any]) -> None:
    host = Host()
    async with aclosing(host.figures()) as figures:
        first = await anext(figures)
        began = trio.current_time()
        vars(host).update(change)
        assert await anext(figures) != first
    assert trio.current_time() - began <= EVERY_S


def test_a_daemon_tells_of_its_host() -> None:
    with rig(network="none") as host:
        host.start()
        with closing(host.client()) as client:
            first = next(iter(client.stream_plain("system.watch", {})))
    assert 0 <= first["cpu_percent"] <= 100
    assert 0 < first["memory_available_mib"] < first["memory_mib"]
    assert first["deployments"] == {}
