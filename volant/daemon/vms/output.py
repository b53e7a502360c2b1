"""The output of one boot of a VM, followed for as long as that boot lasts: the agent's channel may break and come back meanwhile.

Whoever follows learns at this one place how the boot ended, whatever of it was noticed first: the channel's end, the VMM's, or the stop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from volant.daemon.ports import GuestLink, VmRecord
from volant.daemon.vms.agent import no_agent
from volant.daemon.vms.diagnosis import failure_of
from volant.daemon.vms.owner import Owner
from volant.daemon.vms.restarts import waits
from volant.proto.api import guest
from volant.proto.errors import ConnectionLost, Lagged
from volant.proto.specs.states import VmState, Wanted


class BootOutput:
    """That of the boot that runs when it is made."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._boot = owner.book.record.boot
        self.end = ""
        """How the boot ended, in a sentence; empty while nobody has seen that."""

    @property
    def link(self) -> GuestLink:
        """The agent's link; AgentMissing when there is none now."""
        session = self._owner.session
        if session is None or session.link is None:
            record = self._owner.book.record
            raise no_agent(record.name, record.state, session.agent.skew if session else "")
        return session.link

    async def wait_link(self) -> bool:
        """Until the agent can be asked; False when the boot is over, and `end` says how. Raises the VM's own failure when it crashed."""
        book = self._owner.book
        await book.wait_until(lambda: self._is_over or self._has_other(None))
        if self._is_over:
            self.end = how_it_ended(book.record, gone=book.gone)
        return not self._is_over

    async def follow(self, order: guest.Logs) -> AsyncGenerator[Any, None]:
        """The lines in plain form, from `order` on, until the boot or the agent has ended them; `end` is set then.

        What is printed faster than it is read is asked for again, as far as the guest still has it: a gap in the numbers tells of the
        rest. AgentMissing, GuestFailed; the VM's own failure when it crashed.
        """
        while not self.end:
            link = self.link
            try:
                async with link.open(guest.LOGS, order) as call:
                    while (line := await call.next_item()) is not None:
                        order = replace(order, tail=-1, since="", after=line["seq"])
                        yield line
                return
            except Lagged:
                continue
            except ConnectionLost:
                self.end = await self._wait_over(link)

    async def _wait_over(self, lost: GuestLink) -> str:
        """How the boot ended, in a sentence; empty once there is another link than `lost`. Raises the VM's failure."""
        book = self._owner.book
        await book.wait_until(lambda: self._is_over or self._has_other(lost))
        return how_it_ended(book.record, gone=book.gone) if self._is_over else ""

    @property
    def _is_over(self) -> bool:
        book = self._owner.book
        return book.gone or book.record.boot != self._boot or not book.record.state.is_live

    def _has_other(self, lost: GuestLink | None) -> bool:
        session = self._owner.session
        return session is not None and session.link is not None and session.link is not lost


def how_it_ended(record: VmRecord, *, gone: bool) -> str:
    """The end of a boot in a sentence, from the VM's record after it. Raises the failure that nothing more comes after."""
    why = f": {record.reason}" if record.reason else ""
    if gone or record.wanted is Wanted.DESTROYED:
        return f"VM {record.name!r} was deleted"
    if record.state.is_live or record.state is VmState.PENDING or waits(record):
        return f"VM {record.name!r} starts again{why}"
    if record.state is not VmState.STOPPED:
        raise failure_of(record)
    return f"VM {record.name!r} is stopped{why}"
