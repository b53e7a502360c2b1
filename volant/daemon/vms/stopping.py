"""Asking a guest to power off, and insisting."""

from __future__ import annotations

from typing import Protocol

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.host.nurseries import helpers
from volant.daemon.ports import GuestLink, Vmm
from volant.daemon.vms.book import Book
from volant.proto.api import guest
from volant.proto.errors import Fault

WORKLOAD_SHARE = 0.5
"""The part of the grace that the workload gets before the agent kills it; the rest is for syncing and powering off."""

PATIENCE_S = 5.0
"""After SIGKILL: a process dies of it within milliseconds, freeing a big guest's memory within a second."""


class StopOrder:
    """How a session is to end; may be hardened while it is carried out."""

    def __init__(self, *, grace_s: float, force: bool) -> None:
        self.grace_s, self.force = grace_s, force
        self.scope = trio.CancelScope()
        """Covers the polite part."""

    def harden(self, other: StopOrder) -> None:
        """Take over `other` where it is harsher: kill at once, or a grace that ends sooner."""
        if other.force:
            self.force = True
            self.scope.cancel()
        self.grace_s = min(self.grace_s, other.grace_s)
        self.scope.deadline = min(self.scope.deadline, trio.current_time() + other.grace_s)


class Agent(Protocol):
    """Where the link is to be had, once there is one."""

    async def wait_link(self) -> GuestLink: ...


async def stop_guest(vmm: Vmm, agent: Agent, order: StopOrder, book: Book, *, was_ready: bool) -> None:
    """Ask politely, wait, then insist; returns only once the VMM is proven dead.

    A guest that never was ready has nothing to lose and is killed at once.
    """
    if was_ready and not order.force:
        order.scope.deadline = min(order.scope.deadline, trio.current_time() + order.grace_s)
        with order.scope:
            link = await agent.wait_link()
            try:
                await link.call(guest.SHUTDOWN, guest.Shutdown(grace_ms=int(order.grace_s * WORKLOAD_SHARE * 1000)))
            except Fault:
                # The channel often ends before the answer: the guest is going down.
                pass
            await passed(FaultPoint.GUEST_ASKED)
            await vmm.wait_exited()
    await kill(vmm, book)


async def kill(vmm: Vmm, book: Book) -> None:
    """SIGKILL, and return once the VMM is proven dead, however long that takes; whoever looks is told what is waited for."""
    async with helpers() as nursery:
        nursery.start_soon(_say_that_it_stays, vmm.identity.pid, book)
        await vmm.kill()


async def _say_that_it_stays(pid: int, book: Book) -> None:
    await trio.sleep(PATIENCE_S)
    text = f"its VMM (pid {pid}) got SIGKILL and is not dead yet: the kernel holds it, as for a disk that does not answer"
    book.remark(text)
    try:
        await book.tell("SYSTEM_VMM_STAYS", text)
        await trio.sleep_forever()
    finally:
        book.remark("")
