"""Following the output of many VMs at once: who is meant joins in, each start is heard once, and what ends says why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.ensemble import Ensemble
from tests.patience import wait_until
from volant.daemon.vms.roster import Roster
from volant.proto.api.vm import DeleteVm, RestartVm, StartVm, StopVm
from volant.proto.api.vm_logs import WatchLogs
from volant.proto.errors import InvalidParams


class Reader:
    """Follows what `asked` means; `lines` are what each start said, `ends` why each ended."""

    def __init__(self, vms: Roster, asked: WatchLogs) -> None:
        self._vms, self._asked = vms, asked
        self.lines: dict[tuple[str, int], list[str]] = {}
        self.ends: dict[tuple[str, int], str] = {}

    async def read(self) -> None:
        async with self._vms.outputs(self._asked) as output:
            while not output.is_over:
                await output.wait_news()
                for start, lines, ended in output.take():
                    key = (start.name, start.boot)
                    self.lines.setdefault(key, []).extend(line["text"] for line in lines)
                    if ended:
                        self.ends[key] = ended

    async def came(self, key: tuple[str, int], text: str) -> None:
        await wait_until(lambda: text in self.lines.get(key, ()))


@asynccontextmanager
async def reading(vms: Roster, **asked: Any) -> AsyncIterator[Reader]:
    reader = Reader(vms, WatchLogs(**asked))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.read)
        yield reader
        nursery.cancel_scope.cancel()


async def test_vms_that_are_there_and_those_that_come_are_heard(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        first = await ensemble.create("web-1")
        async with reading(vms) as reader:
            await reader.came(("web-1", 1), "workload started")
            second = await ensemble.create("web-2")
            await reader.came(("web-2", 1), "workload started")
            for view in (first, second):
                ensemble.host.guest(view.id).log(f"hello from {view.name}")
                await reader.came((view.name, 1), f"hello from {view.name}")


async def test_only_those_that_match_are_heard_from_when_they_do(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create("web-1")
        await ensemble.create("db-1")
        async with reading(vms, filter="name:web-*") as reader:
            await ensemble.create("web-2")
            await reader.came(("web-2", 1), "workload started")
            assert {name for name, _ in reader.lines} == {"web-1", "web-2"}
        with pytest.raises(InvalidParams):
            async with vms.outputs(WatchLogs(filter="colour:red")):
                pass


async def test_each_start_is_heard_once_and_its_end_is_told(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        view = await ensemble.create("web-1")
        async with reading(vms) as reader:
            await reader.came(("web-1", 1), "workload started")
            await vms.restart(RestartVm(name="web-1"))
            await reader.came(("web-1", 2), "workload started")
            await vms.stop(StopVm(name="web-1"))
            await wait_until(lambda: ("web-1", 2) in reader.ends)
            await vms.start(StartVm(name="web-1"))
            await reader.came(("web-1", 3), "workload started")
            ensemble.host.guest(view.id).crash()
            await wait_until(lambda: ("web-1", 3) in reader.ends)
            await vms.delete(DeleteVm(name="web-1"))
            assert all(texts == ["workload started"] for texts in reader.lines.values() if texts)
            assert reader.ends[("web-1", 1)] == "VM 'web-1' starts again"
            assert reader.ends[("web-1", 2)] == "VM 'web-1' is stopped"
            assert "panicked" in reader.ends[("web-1", 3)]


async def test_a_broken_channel_costs_no_line_and_repeats_none(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        guest = ensemble.host.guest((await ensemble.create("web-1")).id)
        async with reading(vms) as reader:
            await reader.came(("web-1", 1), "workload started")
            guest.open_agent().end()
            guest.log("nobody listened")
            await reader.came(("web-1", 1), "nobody listened")
            assert reader.lines[("web-1", 1)] == ["workload started", "nobody listened"]


async def test_it_goes_on_behind_the_last_line_that_is_known(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        view = await ensemble.create("web-1")
        guest = ensemble.host.guest(view.id)
        for number in range(2, 6):
            guest.log(f"line {number}")
        async with reading(vms, after={view.id: (1, 3)}) as reader:
            await reader.came(("web-1", 1), "line 5")
            assert reader.lines[("web-1", 1)] == ["line 4", "line 5"]
        async with reading(vms, after={view.id: (7, 3)}, tail=1) as reader:
            await reader.came(("web-1", 1), "line 5")
            assert reader.lines[("web-1", 1)] == ["line 5"]


async def test_what_was_said_so_far_is_read_whole_however_much_it_is(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        for name in ("web-1", "web-2", "web-3"):
            guest = ensemble.host.guest((await ensemble.create(name)).id)
            for number in range(3_000):
                guest.log(f"{name} says {number} " + "x" * 2_000)
        await vms.stop(StopVm(name="web-3"))
        await ensemble.create("off", wait=None, start=False)
        reader = Reader(vms, WatchLogs(tail=-1, follow=False))
        await reader.read()
        assert {key: len(texts) for key, texts in reader.lines.items()} == {("web-1", 1): 3_001, ("web-2", 1): 3_001}
        assert reader.ends == {}
        few = Reader(vms, WatchLogs(tail=2, follow=False, filter="name:web-1"))
        await few.read()
        assert [text[:15] for text in few.lines[("web-1", 1)]] == ["web-1 says 2998", "web-1 says 2999"]
        nobody = Reader(vms, WatchLogs(filter="name:nobody", follow=False))
        await nobody.read()
        assert nobody.lines == {}
