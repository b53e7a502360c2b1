"""The output of workloads, of one VM or of many merged: followed, filtered, held still, with what is lost counted on the screen."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless, harmless_log_line
from volant.proto.errors import Fault
from volant.proto.specs.filter import VM_FIELDS
from volant.proto.specs.filter import parse as parse_filter
from volant.tui.lines import Line, clipped, columns_of, wrapped
from volant.tui.loglines import FIELDS, LogLine, Rate, Source
from volant.tui.model import Delta, Record
from volant.tui.records import field
from volant.tui.screens.stream import StreamScreen

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.screens.base import Screen
    from volant.tui.screens.past_logs import PastLogs

KNOWN = 5_000
"""VMs of which it is told, after a break, what is known of them already: all that a host runs, in half of what a request may hold."""
TAIL, TAIL_OF_MANY = 1_000, 50
"""Lines of each VM to begin with: of one alone, of several."""
GATHER_S = 0.4
"""For so long after opening, lines wait to be put into the order of their times: each VM's older lines come in one piece."""
_UP = frozenset({"running", "ready", "paused", "stopping"})


class LogsScreen(StreamScreen[LogLine]):
    """`which` is a VM's name, a pattern with `*`, or a filter of VMs; empty: all. VMs that come up later join in."""

    hints = ("pause", "filter", "time", "wrap", "open", "stream.console", "stream.moment", "last")
    fields = FIELDS
    read = staticmethod(getattr)

    def __init__(self, which: str, asked: str, takes: Callable[[Record], bool]) -> None:
        """`asked` is the filter of VMs that the daemon is asked with; `takes` means the same."""
        super().__init__()
        self._which, self._asked, self._takes = which, asked, takes
        self._sources: dict[str, Source] = {}
        """By the VM's id: the latest of its starts that was heard."""
        self._tag = 0
        """The stream of all of them; 0: there is none."""
        self._gathered: list[LogLine] | None = []
        self._gather_until = 0.0
        self._lost = 0
        self._rate = Rate()
        self._faults: dict[str, str] = {}
        self._fault: Fault | None = None
        """Why there is no stream."""
        self._wraps = False
        self._wall: Callable[[], float] = lambda: 0.0
        self._looked_at = self._live = False

    @classmethod
    def opened(cls, desk: Desk, argument: str) -> Screen:
        """While somebody looks back, what there was of it then."""
        is_name = any(vm["name"] == argument for vm in desk.snapshot.vms.values())
        text = f"name:{argument}" if is_name or ("*" in argument and ":" not in argument) else argument
        takes = parse_filter(text, VM_FIELDS, field)
        screen = cls if desk.past is None else _past_logs()
        return screen(argument, text, lambda vm: takes(vm, desk.wall()))

    @property
    def title(self) -> str:
        return f"logs {self._which}" if self._which else "logs"

    # ---------------------------------------------------------------------------------------------------------------- news

    def shown(self, desk: Desk) -> None:
        self._wall, self._looked_at, self._live = desk.wall, True, False
        self._gathered, self._gather_until = [], desk.clock() + GATHER_S
        self.refreshed(desk, Delta())

    def hidden(self, desk: Desk) -> None:
        self._looked_at = False
        desk.pending.forget(self._tag)
        self._tag = 0

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        """The stream goes with the connection, and is opened again with the next one."""
        anew = desk.snapshot.is_live and (not self._live or delta.whole)
        self._live = desk.snapshot.is_live
        if self._looked_at and anew and not self._tag:
            self._follow(desk)

    def _follow(self, desk: Desk) -> None:
        """All that are meant, those that come later too; of what is known already only what came since."""
        meant = sum(vm["status"] in _UP and self._takes(vm) for vm in desk.snapshot.vms.values())
        params: dict[str, Any] = {"filter": self._asked, "tail": TAIL if meant == 1 else TAIL_OF_MANY}
        known = {vm_id: [source.boot, source.seq] for vm_id, source in list(self._sources.items())[-KNOWN:] if source.seq}

        def over(result: Any) -> None:
            self._tag = 0
            self._fault = result if isinstance(result, Fault) else None

        self._fault = None
        self._tag = desk.pending.follow("vm.logs_watch", params | ({"after": known} if known else {}), partial(self._came, desk), over)

    def _came(self, desk: Desk, items: list[Any]) -> None:
        """Plain `VmLines`."""
        fresh: list[LogLine] = []
        for item in items:
            source = self._sources.get(item["id"])
            if source is None or source.boot != item["boot"]:
                source = self._sources[item["id"]] = Source(item["name"], item["boot"])
            lines, lost = source.take(item["lines"])
            fresh += lines
            self._lost += lost
            if item["ended"]:
                self._faults[source.vm] = item["ended"]
        now = desk.clock()
        self._rate.count(now, len(fresh))
        if self._gathered is not None:
            self._gathered += fresh
            self._settle(now)
        else:
            if len(items) > 1:
                fresh.sort(key=_time)
            self._reader.add(fresh)

    def _settle(self, now: float) -> None:
        """Show what was gathered, in the order of its times, once everybody had the time to send it."""
        if self._gathered is not None and now >= self._gather_until:
            lines, self._gathered = self._gathered, None
            lines.sort(key=_time)
            self._reader.add(lines)

    def take_filter(self, text: str, takes: Callable[[Any, float], bool]) -> None:
        self.filter = text
        if not text:
            self._reader.filter(None)
            return
        self._reader.filter(lambda line: takes(line, self._wall()))

    # --------------------------------------------------------------------------------------------------------------- looks

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        self._settle(desk.clock())
        return super().body(desk, width, height)

    def fields_of(self, line: LogLine) -> Mapping[str, Any]:
        return line._asdict()

    def vm_of(self, line: LogLine) -> str:
        return line.vm

    def moment_of(self, line: LogLine) -> str:
        return line.time

    def drawn(self, desk: Desk, line: LogLine, width: int) -> list[Line]:
        style = {"stderr": "warm", "agent": "cool"}.get(line.stream, "")
        when = line.time[11:23] if self._times == 0 else f"{human.age(line.time, now=desk.wall()):>6}"
        head: Line = ((f"{harmless(when)} ", "dim"),) if self._times != 2 else ()
        if len(self._sources) > 1:
            head = (*head, (f"{harmless(line.vm):<14} ", "name"))
        text = harmless_log_line(line.text, colour=False)
        if not self._wraps:
            return [clipped((*head, (text, style)), width)]
        room = max(8, width - columns_of(head))
        first, *more = wrapped(text, room)
        return [(*head, (first, style)), *(((" " * (width - room), ""), (piece, style)) for piece in more)]

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        if self._fault is not None and desk.snapshot.is_live:
            return [((f"  {harmless(self._fault.message)}", "bad"),), ((f"  {harmless(self._fault.hint)}", "dim"),)]
        if self._gathered:
            return [(("  asking ...", "dim"),)]
        if self._reader.all:
            return [((f"  no line matches {self.filter}", "dim"),)]
        if not self._sources and not desk.snapshot.is_live:
            return [(("  not connected", "dim"),)]
        if not self._sources and not any(vm["status"] in _UP and self._takes(vm) for vm in desk.snapshot.vms.values()):
            return [
                ((f"  No running VM matches {self._which}." if self._which else "  No VM runs.", "name"), ("  What starts joins in.", "")),
                (),
                (("  :logs", "key"), ("          all that run", "")),
                (("  :logs web-*", "key"), ("    those with such names; also  ", ""), (":logs deploy:web", "key")),
            ]
        told = [(f"  {vm}: {why}", "bad") for vm, why in sorted(self._faults.items())]
        return [clipped(((harmless(text), style),), width) for text, style in told] or [(("  no output yet", "dim"),)]

    def subtitle(self, desk: Desk) -> str:
        rate = self._rate.per_second(desk.clock())
        return f"{'HELD' if self._reader.held else 'LIVE' if self._tag else 'ended'} {rate:,.0f}/s   lost {self._lost:,}"

    def next_change_s(self, desk: Desk) -> float | None:
        if self._gathered:
            return max(0.05, self._gather_until - desk.clock())
        return 1.0 if self._times == 1 or self._rate.per_second(desk.clock()) else None

    def command(self, desk: Desk) -> str:
        name = self._asked.removeprefix("name:")
        if name in {vm["name"] for vm in desk.snapshot.vms.values()}:
            return shlex.join(("volant", "logs", name, "--follow"))
        meant = shlex.join(("volant", "vm", "list", "-o", "name", *(("--filter", self._asked) if self._asked else ())))
        return f"{meant} | xargs -P 0 -I NAME volant logs NAME --follow"

    # ---------------------------------------------------------------------------------------------------------------- keys

    def act(self, desk: Desk, action: str) -> bool:
        if action == "wrap":
            self._wraps = not self._wraps
            return True
        return super().act(desk, action)


def _past_logs() -> type[PastLogs]:
    from volant.tui.screens.past_logs import PastLogs

    return PastLogs


def _time(line: LogLine) -> str:
    return line.time
