"""Who holds a VM, what becomes of it when its holder is gone, and how its workload ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.ensemble import Ensemble, no_threads
from tests.fakes.records import vm_record
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import Asker
from volant.daemon.vms import fencing
from volant.daemon.vms.leases import RETURN_S
from volant.daemon.vms.roster import Roster
from volant.proto.api.vm import DeleteVm, StartVm, StopVm, VmView, WaitVm
from volant.proto.api.vm_lease import Held, HoldVm, MarkVm, ReleaseVm
from volant.proto.errors import Denied, Fenced, HostShort, InvalidParams, NoSuchVm
from volant.proto.specs.leases import NewLease, OnEnd, VmLease
from volant.proto.specs.states import VmState, WaitFor

ME, OTHER = Asker("uid:0(root)", "pid 1 (me)"), Asker("uid:0(root)", "pid 2 (other)")

GOES_WITH_ME = NewLease(on_end=OnEnd.DELETE)


@pytest.fixture(autouse=True)
def _no_threads() -> object:
    with no_threads():
        yield


@pytest.fixture
def ensemble(tmp_path: Path) -> Ensemble:
    return Ensemble(tmp_path)


class Holder:
    """One open call that holds a VM."""

    def __init__(self) -> None:
        self.heard: list[Held] = []
        self.ended: Exception | None = None
        self.over = trio.Event()
        self.first = trio.Event()
        self.scope = trio.CancelScope()

    @property
    def token(self) -> int:
        lease = self.heard[-1].vm.lease
        assert lease is not None
        return lease.token

    async def tell(self, held: Held) -> None:
        self.heard.append(held)
        self.first.set()

    async def hold(self, vms: Roster, asked: HoldVm, by: Asker) -> None:
        with self.scope:
            try:
                await vms.leases.hold(asked, by, self.tell)
            except (Fenced, Denied, NoSuchVm, HostShort) as fault:
                self.ended = fault
        self.over.set()
        self.first.set()

    async def go_away(self) -> None:
        """As when the connection ends."""
        self.scope.cancel()
        await self.over.wait()


@asynccontextmanager
async def holding(vms: Roster, *, by: Asker = ME, **asked: object) -> AsyncIterator[Holder]:
    """Hold `web` while the block runs, unless the holder goes away before."""
    holder = Holder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(holder.hold, vms, HoldVm(**({"name": "web"} | asked)), by)  # type: ignore[arg-type]
        await holder.first.wait()
        yield holder
        holder.scope.cancel()


def lease(vms: Roster) -> VmLease:
    found = vms.get("web").lease
    assert found is not None
    return found


async def gone(vms: Roster) -> None:
    await vms.wait(WaitVm(name="web", until=WaitFor.DELETED))


# ------------------------------------------------------------------------------------------------------------------------- who holds


async def test_a_holder_is_shown_with_the_vm_and_hears_of_each_change(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create()
        async with holding(vms, engine_id="unit-1") as holder:
            assert (lease(vms).token, lease(vms).holder, lease(vms).engine_id, lease(vms).connected) == (1, str(ME), "unit-1", True)
            await vms.stop(StopVm(name="web", lease_token=holder.token))
            await trio.sleep(1)
            assert holder.heard[0].vm.status is VmState.READY
            assert holder.heard[-1].vm.status is VmState.STOPPED
            await vms.delete(DeleteVm(name="web", lease_token=holder.token))
            await holder.over.wait()
            assert holder.ended is None


async def test_a_second_holder_is_refused_unless_it_names_itself_and_then_fences_the_first(
    autojump_clock: MockClock, ensemble: Ensemble
) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create()
        async with holding(vms) as first:
            async with holding(vms, by=OTHER) as refused:
                await refused.over.wait()
            assert isinstance(refused.ended, Denied) and str(ME) in refused.ended.message and "--engine-id" in refused.ended.hint
            async with holding(vms, by=OTHER, engine_id="newer") as second:
                await first.over.wait()
                assert isinstance(first.ended, Fenced) and str(OTHER) in first.ended.message
                assert (second.token, lease(vms).holder) == (2, str(OTHER))
                for request in (
                    lambda: vms.stop(StopVm(name="web", lease_token=first.token)),
                    lambda: vms.delete(DeleteVm(name="web", force=True, lease_token=first.token)),
                    lambda: vms.start(StartVm(name="web", lease_token=first.token)),
                    lambda: vms.leases.release(ReleaseVm(name="web", token=first.token)),
                ):
                    with pytest.raises(Fenced):
                        await _done(request())
                with pytest.raises(Fenced):
                    vms.leases.mark(MarkVm(name="web", token=first.token, cursor="logs 1 1"))
                assert vms.get("web").status is VmState.READY
        # What the first one left in leaving is not the second one's end.
        assert lease(vms).token == 2
        await vms.stop(StopVm(name="web"))  # a person without any lease may
        assert vms.get("web").status is VmState.STOPPED


async def _done(request: Awaitable[object]) -> None:
    await request


async def test_the_next_holder_goes_on_where_the_last_one_vanished(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create(lease=NewLease(engine_id="a"))
        async with holding(vms, token=1) as first:
            vms.leases.mark(MarkVm(name="web", token=1, cursor="logs 1 7"))
            await first.go_away()
        await trio.sleep(1)
        assert (lease(vms).connected, lease(vms).cursor, lease(vms).engine_id) == (False, "logs 1 7", "a")
        async with holding(vms) as second:
            assert second.heard[0].abandoned and second.token == 2
            assert lease(vms).cursor == "logs 1 7"
            await vms.leases.release(ReleaseVm(name="web", token=2))
            await second.over.wait()
        async with holding(vms) as third:
            assert not third.heard[0].abandoned and third.token == 3


async def test_a_holder_may_come_back_on_another_connection(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create(lease=GOES_WITH_ME)
        async with holding(vms, token=1) as first, holding(vms, token=1) as again:
            await first.over.wait()
            assert isinstance(first.ended, Fenced) and again.ended is None
            await trio.sleep(2 * RETURN_S)
            assert vms.get("web").status is VmState.READY


@pytest.mark.parametrize("engine_id", ["x" * 65, "a\x1b[2J"])
def test_words_that_would_not_be_kept_are_refused(engine_id: str) -> None:
    with pytest.raises(InvalidParams):
        fencing.first(NewLease(engine_id=engine_id), ME, "")
    with pytest.raises(InvalidParams):
        fencing.claimed(vm_record(), HoldVm(name="vm-1", engine_id=engine_id), ME, "", cursor="")
    with pytest.raises(InvalidParams):
        fencing.check_words(cursor="\n")
    assert fencing.first(NewLease(engine_id="x" * 64), ME, "").token == 1


def test_a_replica_is_held_by_its_deployment_alone() -> None:
    with pytest.raises(Denied, match="deployment 'shop'"):
        fencing.claimed(vm_record(deployment="shop"), HoldVm(name="vm-1"), ME, "", cursor="")


# --------------------------------------------------------------------------------------------------------------- what goes with it


async def test_a_vm_that_goes_with_its_holder_is_gone_when_the_call_ends(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create(lease=GOES_WITH_ME)
        async with holding(vms, token=1) as holder:
            await trio.sleep(2 * RETURN_S)
            assert vms.get("web").status is VmState.READY
            await holder.go_away()
        await gone(vms)
        assert not ensemble.host.guests() and not await ensemble.store.objects()


async def test_one_that_was_given_back_stays(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create(lease=GOES_WITH_ME)
        async with holding(vms, token=1):
            await vms.leases.release(ReleaseVm(name="web", token=1))
        await trio.sleep(2 * RETURN_S)
        assert vms.get("web").status is VmState.READY


async def test_a_maker_that_never_comes_loses_the_vm(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create(lease=GOES_WITH_ME)
        await trio.sleep(RETURN_S - 1)
        assert vms.get("web").status is VmState.READY
        await gone(vms)


async def test_a_restart_of_the_daemon_gives_the_holder_time_to_return(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create(lease=GOES_WITH_ME)
        async with holding(vms, token=1):
            vms.leases.close()  # as on the way out, before the calls end
    async with ensemble.playing() as vms:
        assert not lease(vms).connected
        await trio.sleep(RETURN_S - 1)
        async with holding(vms, token=1):
            await trio.sleep(2 * RETURN_S)
            assert (await ensemble.settled(VmState.READY)).lease == lease(vms)
            vms.leases.close()
    async with ensemble.playing() as vms:
        await gone(vms)
    assert not ensemble.host.guests()


async def test_a_full_disk_delays_the_end_and_no_more(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    full = HostShort("no space left")
    async with ensemble.playing() as vms:
        await ensemble.create(lease=GOES_WITH_ME)
        async with holding(vms, token=1) as holder:
            with ensemble.full_disk(full):
                await holder.go_away()
                async with holding(vms, engine_id="late") as refused:
                    await refused.over.wait()
                assert refused.ended is full
                await trio.sleep(60)
                assert vms.get("web").status is VmState.READY
        await gone(vms)


# ------------------------------------------------------------------------------------------------------------- how the workload ended


async def ended_vm(ensemble: Ensemble) -> VmView:
    with trio.fail_after(60):
        while ensemble.vms.get("web").exit_code is None:
            await trio.sleep(0.01)
    return ensemble.vms.get("web")


async def test_the_workloads_end_is_kept_told_and_forgotten_with_the_next_start(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        view = await ensemble.create()
        ensemble.host.guest(view.id).turn("exited", message="it exited with code 3", exit_code=3)
        found = await ended_vm(ensemble)
        assert (found.status, found.exit_code, found.exit_signal) == (VmState.RUNNING, 3, 0)
        told = [event.data for event in await ensemble.store.events(after=0, limit=100, kinds=("VM_AGENT",)) if "exit_code" in event.data]
        assert [data["exit_code"] for data in told] == [3]
    async with ensemble.playing() as vms:
        assert vms.get("web").exit_code == 3
        await vms.stop(StopVm(name="web"))
        assert (vms.get("web").status, vms.get("web").exit_code) == (VmState.STOPPED, 3)
        await vms.start(StartVm(name="web", wait=WaitFor.READY))
        assert vms.get("web").exit_code is None


async def test_what_a_guest_says_in_its_last_moment_is_heard(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing() as vms:
        await ensemble.create()
        await vms.stop(StopVm(name="web"))
        assert (vms.get("web").exit_code, vms.get("web").exit_signal) == (143, 15)


async def test_a_guest_that_makes_numbers_up_does_no_harm(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    async with ensemble.playing():
        view = await ensemble.create()
        ensemble.host.guest(view.id).turn("exited", exit_code=-(2**40), signal=2**62)
        found = await ended_vm(ensemble)
        assert (found.exit_code, found.exit_signal) == (0, 0)


async def test_a_workload_that_cannot_be_started_says_so_by_its_code(autojump_clock: MockClock, ensemble: Ensemble) -> None:
    ensemble.host.behaviour = Behaviour(ready_s=float("inf"))
    async with ensemble.playing():
        view = await ensemble.create(wait=None)
        await ensemble.settled(VmState.RUNNING)
        ensemble.host.guest(view.id).turn("failed", message="'nope' was not found", exit_code=127)
        assert (await ensemble.settled(VmState.FAILED)).exit_code == 127
