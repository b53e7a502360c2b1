"""One task per VM that alone changes its state: it brings actual to wanted, session by session, until the VM is destroyed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.host.refusals import refused
from volant.daemon.ports import Asker, DropLease, DropObject, DropVm, HostObject, NetPort, Retries, VmRecord
from volant.daemon.vms.book import Book, Update
from volant.daemon.vms.concluding import concluded
from volant.daemon.vms.diagnosis import failure_of
from volant.daemon.vms.fencing import check_token
from volant.daemon.vms.launch import remove_folder
from volant.daemon.vms.ledger import FILES, is_absent
from volant.daemon.vms.lifecycle import Ending, Step, next_step
from volant.daemon.vms.places import Urgency
from volant.daemon.vms.plan import adoption_plan
from volant.daemon.vms.requests import Ask, Verdict, decide
from volant.daemon.vms.restarts import after_reboot, remaining_s, starts_with_host, tried_again, waits
from volant.daemon.vms.services import Services
from volant.daemon.vms.session import Session
from volant.daemon.vms.stopping import StopOrder, kill
from volant.proto.errors import Denied, Failed, Fault, Fenced, Internal, NoSuchVm
from volant.proto.plain import from_plain
from volant.proto.specs.restarts import parse_restart
from volant.proto.specs.states import VmState, WaitFor, Wanted
from volant.proto.specs.vmconfig import VmConfig

log = logging.getLogger("volant")

AGAIN_S, AGAIN_MAX_S = 0.5, 5.0
"""Between two tries of what the host refused: removing what a destroyed VM had, or finding out what became of its VMM. Often it refuses for
a moment only; while it goes on, the pause doubles up to the second."""

ADOPTED_GRACE_S = 10.0
"""For a guest whose stop an earlier daemon began: that one's grace is not known any more."""

_STORED = {Ask.START: FaultPoint.START_STORED, Ask.STOP: FaultPoint.STOP_STORED, Ask.DELETE: FaultPoint.DELETE_STORED}

NOBODY = Asker("volantd")
"""Who asks what nobody asked."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks of the VM."""

    ask: Ask
    grace_s: float = 10.0
    force: bool = False
    by: Asker = NOBODY
    token: int = 0
    """Of the lease that whoever asks believes to have; 0: none."""


class Owner:
    """The VM named in `book`. `run` lives as long as the VM or the daemon does, whichever ends first."""

    def __init__(self, services: Services, book: Book, *, urgency: Urgency = Urgency.BY_ITSELF) -> None:
        self._services, self.book = services, book
        self._urgency = urgency
        """Of the next start."""
        self.session: Session | None = None
        self._order: StopOrder | None = None
        """What somebody asked while something ran that no session drives yet."""
        self._denied: tuple[Ask, str, int] | None = None
        """The refusal that was told last."""
        self._pause_s = AGAIN_S

    @property
    def _config(self) -> VmConfig:
        """What the next start uses."""
        return from_plain(VmConfig, self.book.config.config)

    async def run(self) -> None:
        """Take the next step until the VM is gone. A defect in one VM's step fails that VM, not the daemon."""
        failure: Fault | None = None
        step = self._heed_reboot
        while not self.book.gone:
            try:
                if failure is None:
                    await step()
                    self._pause_s = AGAIN_S
                else:
                    await self._fail(failure)
                step = self._step
                failure = None
            except Exception as error:
                if failure is not None:
                    await self._pause()
                failure = self._fault_of(error)

    def _fault_of(self, error: Exception) -> Fault:
        if isinstance(error, Fault):
            return error
        if isinstance(error, OSError):
            return refused(error)
        log.error("VM %s", self.book.record.name, exc_info=error, extra={"vm": self.book.record.name})
        return Internal(f"a defect of Volant: {error!r}", hint="the daemon's log has the trace; please report it")

    async def request(self, request: Request) -> None:
        """Take, ignore or deny; returns once what is wanted is stored. Denied, HostShort, StoreFailed."""
        verdict: Verdict | None = None
        session: Session | None = None

        def update(record: VmRecord) -> Update | None:
            nonlocal verdict, session
            check_token(record, request.token)
            if record.state.is_live or request.ask in (Ask.START, Ask.RESTART):
                self._services.hypervisor(self._config.hypervisor)
            verdict = decide(request.ask, name=record.name, state=record.state, wanted=record.wanted, force=request.force)
            session = self.session
            told = (self.book.draft("VM_REQUEST", f"{request.ask} asked by {request.by}", **_asked(request, "taken")),)
            if verdict.taken and verdict.wanted is record.wanted and verdict.state is None and request.ask is Ask.RESTART:
                return Update(changes=told)
            if not verdict.taken or (verdict.wanted is record.wanted and verdict.state is None):
                return None
            generation = record.wanted_generation + 1
            fields = {"wanted": verdict.wanted, "wanted_generation": generation, "reason": "", "error": None, "retries": Retries()}
            return Update(fields, verdict.state, changes=told)

        try:
            await self.book.decide(update)
        except (Denied, Fenced) as denied:
            await self.tell_denied(request, denied)
            raise
        assert verdict is not None
        if verdict.wanted is Wanted.RUNNING:
            self._urgency = Urgency.ASKED
        if request.ask in _STORED:
            await passed(_STORED[request.ask], self.book.record.id)
        if verdict.stops:
            self._end(session, StopOrder(grace_s=request.grace_s, force=request.force))
        self.book.wake()

    async def tell_denied(self, request: Request, fault: Fault) -> None:
        """Record a refusal; of one that is repeated while nothing changes, the first counts."""
        seen = (request.ask, request.by.author, self.book.record.generation)
        if seen != self._denied:
            self._denied = seen
            message = f"{request.ask} asked by {request.by}, denied: {fault.message}"
            await self.book.tell("VM_REQUEST", message, **_asked(request, "denied"), code=fault.code)

    def _end(self, session: Session | None, order: StopOrder) -> None:
        """Let the session that ran when somebody asked end; one that began since then is not meant."""
        if session is not None:
            session.stop(order)
        elif self.book.record.state.is_live:
            self._order = order

    async def wait(self, until: WaitFor, *, boot: int | None = None) -> None:
        """Return once the condition holds. Raises the VM's own failure when it can't come about by itself, and NoSuchVm.

        `boot`: for `stopped`, the boot that has to have ended, even if another one has begun since; else the earliest boot that counts.
        """
        await self.book.wait_until(lambda: self._outcome(until, boot) is not None)
        outcome = self._outcome(until, boot)
        if isinstance(outcome, Fault):
            raise outcome

    def _outcome(self, until: WaitFor, boot: int | None) -> Fault | bool | None:
        """True when it holds, a fault when it can't, None while it may come."""
        record = self.book.record
        if self.book.gone:
            return True if until in (WaitFor.DELETED, WaitFor.STOPPED) else NoSuchVm(record.name)
        state = record.state
        if until is WaitFor.DELETED:
            return None
        if until is WaitFor.STOPPED:
            ended = boot is not None and record.boot > boot
            return True if ended or not (state.is_live or state is VmState.PENDING or waits(record)) else None
        if boot is None or record.boot >= boot:
            if state is VmState.READY or (until is WaitFor.RUNNING and state is VmState.RUNNING):
                return True
            if state in (VmState.FAILED, VmState.CRASHED) and not waits(record):
                return failure_of(record)
        if state in (VmState.STOPPED, VmState.DESTROYING) and record.wanted is not Wanted.RUNNING:
            return Failed(f"VM {record.name!r} is {state}", hint=f"start it: `volant vm start {record.name}`")
        return None

    async def _step(self) -> None:
        book = self.book
        step = _next(book.record)
        match step:
            case Step.START:
                await self._live(adopt=False)
            case Step.ADOPT:
                await self._live(adopt=True)
            case Step.SETTLE:
                await book.insist(lambda record: Update(state=VmState.STOPPED) if _is_next(step, record) else None)
            case Step.DESTROY:
                await self._destroy()
            case Step.RETRY:
                await self._retry()
            case Step.IDLE:
                await book.wait_until(lambda: not _is_next(step, book.record))

    async def _heed_reboot(self) -> None:
        """The first thing with a VM that was down when an earlier daemon, and maybe the host, went away."""
        config, host_boot = self._config, self._services.host_boot
        starts = starts_with_host(config.restart, autostart=config.autostart)

        def update(record: VmRecord) -> Update | None:
            after = after_reboot(record, host_boot=host_boot, starts=starts)
            return Update(after[1], after[0]) if after else None

        if update(self.book.record) is not None:
            await self.book.insist(update)

    async def _retry(self) -> None:
        """Wait until the next try is due, and make it; whatever somebody asks meanwhile comes first."""
        book = self.book
        with trio.move_on_after(remaining_s(book.record.retries, self._services.clock())) as waiting:
            await book.wait_until(lambda: not _is_next(Step.RETRY, book.record))
        if waiting.cancelled_caught:
            self._urgency = Urgency.BY_ITSELF
            policy = parse_restart(self._config.restart)
            await book.insist(lambda record: Update(tried_again(record, policy), VmState.PENDING) if _is_next(Step.RETRY, record) else None)

    async def _live(self, *, adopt: bool) -> None:
        self._services.hypervisor(self._config.hypervisor)
        config = from_plain(VmConfig, self.book.booted.config) if adopt else self._config
        session = self.session = Session(self._services, self.book, config, self._urgency)
        try:
            if adopt:
                self._order_anew(session)
            elif not await self.book.decide(lambda record: self._starting(record, session) if _is_next(Step.START, record) else None):
                return
            else:
                await passed(FaultPoint.STARTING_STORED)
            await session.run(adopt=adopt)
        finally:
            self.session = None

    def _starting(self, record: VmRecord, session: Session) -> Update:
        # Another change of the config may have been stored while this one waited for its turn.
        session.take_config(self._config)
        times = {"ready_ms": 0, "ready_at": "", "started_at": "", "stopped_at": ""}
        cleared = {"reason": "", "error": None, "exit_code": None, "exit_signal": 0, **times}
        booted = {"boot": record.boot + 1, "booted_config": self.book.config.version, "host_boot": self._services.host_boot}
        return Update(
            {**booted, **cleared}, VmState.STARTING, record.reason, changes=session.rows(), told={"console": session.console.end()}
        )

    def _order_anew(self, session: Session) -> None:
        """Give an adopted VM the order that nobody carried out, or that an earlier daemon was carrying out."""
        record, order = self.book.record, self._order
        self._order = None
        if order is None and (record.wanted is not Wanted.RUNNING or record.state is VmState.STOPPING):
            order = StopOrder(grace_s=ADOPTED_GRACE_S, force=record.wanted is Wanted.DESTROYED)
        if order is not None:
            session.stop(order)

    async def _destroy(self) -> None:
        """Remove what the VM had, then its rows: first the proof, then the forgetting."""
        book, services = self.book, self._services
        record = book.record
        if record.state is not VmState.DESTROYING:
            await book.change(state=VmState.DESTROYING)
        await passed(FaultPoint.DESTROYING_STORED)
        rows = [item for item in await services.journal.store.objects() if item.vm_id == record.id]
        await self._reap(rows)
        await passed(FaultPoint.REST_REAPED)
        where = services.places(record.id)
        try:
            for folder in (where.runtime, where.state):
                await trio.to_thread.run_sync(remove_folder, folder)
        except OSError as error:
            raise Failed(f"its files can't be removed yet: {error}", hint=f"see what keeps {where.state} from being removed") from None
        await passed(FaultPoint.FILES_REMOVED)
        leases = [DropLease(record.ip)] if record.ip else []
        await book.drop(*_drops(rows), *leases, DropVm(record.id))
        # Only now: whoever asks for the console while the rows go would be given another one, which nobody forgets.
        services.consoles.forget(record.id)
        services.network.give_back(record.id)
        services.held_forwards.pop(record.name, None)
        await passed(FaultPoint.VM_FORGOTTEN)

    async def _reap(self, rows: list[HostObject]) -> None:
        """Kill and remove what the ledger says this VM may still have, and prove it gone."""
        services, record = self._services, self.book.record
        if any(item.kind == "process" for item in rows):
            plan = adoption_plan(record, services.places(record.id))
            hypervisor = services.hypervisor(self._config.hypervisor)
            identity = await hypervisor.find(plan)
            vmm = await hypervisor.adopt(identity, plan) if identity is not None else None
            if vmm is not None:
                await kill(vmm, self.book)
        if any(item.kind == "tap" for item in rows):
            async with services.network.attached(NetPort(vm_id=record.id, tap=record.tap, mac=record.mac, ip=record.ip), adopt=True):
                pass

    async def _fail(self, fault: Fault) -> None:
        """A step failed: prove that nothing runs, say so, and wait for the next request. What can't be proven is looked at again later."""
        log.warning("VM %s: %s", self.book.record.name, fault.message, extra={"vm": self.book.record.name})
        record = self.book.record
        drops: tuple[DropObject, ...] = ()
        if record.state.is_live:
            objects = await self._services.journal.store.objects()
            rows = [item for item in objects if item.vm_id == record.id and (item.kind not in FILES or is_absent(item))]
            try:
                await self._reap(rows)
            except Fault as obstacle:
                await self._hold_on(obstacle)
                return
            drops = _drops(rows)
        elif record.state is not VmState.PENDING:
            await self._hold_on(fault)
            return
        await self.book.insist(lambda now: self._failed(now, fault, drops))

    def _failed(self, record: VmRecord, fault: Fault, drops: tuple[DropObject, ...]) -> Update | None:
        """A start that failed before its first step counts as a boot too, for somebody may wait for it."""
        if not (record.state.is_live or record.state is VmState.PENDING):
            return None
        was_up = record.state in (VmState.READY, VmState.PAUSED, VmState.STOPPING)
        end = Ending(VmState.CRASHED if was_up else VmState.FAILED, record.wanted, fault.message, is_failure=True)
        ended = {"error": fault.to_wire(), "process": None, "boot": record.boot + (record.state is VmState.PENDING)}
        return concluded(self._services, self.book, record, end, fault.message, ended, drops)

    async def _hold_on(self, obstacle: Fault) -> None:
        """Tell what is in the way, once, and wait a moment."""
        if self.book.record.reason != obstacle.message:
            await self.book.insist(lambda _: Update({"reason": obstacle.message}))
        await self._pause()

    async def _pause(self) -> None:
        await trio.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, AGAIN_MAX_S)


def _asked(request: Request, verdict: str) -> dict[str, Any]:
    data = {"ask": request.ask.value, "verdict": verdict, "author": request.by.author, "origin": request.by.origin}
    return data | ({"force": True} if request.force else {})


def _next(record: VmRecord) -> Step:
    return next_step(record.state, record.wanted, waits=waits(record))


def _is_next(step: Step, record: VmRecord) -> bool:
    return _next(record) is step


def _drops(rows: list[HostObject]) -> tuple[DropObject, ...]:
    return tuple(DropObject(item.kind, item.name) for item in rows)
