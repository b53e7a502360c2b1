"""One life of a VMM: from its start or adoption to its proven death.

    launch or adopt --> console held, agent followed, deadline kept, stop awaited --> VMM dead --> undone --> ending stored

Everything that was made stands on one exit stack. When the daemon leaves, the stack is let go and the VM stays.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import trio

from volant.daemon.host.nurseries import helpers
from volant.daemon.ports import ConsoleHolder, ExitReport, GuestLink, HostObject, PutObject, Vmm
from volant.daemon.vms.agent import AgentWatch
from volant.daemon.vms.book import Book
from volant.daemon.vms.diagnosis import launch_fault, panicked
from volant.daemon.vms.launch import drop_runtime_folder, keep_until_dead, launch, plug_in
from volant.daemon.vms.ledger import Claim
from volant.daemon.vms.lifecycle import Ending, ending
from volant.daemon.vms.plan import adoption_plan
from volant.daemon.vms.services import Services
from volant.daemon.vms.stopping import StopOrder, stop_guest
from volant.proto.errors import ConnectionLost, Fault, Timeout
from volant.proto.specs.states import NetworkMode, VmState, Wanted
from volant.proto.specs.vmconfig import VmConfig

_NO_EVIDENCE: dict[str, Any] = {"console": "", "stderr": "", "command_line": ()}


class Session:
    """Drives one VMM. `run` returns when nothing of it is left, with the ending in the book."""

    def __init__(self, services: Services, book: Book, config: VmConfig) -> None:
        self._services, self._book, self._config = services, book, config
        self._bringing_up = trio.CancelScope()
        self._order: StopOrder | None = None
        self._ordered = trio.Event()
        self._failure: Fault | None = None
        self._was_ready = False
        self._holds_place = False
        self._started = trio.current_time()
        self._excerpt = _NO_EVIDENCE
        self.agent = AgentWatch(services, book, self)

    @property
    def link(self) -> GuestLink | None:
        """The agent's link, while there is one."""
        return self.agent.link

    @property
    def console(self) -> ConsoleHolder:
        return self._services.consoles.console(self._book.record.id, self._services.places(self._book.record.id).console_log)

    def rows(self) -> tuple[PutObject, ...]:
        """The owner rows to write before anything is made."""
        return tuple(PutObject(item) for item in _launch_objects(self._book, self._config))

    def stop(self, order: StopOrder) -> None:
        """End this session; a second, harsher order replaces the first."""
        if self._order is not None:
            self._order.harden(order)
            return
        self._order = order
        self._ordered.set()
        self._bringing_up.cancel()

    def give_up(self, fault: Fault) -> None:
        """The start failed for this reason: kill what runs."""
        if self._failure is None and not self._was_ready:
            self._failure = fault
            self.stop(StopOrder(grace_s=0, force=True))

    async def become_ready(self) -> None:
        """The agent said ready; the first time in a boot ends the start."""
        first = not self._was_ready
        self._was_ready = True
        self._let_next_boot()
        record = self._book.record
        if record.state is not VmState.RUNNING:
            return
        fields: dict[str, Any] = {"health": "healthy", "reason": ""}
        if first and not record.ready_at:
            fields |= {"ready_at": self._services.now(), "ready_ms": int((trio.current_time() - self._started) * 1000)}
        await self._book.change(state=VmState.READY, **fields)

    @property
    def was_ready(self) -> bool:
        return self._was_ready

    async def run(self, *, adopt: bool) -> None:
        """The whole life. Cancelled from outside (the daemon leaves): the VM is let go and stays."""
        claim = Claim(_launch_objects(self._book, self._config), made=adopt)
        report: ExitReport | None = None
        try:
            async with AsyncExitStack() as stack:
                vmm = await (self._adopt(claim, stack) if adopt else self._bring_up(claim, stack))
                if vmm is not None:
                    try:
                        report = await self._live(vmm)
                    except trio.Cancelled:
                        stack.pop_all()
                        with trio.CancelScope(shield=True):
                            await vmm.release()
                        raise
                self._excerpt = self._evidence(vmm)
                with trio.CancelScope(shield=True):
                    await stack.aclose()
        except Fault as fault:
            self._failure = self._failure or fault
        finally:
            self._let_next_boot()
        await self._conclude(report, claim)

    async def _bring_up(self, claim: Claim, stack: AsyncExitStack) -> Vmm | None:
        """The started VMM, or None when a stop came first."""
        book = self._book
        vmm: Vmm | None = None
        with self._bringing_up:
            await self._take_place()
            self._started = trio.current_time()
            vmm = await launch(self._services, book, self._config, claim, stack)
        if vmm is None:
            return None
        hypervisor = self._services.hypervisors[self._config.hypervisor]
        facts = await hypervisor.facts()
        await book.change(
            state=VmState.RUNNING, process=vmm.identity, accel=facts.accel, hypervisor=facts.name, started_at=self._services.now()
        )
        return vmm

    async def _adopt(self, claim: Claim, stack: AsyncExitStack) -> Vmm | None:
        """The VMM that an earlier daemon started, or None when it is gone; then its leavings are gone too."""
        book = self._book
        record = book.record
        where = self._services.places(record.id)
        plan = adoption_plan(record, where)
        hypervisor = self._services.hypervisors[self._config.hypervisor]
        stack.push_async_callback(drop_runtime_folder, where)
        if self._config.network is NetworkMode.BRIDGED:
            await self._services.network.prepare()
            await plug_in(self._services, book, claim, stack, adopt=True)
        identity = record.process or await hypervisor.find(plan)
        vmm = await hypervisor.adopt(identity, plan) if identity is not None else None
        if vmm is None:
            claim.gone("process", record.id)
            return None
        keep_until_dead(vmm, claim, stack, record.id)
        self._was_ready = bool(record.ready_at)
        if record.state is VmState.STARTING:
            await book.change(state=VmState.RUNNING, process=vmm.identity)
        return vmm

    async def _live(self, vmm: Vmm) -> ExitReport:
        async with helpers() as nursery:
            nursery.start_soon(self._hold_console, vmm)
            nursery.start_soon(self.agent.follow, vmm)
            nursery.start_soon(self._keep_deadline)
            nursery.start_soon(self._await_order, vmm)
            return await vmm.wait_exited()

    async def _hold_console(self, vmm: Vmm) -> None:
        try:
            await self.console.hold(await vmm.open_console())
        except ConnectionLost:
            pass  # the VMM has ended, which is somebody else's news
        except OSError as error:
            await self._book.tell("SYSTEM_CONSOLE_LOST", f"the serial line can't be read: {error}")

    async def _keep_deadline(self) -> None:
        limit = self._services.boot_timeout_s
        with trio.move_on_after(limit):
            await self._book.wait_until(lambda: self._was_ready)
            return
        seen = "its agent answered, and its workload did not get ready" if self.agent.met else "its agent never answered"
        self.give_up(Timeout(f"it was not ready after {limit:g} s: {seen}"))

    async def _await_order(self, vmm: Vmm) -> None:
        await self._ordered.wait()
        assert self._order is not None
        if self._book.record.state is not VmState.STOPPING and self._failure is None:
            await self._book.change(state=VmState.STOPPING)
        await stop_guest(vmm, self.agent, self._order, was_ready=self._was_ready)

    async def _take_place(self) -> None:
        await self._services.boots.acquire()
        self._holds_place = True

    def _let_next_boot(self) -> None:
        if self._holds_place:
            self._holds_place = False
            self._services.boots.release()

    def _evidence(self, vmm: Vmm | None) -> dict[str, Any]:
        """Console, stderr and command line, read before they are cleaned away."""
        if vmm is None:
            return _NO_EVIDENCE
        return {"console": self.console.tail(20), "stderr": vmm.stderr_tail(), "command_line": vmm.command_line}

    async def _conclude(self, report: ExitReport | None, claim: Claim) -> None:
        """Store how it ended, with the rows of what is gone, in one transaction."""
        record = self._book.record
        end = self._ending(report)
        error = None
        reason = end.reason
        if end.is_failure:
            fault = self._explained(end)
            error, reason = fault.to_wire(), fault.message
        await self._book.change(
            *claim.release(), state=end.state, wanted=end.wanted, process=None, reason=reason, error=error,
            health="unknown", stopped_at=self._services.now(), message=reason,
            wanted_generation=record.wanted_generation + (end.wanted is not record.wanted),
        )  # fmt: skip

    def _ending(self, report: ExitReport | None) -> Ending:
        wanted = self._book.record.wanted
        if self._failure is not None:
            return Ending(VmState.FAILED, wanted, self._failure.message, is_failure=True)
        if report is None and self._order is None:
            return self._lost()
        cause = report.cause if report else "killed"
        return ending(
            wanted=wanted, asked_to_stop=self._order is not None, was_ready=self._was_ready, cause=cause,
            panicked=panicked(self._excerpt["console"]),
        )  # fmt: skip

    def _lost(self) -> Ending:
        """Nothing was found to adopt."""
        record = self._book.record
        if record.state is VmState.STARTING and record.wanted is Wanted.RUNNING:
            return Ending(VmState.PENDING, record.wanted, "its start was cut short and begins anew", is_failure=False)
        if record.wanted is not Wanted.RUNNING:
            return Ending(VmState.STOPPED, record.wanted, "", is_failure=False)
        if record.state is VmState.STOPPING:
            return Ending(VmState.PENDING, record.wanted, "", is_failure=False)
        return Ending(VmState.CRASHED, record.wanted, "its VMM ended while the daemon was away", is_failure=True)

    def _explained(self, end: Ending) -> Fault:
        """The failure with everything that explains it."""
        failure = self._failure
        if failure is not None and not isinstance(failure, Timeout) and "console" not in failure.data and not self._excerpt["command_line"]:
            return failure
        hint = failure.hint if failure else ""
        return launch_fault(self._book.record.name, end.reason, hint=hint, ready=self._was_ready, **self._excerpt)


def _launch_objects(book: Book, config: VmConfig) -> tuple[HostObject, ...]:
    record = book.record
    found = [HostObject(kind="process", name=record.id, vm_id=record.id)]
    if config.network is NetworkMode.BRIDGED:
        found.append(HostObject(kind="tap", name=record.tap, vm_id=record.id))
    return tuple(found)
