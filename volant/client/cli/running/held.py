"""The VM of a runner: what is known of it, the lease that makes it ours, and the signals that ask us to let it go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from volant.client.aio import AsyncClient
from volant.client.cli.running.notifier import Notifier
from volant.client.cli.running.outcome import Outcome, deleted, outcome_of
from volant.client.leases import Lease
from volant.proto.api import vm as api
from volant.proto.errors import ConnectionLost, Fault, NoSuchVm
from volant.proto.specs.states import VmState

DAEMON_AGAIN_S = 0.2
"""Between two looks for a daemon that is away."""


class HeldVm:
    """One VM under our lease. `follow` keeps it up to date; `until` waits for what it becomes."""

    def __init__(self, lease: Lease, notifier: Notifier, note: Callable[[str], None]) -> None:
        """`note` gets what a person should know."""
        self.lease, self.name = lease, lease.name
        self._notifier, self._note = notifier, note
        self._seen: api.VmView | None = None
        self.abandoned = False
        """Its last holder went away without giving it back."""
        self._gone = False
        self._trouble: Fault | None = None
        """Why we can't look after it any more: it is not ours, or never was, or we have a defect."""
        self.signals = 0
        """How often we were asked to end."""
        self._news = asyncio.Event()

    @property
    def view(self) -> api.VmView:
        """As it was last seen; only once `known`."""
        assert self._seen is not None
        return self._seen

    @property
    def known(self) -> bool:
        return self._seen is not None

    @property
    def is_up(self) -> bool:
        """A VMM may run, or is about to."""
        return not self._gone and (self.view.status.is_live or self.view.status is VmState.PENDING)

    @property
    def is_over(self) -> bool:
        """Nothing runs, and its policy starts nothing again."""
        return self._gone or not (self.is_up or self.view.next_try_at)

    def outcome(self, *, asked: bool = False) -> Outcome | None:
        """How it ended; None while it has not. `asked`: we are stopping it."""
        return deleted(self.name) if self._gone else outcome_of(self.view, asked=asked)

    async def follow(self) -> None:
        """Take the lease and hear of the VM until it is gone, or not ours any more; whoever waits is told that."""
        away = False
        try:
            async for held in self.lease.news():
                if held is None and not away:
                    self._notifier.tell(STATUS="volantd is away; the VM goes on")
                    self._note("volantd is away; the VM goes on, and so does this once it is back")
                elif held is not None:
                    if away:
                        self._note("volantd is back")
                    self.abandoned = held.abandoned if self._seen is None else self.abandoned
                    self.see(held.vm)
                away = held is None
            self._gone = True
        except Fault as fault:
            self._gone = isinstance(fault, NoSuchVm) and self.known
            self._trouble = None if self._gone else fault
        self._news.set()

    def see(self, vm: api.VmView) -> None:
        """The newest view counts, whichever way it came."""
        before = self._seen
        if before is not None and vm.generation < before.generation:
            return
        if before is None or vm.status is not before.status:
            self._notifier.tell(**({"READY": "1"} if vm.status is VmState.READY else {}), STATUS=f"{vm.name} is {vm.status}")
        self._seen = vm
        self._news.set()

    def signalled(self) -> None:
        """Somebody wants us to end."""
        self.signals += 1
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._news.set()

    def fail(self, fault: Fault) -> None:
        """Have whoever waits raise this, unless there is trouble already."""
        self._trouble = self._trouble or fault
        self.wake()

    def check(self) -> None:
        """Raises why we can't look after the VM any more."""
        if self._trouble is not None:
            raise self._trouble

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once it holds; raises as `check`."""
        while True:
            self.check()
            if holds():
                return
            await self.wait_news()

    async def wait_news(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def told(self, say: Callable[[AsyncClient], Awaitable[object]], *, within_s: float, unless: Callable[[], bool] = bool) -> bool:
        """Have `say` done on the lease's connection, as soon as there is one; whether it was, or the VM is gone. Raises as `check`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not self._gone:
            self.check()
            client = self.lease.client
            if client is not None:
                with suppress(ConnectionLost):
                    with suppress(NoSuchVm):
                        await say(client)
                    return True
            if loop.time() >= deadline or unless():
                return False
            await asyncio.sleep(DAEMON_AGAIN_S)
        return True
