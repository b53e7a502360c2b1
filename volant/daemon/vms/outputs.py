"""The output of all VMs that match, read or followed at once: a task for each start of each, all into one bounded queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol

import trio

from volant.daemon.host.nurseries import helpers
from volant.daemon.vms.merging import LINE_BYTES, Merged, Start
from volant.daemon.vms.output import BootOutput
from volant.daemon.vms.watching import Watch
from volant.proto.api import guest
from volant.proto.api.vm_logs import WatchLogs
from volant.proto.errors import AgentMissing, Fault, Lagged

READ_BYTES = 8 * 1024 * 1024
"""Of one VM, read at once: more than an agent keeps (2 MiB of text in 10,000 lines) costs."""

READ_AT_ONCE = 4
"""VMs that are read, not followed, at the same time: they hold what a reader has not taken yet."""


class Vms(Protocol):
    """What is needed of the roster."""

    def output(self, name: str) -> BootOutput: ...


@asynccontextmanager
async def followed(vms: Vms, watch: Watch, asked: WatchLogs) -> AsyncIterator[Merged]:
    """What the VMs that `watch` takes print, while the block runs."""
    merged = Merged()
    async with helpers() as nursery:
        following = _Following(vms, watch, asked, merged)
        nursery.start_soon(following.run if asked.follow else following.read)
        yield merged


class _Following:
    """Who is followed."""

    def __init__(self, vms: Vms, watch: Watch, asked: WatchLogs, merged: Merged) -> None:
        self._vms, self._watch, self._asked, self._merged = vms, watch, asked, merged
        self._followed: dict[str, int] = {}
        """By VM id the start that is, or was, followed: none is twice."""
        self._reading = trio.CapacityLimiter(READ_AT_ONCE)

    async def run(self) -> None:
        """Follow each start that is meant, from when it is seen first."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._watch.wait_news()
                for start, output in self._meant():
                    nursery.start_soon(self._follow, start, output)
                await trio.lowlevel.checkpoint()

    async def read(self) -> None:
        """Read what those have said that are meant now."""
        async with trio.open_nursery() as nursery:
            for start, output in self._meant():
                nursery.start_soon(self._read, start, output)
        self._merged.close()

    def _meant(self) -> Iterator[tuple[Start, BootOutput]]:
        """The starts that are meant and were not before."""
        for book in self._watch.take_changed():
            record = book.record
            if book.gone:
                self._followed.pop(record.id, None)
            elif record.state.is_live and self._followed.get(record.id) != record.boot and self._watch.takes(book.view):
                self._followed[record.id] = record.boot
                yield Start(record.id, record.name, record.boot), self._vms.output(record.name)

    def _order(self, start: Start) -> guest.Logs:
        boot, seq = self._asked.after.get(start.id, (0, 0))
        if boot == start.boot:
            return guest.Logs(tail=-1, after=seq, follow=self._asked.follow)
        return guest.Logs(tail=self._asked.tail, follow=self._asked.follow)

    async def _read(self, start: Start, output: BootOutput) -> None:
        """All there is; of a VM without an agent there is nothing. The agent is read without a pause, since it is cut off else; the reader
        has its own pace."""
        async with self._reading:
            try:
                said = await _all(output, self._order(start))
            except AgentMissing:
                return
            except Fault as fault:
                self._merged.end(start, fault.message)
                return
            for line in said:
                await self._merged.wait_room()
                self._merged.add(start, line)

    async def _follow(self, start: Start, output: BootOutput) -> None:
        """Until it ends. What goes wrong with one VM is told with it, and harms no other."""
        order = self._order(start)
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


async def _all(output: BootOutput, order: guest.Logs) -> list[Any]:
    """The lines that are had now, as many as READ_BYTES hold: a guest may go on for ever."""
    said, size = [], 0
    async with aclosing(output.follow(order)) as lines:
        async for line in lines:
            said.append(line)
            size += LINE_BYTES + len(line["text"])
            if size > READ_BYTES:
                break
    return said
