"""Following a VM's agent: attach, hand over the clock, watch, and attach again when the channel breaks."""

from __future__ import annotations

import os
from typing import Any, Protocol

import trio

from volant.daemon.host.nurseries import helpers
from volant.daemon.ports import GuestLink, Vmm
from volant.daemon.vms.book import Book
from volant.daemon.vms.services import Services
from volant.proto.api import guest
from volant.proto.errors import AgentMissing, ConnectionLost, Fault, GuestFailed, ProtocolFault
from volant.proto.plain import from_plain
from volant.proto.specs.states import VmState

REATTACH_S = 0.3
"""Between two attaches: a guest needs a moment to notice that the other end is gone (measured)."""

ENTROPY_BYTES = 64
"""Seed for the guest's generator: twice the pool's 256 bits."""


class Listener(Protocol):
    """What the session makes of the agent's words."""

    @property
    def was_ready(self) -> bool: ...
    async def become_ready(self) -> None: ...
    def give_up(self, fault: Fault) -> None: ...


class AgentWatch:
    """Keeps a link to the agent while the VMM runs."""

    def __init__(self, services: Services, book: Book, listener: Listener) -> None:
        self._services, self._book, self._listener = services, book, listener
        self.link: GuestLink | None = None
        """The attached link; None while there is none."""
        self.met = False
        """The agent answered at least once."""

    async def wait_link(self) -> GuestLink:
        """The link, as soon as there is one."""
        await self._book.wait_until(lambda: self.link is not None)
        assert self.link is not None
        return self.link

    async def follow(self, vmm: Vmm) -> None:
        """Until cancelled: the guest may reset its end, break the rules or come back at any time."""
        while True:
            try:
                link = self._services.link_over(await vmm.open_agent())
            except (OSError, ConnectionLost):
                await trio.sleep(REATTACH_S)
                continue
            try:
                await self._attached(link)
            except (ProtocolFault, GuestFailed) as fault:
                await self._book.tell("SYSTEM_AGENT_LOST", fault.message)
            except ConnectionLost:
                pass
            finally:
                self.link = None
                with trio.CancelScope(shield=True):
                    await link.aclose()
            await trio.sleep(REATTACH_S)

    async def _attached(self, link: GuestLink) -> None:
        await link.attach()
        self.met = True
        async with helpers() as nursery:
            nursery.start_soon(link.run)
            await self._converse(link)

    async def _converse(self, link: GuestLink) -> None:
        sync = guest.Sync(time_ns=self._services.wall_ns(), entropy=os.urandom(ENTROPY_BYTES), hostname=self._book.record.name)
        await link.call(guest.SYNC, sync)
        self.link = link
        self._book.wake()
        async with link.open(guest.WATCH, guest.Watch()) as call:
            while (item := await call.next_item()) is not None:
                await self._heed(_status(item))

    async def _heed(self, status: guest.GuestStatus) -> None:
        match status.phase:
            case "ready":
                await self._listener.become_ready()
            case "unhealthy" if self._book.record.state is VmState.READY:
                await self._book.change(state=VmState.RUNNING, health="unhealthy", reason=status.message or "the health check fails")
            case "exited" | "failed" if not self._listener.was_ready:
                text = status.message or "the workload ended before it was ready"
                self._listener.give_up(GuestFailed(text, hint="`volant vm logs` and the console show what it said"))
            case "exited" | "failed" if self._book.record.state is VmState.READY:
                await self._book.change(state=VmState.RUNNING, health="unhealthy", reason=status.message or "the workload has ended")
            case _:
                pass


def no_agent(name: str, state: VmState) -> AgentMissing:
    """The fault for a VM whose agent can't be asked now."""
    coming = state in (VmState.PENDING, VmState.STARTING, VmState.RUNNING)
    hint = f"wait for it: `volant vm wait {name} --for ready`" if coming else f"`volant vm get {name}` says why"
    return AgentMissing(f"the agent of VM {name!r} does not answer (the VM is {state})", hint=hint)


def _status(plain: Any) -> guest.GuestStatus:
    try:
        return from_plain(guest.GuestStatus, plain)
    except Fault as error:
        raise GuestFailed(f"the agent told its state in a form we don't know: {error.message}") from None
