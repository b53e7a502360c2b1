"""Following a VM's agent: attach, hand over the clock, watch, and attach again when the channel breaks."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Protocol

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.host.nurseries import helpers
from volant.daemon.ports import EventDraft, GuestLink, Vmm, VmRecord
from volant.daemon.vms.book import Book, Update
from volant.daemon.vms.diagnosis import MAX_SAID, out_of_memory, said
from volant.daemon.vms.services import Services
from volant.proto.api import guest
from volant.proto.errors import AgentMissing, ConnectionLost, Fault, GuestFailed, VersionMismatch
from volant.proto.plain import from_plain
from volant.proto.specs.states import VmState

REATTACH_S = 0.3
"""Between two attaches: a guest needs a moment to notice that the other end is gone (measured)."""

REATTACH_MAX_S = 30.0
"""The pause doubles up to this while the agent breaks the rules: each time is an event, and those of other VMs shall not be pushed out."""

SYNC_S = 30.0
"""How long the agent may take to accept the clock: it answers in milliseconds, under emulation on a busy host in some seconds."""

HEED_S, HEED_MAX_S = 1.0, 10.0
"""Pause after each change of the record at the agent's word, which is a transaction and an event; it doubles while they go on. Of what
the agent says meanwhile only the last counts."""

MAX_WORDS = 4
"""Answers and give-ups of its agent that are told of one boot; an agent that comes and goes is told as SYSTEM_AGENT_LOST."""

ANSWERS, TAKEN_OVER = "the agent answers", "the agent answers the volantd that has taken the VM over"
"""What is told of the first answer to a daemon: of one that started the VM, and of the next one."""

MAX_TIMINGS = 10
"""Steps of a boot whose times are kept; the agent knows seven."""

KILLED = 128 + 9
"""Exit code of a workload that SIGKILL ended."""

ENTROPY_BYTES = 64
"""Seed for the guest's generator: twice the pool's 256 bits."""


class Listener(Protocol):
    """What the session makes of the agent's words."""

    @property
    def was_ready(self) -> bool: ...
    async def become_ready(self, word: EventDraft) -> bool: ...
    def give_up(self, fault: Fault) -> None: ...
    def workload_ended(self, why: str, exit_code: int | None, cause: str) -> None: ...
    def console_tail(self) -> str: ...


class AgentWatch:
    """Keeps a link to the agent while the VMM runs."""

    def __init__(self, services: Services, book: Book, listener: Listener) -> None:
        self._services, self._book, self._listener = services, book, listener
        self.link: GuestLink | None = None
        """The attached link; None while there is none."""
        self._words_left = MAX_WORDS
        self.ended: dict[str, int] = {}
        """How the workload ended, as fields of the VM's record; empty while it has not."""
        self.taken_over = False
        """The VMM is one that an earlier daemon started."""
        self.met = False
        """The agent answered at least once."""
        self.skew = ""
        """Why the agent that is there can't be talked to; empty where it can, or where there is none."""

    async def wait_link(self) -> GuestLink:
        """The link, as soon as there is one."""
        await self._book.wait_until(lambda: self.link is not None)
        assert self.link is not None
        return self.link

    async def wait_detached(self) -> None:
        """Until all that came on the link is heard: the guest's end of it is gone."""
        await self._book.wait_until(lambda: self.link is None)

    async def follow(self, vmm: Vmm) -> None:
        """Until cancelled: the guest may reset its end, break the rules or come back at any time."""
        pause = REATTACH_S
        while True:
            began = trio.current_time()
            try:
                link = self._services.link_over(await vmm.open_agent())
            except AgentMissing as gone:
                await self._cut_off(said(f"{gone.message}; {gone.hint}"), gone)
                await trio.sleep(REATTACH_MAX_S)
                continue
            except (OSError, ConnectionLost):
                await trio.sleep(REATTACH_S)
                continue
            fault = await self._attached(link)
            if fault is None or trio.current_time() - began > REATTACH_MAX_S:
                pause = REATTACH_S
            if isinstance(fault, VersionMismatch):
                await self._refuse(fault)
                pause = REATTACH_MAX_S
            elif fault is not None:
                await self._book.tell("SYSTEM_AGENT_LOST", said(fault.message))
            await trio.sleep(pause)
            if fault is not None:
                pause = min(2 * pause, REATTACH_MAX_S)

    async def _attached(self, link: GuestLink) -> Fault | None:
        """Converse until the link ends: None when the pipe did, else what the guest did wrong. It may answer a call with any fault."""
        try:
            await link.attach()
            first, self.met, self.skew = not self.met, True, ""
            await passed(FaultPoint.AGENT_ANSWERED, self._book.record.id)
            async with helpers() as nursery:
                nursery.start_soon(link.run)
                await self._converse(link, TAKEN_OVER if first and self.taken_over else ANSWERS)
        except ConnectionLost:
            pass
        except Fault as fault:
            return fault
        finally:
            self.link = None
            self._book.wake()
            with trio.CancelScope(shield=True):
                await link.aclose()
        return None

    async def _refuse(self, fault: VersionMismatch) -> None:
        """The agent is of another version."""
        hint = "start it again; if it stays so, its initramfs is not this volantd's"
        await self._cut_off(said(f"{fault.message}; {fault.hint}"), GuestFailed(said(fault.message), hint=hint))

    async def _cut_off(self, why: str, fault: Fault) -> None:
        """The agent can't be talked to: told once, and shown with the VM, which goes on as it is. A start fails for it, with `fault`."""
        if why == self.skew:
            return
        self.skew = why
        await self._book.tell("SYSTEM_AGENT_LOST", why)

        def update(record: VmRecord) -> Update | None:
            if record.state is VmState.READY:
                return Update({"reason": why}, VmState.RUNNING)
            return Update({"reason": why}) if record.state is VmState.RUNNING else None

        await self._book.insist(update)
        self._listener.give_up(fault)

    async def _converse(self, link: GuestLink, word: str) -> None:
        sync = guest.Sync(time_ns=self._services.wall_ns(), entropy=os.urandom(ENTROPY_BYTES), hostname=self._book.record.name)
        with trio.move_on_after(SYNC_S) as waiting:
            await link.call(guest.SYNC, sync)
        if waiting.cancelled_caught:
            raise GuestFailed(f"the agent did not take the clock within {SYNC_S:g} s", hint="restart the VM if it stays so")
        self.link = link
        self._book.wake()
        async with link.open(guest.WATCH, guest.Watch()) as call, helpers() as nursery:
            if self._words_left > 0:
                self._words_left -= 1
                # Beside the conversation: what comes of it must not wait for a disk.
                nursery.start_soon(partial(self._book.tell, "VM_AGENT", word, phase="attached", version=said(link.version)))
            latest = _Latest()
            nursery.start_soon(self._heed_latest, latest)
            while (item := await call.next_item()) is not None:
                status = _status(item)
                self.ended = _end_of(status) or self.ended
                latest.put(status)

    async def _heed_latest(self, latest: _Latest) -> None:
        pause = HEED_S
        while True:
            began = trio.current_time()
            status = await latest.get()
            if trio.current_time() - began > HEED_MAX_S:
                pause = HEED_S
            if await self._heed(status):
                await trio.sleep(pause)
                pause = min(2 * pause, HEED_MAX_S)

    async def _heed(self, status: guest.GuestStatus) -> bool:
        """Make of the agent's word what it means for the VM; whether that changed the record."""
        match status.phase:
            case "ready":
                return await self._listener.become_ready(self._word(status))
            case "unhealthy":
                return await self._not_ready(said(status.message) or "the health check fails", self._word(status))
            case "exited" | "failed" if not self._listener.was_ready:
                text, cause = self._how_it_ended(status, "the workload ended before it was ready")
                told = {"cause": cause} if cause else {}
                if self._words_left > 0:
                    self._words_left -= 1
                    word = self._word(status, text, told)
                    await self._book.tell(word.kind, word.message, **word.data)
                hint = "correct the workload; `volant console VM --no-follow` shows how it booted"
                self._listener.give_up(GuestFailed(text, hint=hint, **told))
            case "exited" | "failed":
                text, cause = self._how_it_ended(status, "the workload has ended")
                changed = await self._not_ready(text, self._word(status, text, {"cause": cause} if cause else {}))
                self._listener.workload_ended(text, status.exit_code, cause)
                return changed
        return False

    def _how_it_ended(self, status: guest.GuestStatus, otherwise: str) -> tuple[str, str]:
        """The workload's end in a sentence, and its cause for programs where that is known."""
        text = said(status.message) or otherwise
        shortage = out_of_memory(self._listener.console_tail()) if status.exit_code == KILLED else ""
        return (f"{shortage}: {text}"[:MAX_SAID], "guest-oom") if shortage else (text, "")

    def _word(self, status: guest.GuestStatus, text: str = "", more: dict[str, str] | None = None) -> EventDraft:
        """What the agent said, for the record; `text` and `more` are what that comes to, where it is more than its own words."""
        message = text or said(status.message)
        steps = {said(step): at for step, at in list(status.timings.items())[:MAX_TIMINGS]}
        data = {"phase": said(status.phase), **({"timings": steps} if steps else {}), **_end_of(status), **(more or {})}
        return self._book.draft("VM_AGENT", f"the agent says {said(status.phase)}" + (f": {message}" if message else ""), **data)

    async def _not_ready(self, why: str, word: EventDraft) -> bool:
        def update(record: VmRecord) -> Update | None:
            known = (record.health, record.reason) == ("unhealthy", why)
            if record.state is VmState.READY or (record.state is VmState.RUNNING and self._listener.was_ready and not known):
                return Update({"health": "unhealthy", "reason": why, **self.ended}, VmState.RUNNING, changes=(word,))
            return None

        return await self._book.insist(update)


class _Latest:
    """Holds what was put last until it is taken."""

    def __init__(self) -> None:
        self._status: guest.GuestStatus | None = None
        self._there = trio.Event()

    def put(self, status: guest.GuestStatus) -> None:
        self._status = status
        self._there.set()

    async def get(self) -> guest.GuestStatus:
        await self._there.wait()
        self._there = trio.Event()
        assert self._status is not None
        return self._status


def no_agent(name: str, state: VmState, skew: str = "") -> AgentMissing:
    """The fault for a VM whose agent can't be asked now; `skew` as `AgentWatch` has it."""
    if skew:
        return AgentMissing(
            f"the agent of VM {name!r} can't be asked: {skew}", hint=f"`volant vm restart {name}` gives it this volantd's agent"
        )
    coming = state in (VmState.PENDING, VmState.STARTING, VmState.RUNNING)
    hint = f"wait for it: `volant vm wait {name} --for ready`" if coming else f"`volant vm get {name}` says why"
    return AgentMissing(f"the agent of VM {name!r} does not answer (the VM is {state})", hint=hint)


def _end_of(status: guest.GuestStatus) -> dict[str, int]:
    """How the workload ended, as fields of the record, whatever numbers the guest makes up; empty when it has not."""
    if status.phase not in ("exited", "failed") or status.exit_code is None:
        return {}
    return {"exit_code": status.exit_code & 0xFF, "exit_signal": status.signal & 0x7F}


def _status(plain: Any) -> guest.GuestStatus:
    try:
        return from_plain(guest.GuestStatus, plain)
    except Fault as error:
        raise GuestFailed(f"the agent told its state in a form we don't know: {error.message}") from None
