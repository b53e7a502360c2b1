"""One task per VM that alone changes its state: it brings actual to wanted, session by session, until the VM is destroyed."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import trio

from volant.daemon.ports import DropLease, DropObject, DropVm, NetPort
from volant.daemon.vms.book import Book
from volant.daemon.vms.launch import remove_folder
from volant.daemon.vms.lifecycle import Step, next_step
from volant.daemon.vms.plan import adoption_plan
from volant.daemon.vms.requests import Ask, decide
from volant.daemon.vms.services import Services
from volant.daemon.vms.session import Session
from volant.daemon.vms.stopping import StopOrder
from volant.proto.errors import Failed, Fault, Internal, LaunchFailed, NoSuchVm
from volant.proto.specs.states import VmState, WaitFor, Wanted
from volant.proto.specs.vmconfig import VmConfig

log = logging.getLogger(__name__)

DESTROY_AGAIN_S = 5.0
"""Between two tries to remove what a destroyed VM had, when the host refused the first."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks of the VM."""

    ask: Ask
    grace_s: float = 10.0
    force: bool = False


class Owner:
    """The VM named in `book`. `run` lives as long as the VM or the daemon does, whichever ends first."""

    def __init__(self, services: Services, book: Book, config: VmConfig) -> None:
        self._services, self.book, self._config = services, book, config
        self.session: Session | None = None

    async def run(self) -> None:
        """Take the next step until the VM is gone. A defect in one VM's step fails that VM, not the daemon."""
        while not self.book.gone:
            try:
                await self._step()
            except Fault as fault:
                await self._fail(fault)
            except Exception as error:
                log.exception("VM %s", self.book.record.name)
                await self._fail(Internal(f"a defect of Volant: {error!r}", hint="the daemon's log has the trace; please report it"))

    async def request(self, request: Request) -> None:
        """Take, ignore or deny; returns once what is wanted is stored. Denied."""
        record = self.book.record
        verdict = decide(request.ask, name=record.name, state=record.state, wanted=record.wanted, force=request.force)
        order = StopOrder(grace_s=request.grace_s, force=request.force)
        if verdict.taken and (verdict.wanted is not record.wanted or verdict.state is not None):
            await self.book.change(
                state=verdict.state, wanted=verdict.wanted, wanted_generation=record.wanted_generation + 1, reason="", error=None
            )
        if verdict.stops and self.session is not None:
            self.session.stop(order)
        self.book.wake()

    async def wait(self, until: WaitFor, *, boot: int = 0) -> None:
        """Return once the condition holds. Raises the VM's own failure when it can't come about by itself, and NoSuchVm."""
        await self.book.wait_until(lambda: self._outcome(until, boot) is not None)
        outcome = self._outcome(until, boot)
        if isinstance(outcome, Fault):
            raise outcome

    def _outcome(self, until: WaitFor, boot: int) -> Fault | bool | None:
        """True when it holds, a fault when it can't, None while it may come."""
        record = self.book.record
        if self.book.gone:
            return True if until in (WaitFor.DELETED, WaitFor.STOPPED) else NoSuchVm(record.name)
        state = record.state
        if until is WaitFor.DELETED:
            return None
        if until is WaitFor.STOPPED:
            return True if not state.is_live and state is not VmState.PENDING else None
        if record.boot >= boot:
            if state is VmState.READY or (until is WaitFor.RUNNING and state is VmState.RUNNING):
                return True
            if state in (VmState.FAILED, VmState.CRASHED):
                return Fault.from_wire(record.error) if record.error else LaunchFailed(f"VM {record.name!r} is {state}: {record.reason}")
        if state in (VmState.STOPPED, VmState.DESTROYING) and record.wanted is not Wanted.RUNNING:
            return Failed(f"VM {record.name!r} is {state}", hint=f"start it: `volant vm start {record.name}`")
        return None

    async def _step(self) -> None:
        book = self.book
        record = book.record
        match next_step(record.state, record.wanted):
            case Step.START:
                await self._live(adopt=False)
            case Step.ADOPT:
                await self._live(adopt=True)
            case Step.SETTLE:
                await book.change(state=VmState.STOPPED)
            case Step.DESTROY:
                await self._destroy()
            case Step.IDLE:
                await book.wait_until(lambda: next_step(book.record.state, book.record.wanted) is not Step.IDLE)

    async def _live(self, *, adopt: bool) -> None:
        session = self.session = Session(self._services, self.book, self._config)
        try:
            if adopt:
                if self.book.record.wanted is not Wanted.RUNNING:
                    session.stop(StopOrder(grace_s=10.0, force=self.book.record.wanted is Wanted.DESTROYED))
            else:
                await self.book.change(
                    *session.rows(), state=VmState.STARTING, boot=self.book.record.boot + 1, reason="", error=None, ready_ms=0,
                    ready_at="", started_at="", stopped_at="",
                )  # fmt: skip
            await session.run(adopt=adopt)
        finally:
            self.session = None

    async def _destroy(self) -> None:
        """Remove what the VM had, then its rows: first the proof, then the forgetting."""
        book, services = self.book, self._services
        record = book.record
        if record.state is not VmState.DESTROYING:
            await book.change(state=VmState.DESTROYING)
        where = services.places(record.id)
        try:
            for folder in (where.runtime, where.state):
                await trio.to_thread.run_sync(remove_folder, folder)
        except OSError as error:
            await book.change(reason=f"its files can't be removed yet: {error}")
            await trio.sleep(DESTROY_AGAIN_S)
            return
        services.consoles.forget(record.id)
        rows = await self._reap()
        leases = [DropLease(record.ip)] if record.ip else []
        await book.drop(*rows, *leases, DropVm(record.id))
        services.network.give_back(record.id)
        services.held_forwards.pop(record.name, None)

    async def _reap(self) -> list[DropObject]:
        """Whatever else the ledger says this VM has: prove each gone; the changes that drop the rows."""
        services, record = self._services, self.book.record
        rows = [item for item in await services.journal.store.objects() if item.vm_id == record.id]
        if any(item.kind == "process" for item in rows):
            plan = adoption_plan(record, services.places(record.id))
            hypervisor = services.hypervisors[self._config.hypervisor]
            identity = await hypervisor.find(plan)
            vmm = await hypervisor.adopt(identity, plan) if identity is not None else None
            if vmm is not None:
                await vmm.kill()
        if any(item.kind == "tap" for item in rows):
            async with services.network.attached(NetPort(vm_id=record.id, tap=record.tap, mac=record.mac, ip=record.ip), adopt=True):
                pass
        return [DropObject(item.kind, item.name) for item in rows]

    async def _fail(self, fault: Fault) -> None:
        """Say that a step failed, whatever state it left; then wait for the next request rather than try for ever."""
        state = self.book.record.state
        if state in (VmState.PENDING, VmState.STARTING, VmState.RUNNING, VmState.READY, VmState.STOPPING):
            if state is VmState.PENDING:
                await self.book.change(state=VmState.STARTING)
            target = VmState.CRASHED if state is VmState.STOPPING or state is VmState.READY else VmState.FAILED
            await self.book.change(state=target, reason=fault.message, error=fault.to_wire(), message=fault.message)
        else:
            await trio.sleep(DESTROY_AGAIN_S)
