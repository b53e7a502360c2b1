"""Following a VM's output: it ends as the boot did, whatever is noticed first, and outlives a break of the agent's channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.ensemble import Ensemble
from tests.patience import PATIENCE_S, wait_until
from volant.daemon.guests.calls import MAX_QUEUED_ITEMS
from volant.daemon.hypervisors.fake.guest import FakeGuest
from volant.daemon.vms.output import BootOutput
from volant.daemon.vms.roster import Roster
from volant.proto.api import guest
from volant.proto.api.vm import DeleteVm, RestartVm, StopVm
from volant.proto.errors import AgentMissing, Fault, LaunchFailed

Story = Callable[[Roster, FakeGuest], Awaitable[object]]


class Reader:
    """Follows the output of `web`; `lines` is what came, `end` how it ended."""

    def __init__(self, vms: Roster) -> None:
        self._output: BootOutput = vms.output("web")
        self.lines: list[str] = []
        self.end: str | Fault = ""

    async def read(self) -> None:
        try:
            async with aclosing(self._output.follow(guest.Logs(follow=True))) as lines:
                async for line in lines:
                    self.lines.append(line["text"])
            self.end = self._output.end
        except Fault as fault:
            self.end = fault

    async def came(self, line: str) -> None:
        await wait_until(lambda: line in self.lines)


async def told(ensemble: Ensemble, story: Story, **asked: Any) -> str | Fault:
    """How following ends for a VM that meanwhile lives through `story`. Its last line has to come."""
    async with ensemble.playing() as vms:
        view = await ensemble.create(**asked)
        reader = Reader(vms)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.read)
            await reader.came("workload started")
            running = ensemble.host.guest(view.id)
            running.log("the last line")
            await story(vms, running)
        assert reader.lines == ["workload started", "the last line"]
        return reader.end


async def stop(vms: Roster, running: FakeGuest) -> None:
    await vms.stop(StopVm(name="web"))


async def kill(vms: Roster, running: FakeGuest) -> None:
    await vms.stop(StopVm(name="web", force=True))


async def delete(vms: Roster, running: FakeGuest) -> None:
    await vms.delete(DeleteVm(name="web", force=True))


async def power_off(vms: Roster, running: FakeGuest) -> None:
    running.power_off()


async def reboot(vms: Roster, running: FakeGuest) -> None:
    running.power_off(reboot=True)


async def restart(vms: Roster, running: FakeGuest) -> None:
    await vms.restart(RestartVm(name="web"))


async def panic(vms: Roster, running: FakeGuest) -> None:
    running.crash()


@pytest.mark.parametrize(
    ("story", "end"),
    [
        (stop, "VM 'web' is stopped"),
        (kill, "VM 'web' is stopped"),
        (power_off, "VM 'web' is stopped: the guest powered off"),
        (delete, "VM 'web' was deleted"),
        (reboot, "VM 'web' starts again: the guest rebooted"),
        (restart, "VM 'web' starts again"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_boot_that_ends_well_ends_the_output_with_the_reason(
    autojump_clock: MockClock, ensemble: Ensemble, story: Story, end: str
) -> None:
    assert await told(ensemble, story) == end


async def test_a_crash_is_what_following_fails_with(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    crashed = await told(ensemble, panic)
    assert isinstance(crashed, LaunchFailed) and crashed.message.startswith("VM 'web' crashed: the guest's kernel panicked")
    assert "Kernel panic" in crashed.data["console"]


async def test_a_crashed_vm_that_its_policy_starts_again_has_not_ended(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    assert str(await told(ensemble, panic, restart="always")).startswith("VM 'web' starts again: ")


async def test_a_channel_that_breaks_and_comes_back_costs_no_line_and_repeats_none(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        running = ensemble.host.guest((await ensemble.create()).id)
        reader = Reader(vms)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.read)
            await reader.came("workload started")
            running.open_agent().end()
            running.log("nobody listened")
            await reader.came("nobody listened")
            running.log("somebody listened")
            await reader.came("somebody listened")
            await stop(vms, running)
        assert reader.lines == ["workload started", "nobody listened", "somebody listened"]
        assert reader.end == "VM 'web' is stopped"


async def test_who_reads_too_slowly_for_what_is_printed_goes_on_with_what_the_guest_still_has(
    autojump_clock: MockClock, ensemble: Ensemble
) -> None:
    async with ensemble.playing() as vms:
        running = ensemble.host.guest((await ensemble.create()).id)
        async with aclosing(vms.output("web").follow(guest.Logs(follow=True))) as lines:
            assert (await anext(lines))["seq"] == 1
            for number in range(2 * MAX_QUEUED_ITEMS):
                running.log(str(number))
            await wait_all_tasks_blocked()
            with trio.fail_after(PATIENCE_S):
                assert [(await anext(lines))["seq"] for _ in range(2 * MAX_QUEUED_ITEMS)] == list(range(2, 2 * MAX_QUEUED_ITEMS + 2))


async def test_who_asks_for_the_output_of_a_vm_that_is_down_is_told_so(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create()
        await vms.stop(StopVm(name="web"))
        reader = Reader(vms)
        await reader.read()
        assert isinstance(reader.end, AgentMissing) and "the VM is stopped" in reader.end.message
