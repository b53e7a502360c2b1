"""Requests, guests, a failing store and a daemon that comes and goes, in any order: what holds at every moment and at rest."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.ensemble import BOOTS, Ensemble, no_threads
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import VmRecord
from volant.proto.api.vm import DeleteVm, RestartVm, StartVm, StopVm, WaitVm
from volant.proto.errors import Fault, HostShort, Internal
from volant.proto.specs.states import NetworkMode, VmState, WaitFor, Wanted

ANSWER_S = 60.0
"""Every request waits at most that long by its own wish."""

REQUESTS = ("start", "stop", "stop now", "stop and don't wait", "restart", "delete", "delete by force", "wait", "create")
GUEST = ("crash", "power off", "reboot", "unhealthy", "exited", "ready")
HOST = ("disk fills", "disk is freed", "daemon restarts", "host restarts")

steps = st.lists(
    st.tuples(st.sampled_from(REQUESTS * 3 + GUEST * 2 + HOST), st.sampled_from((0.0, 0.0, 0.001, 0.003, 0.01, 0.4, 3.0))),
    min_size=1,
    max_size=14,
)
behaviours = st.sampled_from((Behaviour(), Behaviour(ready_s=0.05), Behaviour(ignores_shutdown=True), Behaviour(mute=True)))
policies = st.fixed_dictionaries({"restart": st.sampled_from(("no", "on-failure", "on-failure:1", "always")), "autostart": st.booleans()})


class Story:
    """One run of steps against one VM."""

    def __init__(self, ensemble: Ensemble, policy: dict[str, Any]) -> None:
        self.ensemble = ensemble
        self.policy = policy
        self.answered = 0
        self.asked = 0

    async def ask(self, what: str) -> None:
        """Send one request; its answer may be any fault but a defect, and comes in time."""
        vms, timeout_ms = self.ensemble.vms, int(ANSWER_S * 1000)
        self.asked += 1
        try:
            with trio.fail_after(ANSWER_S + 15):
                match what:
                    case "start":
                        await vms.start(StartVm(name="web", wait=WaitFor.READY, timeout_ms=timeout_ms))
                    case "stop":
                        await vms.stop(StopVm(name="web", grace_ms=500, timeout_ms=timeout_ms))
                    case "stop now":
                        await vms.stop(StopVm(name="web", force=True, timeout_ms=timeout_ms))
                    case "stop and don't wait":
                        await vms.stop(StopVm(name="web", wait=False))
                    case "restart":
                        await vms.restart(RestartVm(name="web", grace_ms=500, wait=WaitFor.READY, timeout_ms=timeout_ms))
                    case "delete":
                        await vms.delete(DeleteVm(name="web", timeout_ms=timeout_ms))
                    case "delete by force":
                        await vms.delete(DeleteVm(name="web", force=True, timeout_ms=timeout_ms))
                    case "wait":
                        await vms.wait(WaitVm(name="web", until=WaitFor.STOPPED, timeout_ms=timeout_ms))
                    case "create":
                        await self.ensemble.create(timeout_ms=timeout_ms, **self.policy)
        except Internal as defect:
            raise AssertionError(f"{what}: {defect}") from defect
        except Fault:
            pass
        self.answered += 1

    def happen(self, what: str) -> None:
        """Something happens to the guest, if one runs."""
        for guest in list(self.ensemble.host._guests.values()):
            match what:
                case "crash":
                    guest.crash()
                case "power off":
                    guest.crash("guest-shutdown")
                case "reboot":
                    guest.crash("guest-reset")
                case _:
                    guest.turn(what, message=f"it is {what}")

    async def tell(self, script: list[tuple[str, float]]) -> None:
        """Run the script; a restarted daemon's open requests are lost with it, as their connections are."""
        todo = list(script)
        while True:
            async with self.ensemble.playing(), trio.open_nursery() as clients:
                while todo:
                    what, pause = todo.pop(0)
                    if what in ("daemon restarts", "host restarts"):
                        clients.cancel_scope.cancel()
                        self.answered = self.asked
                        break
                    if what in REQUESTS:
                        clients.start_soon(self.ask, what)
                    elif what == "disk fills":
                        self.ensemble.store.broken = HostShort("there is no space left")
                    elif what == "disk is freed":
                        self.ensemble.store.broken = None
                    else:
                        self.happen(what)
                    await trio.sleep(pause)
                else:
                    self.ensemble.store.broken = None
                    await self.rest(clients)
                    return
            if what == "host restarts":
                self.ensemble.host.reboot()
                self.ensemble.bridge.taps.clear()

    async def rest(self, clients: trio.Nursery) -> None:
        """Once everybody has been answered and nothing moves any more: records, rows and host agree."""
        await trio.sleep(ANSWER_S + 60)
        assert not clients.child_tasks
        # A guest that never gets ready is started again and again by some policies: look while it is not.
        quiet = 0
        with trio.fail_after(ANSWER_S):
            while quiet < 20:
                quiet = 0 if self.moving() else quiet + 1
                await trio.sleep(0.01)
        await self.check()

    def vms(self) -> tuple[VmRecord, ...]:
        return self.ensemble.vms.records()

    def moving(self) -> bool:
        """Whether a VM is on its way somewhere."""
        booting = self.ensemble.services.boots.free < BOOTS
        return booting or any(not (vm.state.is_settled or vm.state is VmState.RUNNING) for vm in self.vms())

    async def check(self) -> None:
        ensemble = self.ensemble
        records = {record.id: record for record in self.vms()}
        assert {record.id: record for record in await ensemble.store.vms()} == records
        up = {id for id, record in records.items() if record.state in (VmState.RUNNING, VmState.READY)}
        assert up == {id for id, record in records.items() if record.state.is_live}
        assert set(ensemble.host._guests) == up
        for record in records.values():
            assert record.state.is_settled or record.state is VmState.RUNNING, record
            assert record.state not in (VmState.FAILED, VmState.CRASHED) or record.error
            assert (record.process is None) == (record.id not in up)
        objects = await ensemble.store.objects()
        assert {item.vm_id for item in objects if item.kind == "process"} == up
        assert {item.name for item in objects if item.kind == "tap"} == ensemble.bridge.taps == {records[id].tap for id in up}
        assert {item.vm_id for item in objects} <= set(records)
        for parent in (ensemble.services.state_dir / "vms", ensemble.services.runtime_dir / "vms"):
            assert {path.name for path in parent.glob("*")} <= set(records)
        assert ensemble.services.boots.free == BOOTS
        for record in records.values():
            assert not record.retries.next_at or (record.wanted is Wanted.RUNNING and self.policy["restart"] != "no")


class Defects(logging.Handler):
    """What the daemon logged with a trace."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(self.format(record))


@settings(max_examples=150, deadline=None)
@given(script=steps, behaviour=behaviours, policy=policies)
def test_at_rest_records_rows_and_host_agree(script: list[tuple[str, float]], behaviour: Behaviour, policy: dict[str, Any]) -> None:
    defects = Defects()
    root = logging.getLogger("volant")
    root.addHandler(defects)
    try:
        with tempfile.TemporaryDirectory() as folder, no_threads():
            ensemble = Ensemble(Path(folder), network=NetworkMode.BRIDGED)
            ensemble.host.behaviour = behaviour
            trio.run(Story(ensemble, policy).tell, [("create", 0.01), *script], clock=MockClock(autojump_threshold=0))
    finally:
        root.removeHandler(defects)
    assert defects.found == []
