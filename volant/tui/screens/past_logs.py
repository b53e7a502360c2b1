"""What VMs had printed to their logs up to the moment that is looked at, merged by time: of one VM, or of all that are meant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.lines import Line
from volant.tui.model import Record
from volant.tui.past.said import LOGS, Said
from volant.tui.screens.past_output import PastOutput, harmless_line
from volant.tui.screens.reader import KEPT_LINES

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.past.tape import Tape

TAIL_OF_MANY = 1_000
"""Lines of each VM, where several are meant: KEPT_LINES is all of fifty."""
_DOWN = frozenset({"stopped", "crashed", "failed"})


class _Said(NamedTuple):
    """A line, when it was printed, and by whom."""

    time: float
    vm_id: str
    line: Line


class PastLogs(PastOutput):
    """What the agents still have, or the recording. `asked` is the filter of VMs that the daemon is asked with; `takes` means the same."""

    what = LOGS
    missing = "it holds what VMs printed while it was made, as far as there was room"
    unit = "lines"

    def __init__(self, which: str, asked: str, takes: Callable[[Record], bool], *, is_one: bool = False) -> None:
        """`is_one`: they are of one VM, whose name need not stand in each line."""
        super().__init__(which)
        self._asked, self._takes, self._is_one = asked, takes, is_one
        self._said: list[_Said] = []
        """In the order of their times, once all have come."""
        self._tape: Tape | None = None
        """The tape for which they were asked, or that has them."""
        self._drawn: object = None
        self._lines: list[Line] = []
        """What is shown, and what it was made of."""

    @classmethod
    def of(cls, record: Record) -> PastLogs:
        """Those of one VM."""
        vm_id = str(record["id"])
        return cls(str(record["name"]), f"id:{vm_id}", lambda vm: str(vm["id"]) == vm_id, is_one=True)

    def _meant(self, desk: Desk) -> list[Record]:
        """The VMs of the moment."""
        return [vm for vm in desk.snapshot.vms.values() if self._takes(vm)]

    def _ask(self, desk: Desk) -> None:
        if desk.past is None or desk.past.waiting is not None or desk.past.tape is self._tape:
            return
        self._tape, said = desk.past.tape, desk.past.tape.said
        self._said = []
        if said is not None:
            self._take(said)
            return
        desk.pending.forget(self._tag)
        if not any(self._takes(vm) for vm in desk.live.vms.values()):
            return  # nobody who could tell is left
        params = {"filter": self._asked, "tail": -1 if self._is_one else TAIL_OF_MANY, "follow": False}
        self._tag = desk.pending.follow("vm.logs_watch", params, self._came, lambda result: self._over(desk, result))

    def _take(self, said: Said) -> None:
        """What a recording holds."""
        for vm_id, name in said.names.items():
            self._said += [_Said(time, vm_id, self._told(name, text)) for time, text in said.lines(vm_id)]
        self._sort()

    def _came(self, items: list[Any]) -> None:
        for item in items:
            for line in item["lines"]:
                told = self._told(item["name"], f"{str(line['time'])[11:23]} {line['text']}")
                self._said.append(_Said(human.epoch(str(line["time"])) or 0.0, item["id"], told))
        if len(self._said) > 2 * KEPT_LINES:
            self._sort()

    def _told(self, name: str, text: str) -> Line:
        """A line behind its time, with its VM's name between them where there are several."""
        when, _, rest = text.partition(" ")
        head: Line = (
            ((f"{harmless(when)} ", "dim"),) if self._is_one else ((f"{harmless(when)} ", "dim"), (f"{harmless(name):<14} ", "name"))
        )
        return (*head, *harmless_line(rest))

    def _over(self, desk: Desk, result: Any) -> None:
        self._sort()
        super()._over(desk, result)

    def _sort(self) -> None:
        """Into the order of their times, of which the latest are kept."""
        self._said = sorted(self._said, key=itemgetter(0))[-KEPT_LINES:]

    def _lines_until(self, desk: Desk) -> list[Line]:
        meant = {str(vm["id"]) for vm in self._meant(desk)}
        count = bisect_right(self._said, desk.wall(), key=itemgetter(0))
        basis = (len(self._said), count, meant)
        if basis != self._drawn:
            self._drawn = basis
            self._lines = [line for _, vm_id, line in islice(self._said, count) if vm_id in meant]
        return self._lines

    def _left_out(self, desk: Desk) -> int:
        said = self._tape.said if self._tape is not None else None
        return sum(said.left_out(LOGS, str(vm["id"])) for vm in self._meant(desk)) if said is not None else 0

    def _absence(self, desk: Desk) -> Fault | None:
        """Of one VM it is known why there is nothing."""
        meant = self._meant(desk)
        if len(meant) != 1 or self._tag or self._fault is not None:
            return self._fault
        said = self._tape.said if self._tape is not None else None
        vm_id = str(meant[0]["id"])
        if said is not None:
            return None if said.lines(vm_id) else Fault("the recording holds no logs of it", hint=self.missing)
        now = desk.live.vms.get(vm_id)
        if now is None:
            return Fault("it was deleted since then, and its logs went with it")
        if now["boot"] != meant[0]["boot"] or now["status"] in _DOWN:
            return Fault("that start is over, and its log went with its guest", hint="its console is kept")
        return None
