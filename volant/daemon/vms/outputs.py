"""The output of all VMs that match, followed at once: a task for each start of each, all into one bounded queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import NoReturn, Protocol

import trio

from volant.daemon.host.nurseries import helpers
from volant.daemon.vms.merging import Merged, Start
from volant.daemon.vms.output import BootOutput
from volant.daemon.vms.watching import Watch
from volant.proto.api import guest
from volant.proto.api.vm_logs import WatchLogs
from volant.proto.errors import AgentMissing, Fault, Lagged


class Vms(Protocol):
    """What is needed of the roster."""

    def output(self, name: str) -> BootOutput: ...


@asynccontextmanager
async def followed(vms: Vms, watch: Watch, asked: WatchLogs) -> AsyncIterator[Merged]:
    """What the VMs that `watch` takes print, while the block runs."""
    merged = Merged()
    async with helpers() as nursery:
        nursery.start_soon(_Following(vms, watch, asked, merged).run, nursery.start_soon)
        yield merged


class _Following:
    """Who is followed."""

    def __init__(self, vms: Vms, watch: Watch, asked: WatchLogs, merged: Merged) -> None:
        self._vms, self._watch, self._asked, self._merged = vms, watch, asked, merged
        self._followed: dict[str, int] = {}
        """By VM id the start that is, or was, followed: none is twice."""

    async def run(self, start_soon: Callable[..., None]) -> NoReturn:
        """Follow each start that is meant, from when it is seen first."""
        while True:
            await self._watch.wait_news()
            for book in self._watch.take_changed():
                record = book.record
                if book.gone:
                    self._followed.pop(record.id, None)
                elif record.state.is_live and self._followed.get(record.id) != record.boot and self._watch.takes(book.view):
                    self._followed[record.id] = record.boot
                    start_soon(self._follow, Start(record.id, record.name, record.boot), self._vms.output(record.name))
            await trio.lowlevel.checkpoint()

    async def _follow(self, start: Start, output: BootOutput) -> None:
        """Until it ends. What goes wrong with one VM is told with it, and harms no other."""
        boot, seq = self._asked.after.get(start.id, (0, 0))
        order = guest.Logs(tail=-1, after=seq, follow=True) if boot == start.boot else guest.Logs(tail=self._asked.tail, follow=True)
        try:
            while await output.wait_link():
                try:
                    async with aclosing(output.follow(order)) as lines:
                        async for line in lines:
                            order = guest.Logs(tail=-1, after=line["seq"], follow=True)
                            self._merged.add(start, line)
                    break
                except (AgentMissing, Lagged):
                    continue  # its channel broke just now, or it printed faster than anybody could read
            self._merged.end(start, output.end or "its agent has no more to say")
        except Fault as fault:
            self._merged.end(start, fault.message)
