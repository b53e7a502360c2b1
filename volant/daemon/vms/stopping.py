"""Asking a guest to power off, and insisting."""

from __future__ import annotations

from typing import Protocol

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.ports import GuestLink, Vmm
from volant.proto.api import guest
from volant.proto.errors import Fault

WORKLOAD_SHARE = 0.5
"""The part of the grace that the workload gets before the agent kills it; the rest is for syncing and powering off."""


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


async def stop_guest(vmm: Vmm, agent: Agent, order: StopOrder, *, was_ready: bool) -> None:
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
    await vmm.kill()
