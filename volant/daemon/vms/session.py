"""One life of a VMM: from its start or adoption to its proven death.

    launch or adopt --> console held, agent followed, deadline kept, stop awaited --> VMM dead --> undone --> ending stored

Everything that was made stands on one exit stack. When the daemon leaves, the stack is let go and the VM stays.
"""

from __future__ import annotations

import logging
import math
from contextlib import AsyncExitStack
from typing import Any

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.host.nurseries import helpers
from volant.daemon.ports import ConsoleHolder, EventDraft, ExitReport, GuestLink, HostObject, Put, Vmm, VmRecord
from volant.daemon.vms.agent import AgentWatch
from volant.daemon.vms.book import Book, Update
from volant.daemon.vms.concluding import concluded
from volant.daemon.vms.diagnosis import SHOWN, excerpt, launch_fault, panicked
from volant.daemon.vms.launch import drop_runtime_folder, keep_until_dead, launch, plug_in
from volant.daemon.vms.ledger import Claim, launch_objects
from volant.daemon.vms.lifecycle import Ending, ending, lost
from volant.daemon.vms.places import Urgency
from volant.daemon.vms.plan import adoption_plan
from volant.daemon.vms.restarts import host_restarted, starts_with_host
from volant.daemon.vms.services import Services
from volant.daemon.vms.steps import LaunchStep, told
from volant.daemon.vms.stopping import StopOrder, stop_guest
from volant.proto.errors import ConnectionLost, Fault, GuestFailed, HostShort, NetworkFailed, StoreFailed, SubnetTaken, Timeout
from volant.proto.plain import from_plain
from volant.proto.specs.restarts import parse_restart
from volant.proto.specs.states import NetworkMode, VmState, Wanted
from volant.proto.specs.vmconfig import VmConfig

log = logging.getLogger("volant")

CONSOLE_AGAIN_S = 1.0
"""Between two tries to hold the serial line, when the host lacks descriptors for instance."""

LAST_WORDS_S = 1.0
"""How long what a guest said before its end is listened to; the end of its channel comes right behind."""

LATE_WORDS_S = 2.0
"""How much longer a guest whose time is over is listened to; its words take milliseconds to get here."""

PLACE_S = 20.0
"""How long a guest that boots may hold up others: it takes seconds, and one that hangs would do so for its whole deadline."""

WORKLOAD_ENDED_GRACE_S = 10.0
"""For a guest whose workload has ended and that is started anew: what else runs in it may write down what it has."""

NO_SPACE = "the host's disk is full: the guest stands still until there is space again, then goes on"
_NO_EVIDENCE: dict[str, Any] = {"console": "", "stderr": "", "command_line": ()}


class Session:
    """Drives one VMM. `run` returns when nothing of it is left, with the ending in the book."""

    def __init__(self, services: Services, book: Book, config: VmConfig, urgency: Urgency) -> None:
        self._services, self._book, self._config = services, book, config
        self._urgency = urgency
        self._bringing_up = trio.CancelScope()
        self._order: StopOrder | None = None
        self._asked = False
        """The order is somebody's wish, not only the end of a start that failed."""
        self._vmm: Vmm | None = None
        self._ordered = trio.Event()
        self._failure: Fault | None = None
        self._done = ""
        """How the workload ended all right; empty: it did not, or the VM does not end for it."""
        self._was_ready = False
        self._holds_place = False
        self._started = trio.current_time()
        self._excerpt = _NO_EVIDENCE
        self._console_start: int | None = None
        """Offset at which this boot began to print; None while that is not known."""
        self.agent = AgentWatch(services, book, self)

    @property
    def link(self) -> GuestLink | None:
        """The agent's link, while there is one."""
        return self.agent.link

    @property
    def console(self) -> ConsoleHolder:
        return self._services.consoles.console(self._book.record.id, self._services.places(self._book.record.id).console_log)

    def take_config(self, config: VmConfig) -> None:
        """Start with this one; before `rows` and `run`."""
        self._config = config

    def rows(self) -> tuple[Put, ...]:
        """The owner rows to write before anything is made."""
        return tuple(Put(item) for item in self._objects())

    def _objects(self) -> tuple[HostObject, ...]:
        record = self._book.record
        where = self._services.places(record.id)
        sockets = self._services.hypervisor(self._config.hypervisor).sockets(adoption_plan(record, where))
        return launch_objects(record, self._config, self._book.plugin, where, sockets)

    def stop(self, order: StopOrder) -> None:
        """Somebody wants this session to end; a second, harsher order hardens the first. Counts more than a failure of the start."""
        self._asked = True
        self._end(order)

    def give_up(self, fault: Fault) -> None:
        """The start failed for this reason: kill what runs. Says nothing about a VM that was ready, or is told to end already."""
        if self._order is None and not self._was_ready:
            self._failure = fault
            self._end(StopOrder(grace_s=0, force=True))

    def workload_ended(self, why: str, exit_code: int | None, cause: str) -> None:
        """A VM whose restart policy starts it again after this ends with its workload; any other stays up, to be looked into."""
        is_failure = exit_code != 0
        if self._order is not None or not parse_restart(self._newest_config.restart).restarts(is_failure=is_failure):
            return
        if is_failure:
            self._failure = GuestFailed(why, **({"cause": cause} if cause else {}))
        else:
            self._done = why
        self._end(StopOrder(grace_s=WORKLOAD_ENDED_GRACE_S, force=False))

    def console_tail(self) -> str:
        """What the serial console shows of this boot's end."""
        console = self.console
        if self._console_start is None:
            return console.tail(SHOWN)
        return excerpt(console.lines(self._console_start, console.end()))

    async def _learn_console_start(self) -> None:
        """Of a boot that an earlier daemon began, the event of its start tells it."""
        record = self._book.record
        if self._console_start is not None:
            return
        try:
            found = await self._services.journal.store.events(after=0, limit=1, vm=record.id, kinds=("VM_STARTING",), last=1)
        except StoreFailed as fault:
            log.debug("VM %s: where its console begins is not known: %s", record.name, fault.message)
        else:
            self._console_start = next((event.data.get("console") for event in found if event.data.get("boot") == record.boot), None)

    def _end(self, order: StopOrder) -> None:
        if self._order is not None:
            self._order.harden(order)
            return
        self._order = order
        self._ordered.set()
        self._bringing_up.cancel()

    async def become_ready(self, word: EventDraft) -> bool:
        """The agent said ready; the first time in a boot ends the start. `word` tells of it. Whether that changed the record."""
        first = not self._was_ready
        self._was_ready = True
        self._let_next_boot()
        took_ms = int((trio.current_time() - self._started) * 1000)

        def update(record: VmRecord) -> Update | None:
            if record.state is not VmState.RUNNING:
                return None
            fields: dict[str, Any] = {"health": "healthy", "reason": ""}
            if first and not record.ready_at:
                fields |= {"ready_at": self._services.now(), "ready_ms": took_ms}
            return Update(fields, VmState.READY, changes=(word,))

        changed = await self._book.insist(update)
        await passed(FaultPoint.READY_STORED, self._book.record.id)
        return changed

    @property
    def was_ready(self) -> bool:
        return self._was_ready

    async def run(self, *, adopt: bool) -> None:
        """The whole life. Cancelled from outside (the daemon leaves): a VM that is up is let go and stays."""
        claim = Claim(self._objects(), made=adopt)
        report: ExitReport | None = None
        try:
            report = await self._drive(claim, adopt=adopt)
        except Fault as fault:
            self._failure = self._failure or fault
        finally:
            self._let_next_boot()
        claim.look()
        await self._book.insist(lambda record: self._concluded(record, report, claim))
        await passed(FaultPoint.STOPPED_STORED)
        for why in claim.left:
            await self._book.tell("SYSTEM_LEFTOVER", why)

    async def _drive(self, claim: Claim, *, adopt: bool) -> ExitReport | None:
        """From launch or adoption until nothing is left; how the VMM ended, None when there was none."""
        report: ExitReport | None = None
        async with AsyncExitStack() as stack:
            try:
                vmm = await (self._adopt(claim, stack) if adopt else self._bring_up(claim, stack))
                if vmm is not None:
                    report = await self._live(vmm)
                    await passed(FaultPoint.VMM_DEAD)
            except BaseException:
                # Whatever else goes wrong while the daemon leaves: a VM that was up before stays up.
                if trio.current_effective_deadline() == -math.inf and (adopt or self._vmm is not None):
                    stack.pop_all()
                    await self._let_go()
                    await trio.lowlevel.checkpoint()
                raise
            self._excerpt = self._evidence(vmm, adopt=adopt)
            with trio.CancelScope(shield=True):
                await stack.aclose()
        return report

    async def _let_go(self) -> None:
        if self._vmm is not None:
            with trio.CancelScope(shield=True):
                await self._vmm.release()

    async def _bring_up(self, claim: Claim, stack: AsyncExitStack) -> Vmm | None:
        """The started VMM, or None when a stop came first."""
        book = self._book
        vmm: Vmm | None = None
        with self._bringing_up:
            async with told(book, LaunchStep.TURN):
                await self._take_place()
                await passed(FaultPoint.PLACE_TAKEN)
            self._started = trio.current_time()
            self._console_start = self.console.end()
            vmm = await launch(self._services, book, self._config, claim, stack)
            await passed(FaultPoint.VMM_CLAIMED, book.record.id)
        if vmm is None:
            return None
        facts = await self._services.hypervisor(self._config.hypervisor).facts()
        await book.change(
            *claim.absent_files(),
            state=VmState.RUNNING,
            process=vmm.identity,
            accel=facts.accel,
            hypervisor=facts.name,
            started_at=self._services.now(),
        )
        self._vmm = vmm
        await passed(FaultPoint.RUNNING_STORED, book.record.id)
        return vmm

    async def _adopt(self, claim: Claim, stack: AsyncExitStack) -> Vmm | None:
        """The VMM that an earlier daemon started, or None when it is gone; then its leavings are gone too."""
        book = self._book
        record = book.record
        where = self._services.places(record.id)
        plan = adoption_plan(record, where)
        hypervisor = self._services.hypervisor(self._config.hypervisor)
        identity = record.process or await hypervisor.find(plan)
        # Nothing stands on the stack before it is known whether the VM lives: undoing would take its sockets away.
        vmm = self._vmm = await hypervisor.adopt(identity, plan) if identity is not None else None
        stack.push_async_callback(drop_runtime_folder, where)
        network = AsyncExitStack()
        stack.push_async_callback(network.aclose)
        if vmm is None:
            claim.gone("process", record.id)
        else:
            self.agent.taken_over = True
            keep_until_dead(vmm, claim, stack, record.id)
        if self._config.network is NetworkMode.BRIDGED:
            await self._plug_in_again(claim, network)
        self._was_ready = bool(record.ready_at)
        if vmm is not None:
            if record.state is VmState.STARTING:
                await book.insist(lambda _: Update({"process": vmm.identity}, VmState.RUNNING, changes=claim.absent_files()))
            elif record.process is None:
                await book.insist(lambda _: Update({"process": vmm.identity}))
        return vmm

    async def _plug_in_again(self, claim: Claim, stack: AsyncExitStack) -> None:
        """A VM that runs is not killed because its place on the bridge can't be made sure of."""
        try:
            await self._services.network.prepare()
            await plug_in(self._services, self._book, claim, stack, adopt=True)
        except (NetworkFailed, SubnetTaken, HostShort) as fault:
            name = self._book.record.name
            log.warning("VM %s: %s; %s", name, fault.message, fault.hint, extra={"vm": name})
            await self._book.tell("SYSTEM_NETWORK_LOST", fault.message)

    async def _live(self, vmm: Vmm) -> ExitReport:
        async with helpers() as nursery:
            nursery.start_soon(self._learn_console_start)
            nursery.start_soon(self._hold_console, vmm)
            nursery.start_soon(self.agent.follow, vmm)
            nursery.start_soon(self._keep_deadline)
            nursery.start_soon(self._watch_space, vmm)
            nursery.start_soon(self._await_order, vmm)
            report = await vmm.wait_exited()
            with trio.move_on_after(LAST_WORDS_S):
                await self.agent.wait_detached()
            return report

    async def _watch_space(self, vmm: Vmm) -> None:
        """Say it where people look while the guest stands still for want of space."""
        while True:
            await vmm.wait_starved(True)
            self._book.remark(NO_SPACE)
            try:
                await self._book.tell("SYSTEM_DISK_FULL", NO_SPACE)
                await vmm.wait_starved(False)
            finally:
                self._book.remark("")
            await self._book.tell("SYSTEM_DISK_FREE", "there is space on the host's disk again: the guest goes on")

    async def _hold_console(self, vmm: Vmm) -> None:
        while True:
            try:
                stream = await vmm.open_console()
                await passed(FaultPoint.CONSOLE_ATTACHED, self._book.record.id)
                await self.console.hold(stream)
            except (OSError, ConnectionLost) as error:
                log.debug("VM %s: the serial line is not held: %s", self._book.record.name, error)
            await trio.sleep(CONSOLE_AGAIN_S)

    async def _keep_deadline(self) -> None:
        limit = self._services.boot_timeout_s
        # Last for what came while the daemon itself stood still: no guest is killed for that.
        for patience_s in (min(PLACE_S, limit), max(limit - PLACE_S, 0), LATE_WORDS_S):
            with trio.move_on_after(patience_s):
                await self._book.wait_until(lambda: self._was_ready)
                return
            self._let_next_boot()
        seen = "its agent answered, and its workload did not get ready" if self.agent.met else "its agent never answered"
        self.give_up(Timeout(f"it was not ready after {limit:g} s: {seen}"))

    async def _await_order(self, vmm: Vmm) -> None:
        await self._ordered.wait()
        assert self._order is not None
        if self._asked:
            try:
                await self._book.decide(lambda record: Update(state=VmState.STOPPING) if record.state is not VmState.STOPPING else None)
            except (StoreFailed, HostShort) as fault:
                name = self._book.record.name
                log.warning("VM %s is stopped without saying so: %s", name, fault.message, extra={"vm": name})
        await passed(FaultPoint.STOPPING_STORED, self._book.record.id)
        await stop_guest(vmm, self.agent, self._order, self._book, was_ready=self._was_ready)

    async def _take_place(self) -> None:
        await self._services.boots.acquire(self._urgency)
        self._holds_place = True

    def _let_next_boot(self) -> None:
        if self._holds_place:
            self._holds_place = False
            self._services.boots.release()

    def _evidence(self, vmm: Vmm | None, *, adopt: bool) -> dict[str, Any]:
        """Console, stderr and command line, read before they are cleaned away; of a VMM that was not there to adopt, the console."""
        if vmm is None:
            return {**_NO_EVIDENCE, "console": self.console_tail()} if adopt else _NO_EVIDENCE
        return {"console": self.console_tail(), "stderr": vmm.stderr_tail(), "command_line": vmm.command_line}

    def _concluded(self, record: VmRecord, report: ExitReport | None, claim: Claim) -> Update:
        """How it ended, with the rows of what is gone, for one transaction."""
        end = self._ending(record, report)
        fault = self._explained(end) if end.is_failure else None
        ended = {
            "process": None,
            "error": fault.to_wire() if fault else None,
            "health": "unknown",
            "stopped_at": self._services.now(),
            **self.agent.ended,
        }
        return concluded(self._services, self._book, record, end, fault.message if fault else end.reason, ended, claim.free())

    def _ending(self, record: VmRecord, report: ExitReport | None) -> Ending:
        if self._failure is not None and not self._asked:
            state = VmState.CRASHED if self._was_ready else VmState.FAILED
            return Ending(state, record.wanted, self._failure.message, is_failure=True, cause=self._failure.data.get("cause", ""))
        if self._done and not self._asked:
            return Ending(VmState.STOPPED, Wanted.STOPPED, self._done, is_failure=False)
        if report is None and not self._asked:
            restarted = host_restarted(record, self._services.host_boot)
            return lost(
                record.state, record.wanted, host_restarted=restarted,
                starts_with_host=starts_with_host(self._newest_config.restart, autostart=self._newest_config.autostart),
                oom_kill=self._services.oom_kill(record.process) if record.process and not restarted else "",
            )  # fmt: skip
        return ending(
            wanted=record.wanted, asked_to_stop=self._asked, was_ready=self._was_ready, cause=report.cause if report else "killed",
            detail=report.detail if report else "", panicked=panicked(self._excerpt["console"]),
        )  # fmt: skip

    @property
    def _newest_config(self) -> VmConfig:
        """What of it concerns the host alone is in force at once."""
        return from_plain(VmConfig, self._book.config.config)

    def _explained(self, end: Ending) -> Fault:
        """The failure with everything that explains it."""
        failure = self._failure
        if failure is not None and not isinstance(failure, Timeout) and "console" not in failure.data and not self._excerpt["command_line"]:
            return failure
        hint = failure.hint if failure else ""
        return launch_fault(self._book.record.name, end.reason, hint=hint, ready=self._was_ready, cause=end.cause, **self._excerpt)
