"""What was said up to the moment that is looked at; and a VM's console of then.

When a console printed what is known to a second or so where the daemon noted it; else the whole boot is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless, harmless_log_line
from volant.proto.errors import Fault
from volant.tui.lines import Line, clipped
from volant.tui.model import Delta, Record
from volant.tui.past.printed import Printed
from volant.tui.past.said import CONSOLE
from volant.tui.screens.base import Screen
from volant.tui.screens.reader import Reader

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.past.journey import Journey
    from volant.tui.past.tape import Tape


MAX_CONSOLE_BYTES = 6 * 1024 * 1024
"""Of one boot's console: more than a daemon keeps."""


class PastOutput(Screen):
    """Reading what the daemon tells once, or a recording holds. Subclasses ask for it, and say what of it is shown."""

    contexts = ("text",)
    hints = ("last",)
    in_past = True
    what = ""
    """Of what VMs say; LOGS and CONSOLE of `past.said`."""
    missing = ""
    """Why a recording may hold none."""
    unit = ""

    def __init__(self, which: str) -> None:
        self._which = which
        self._reader: Reader[Line] = Reader(follow=True)
        self._tag = 0
        self._fault: Fault | None = None
        """Why the daemon did not tell."""
        self._laid_out: list[Line] | None = None

    @property
    def title(self) -> str:
        return f"{self.what} {self._which}" if self._which else self.what

    def shown(self, desk: Desk) -> None:
        self.refreshed(desk, Delta())

    def hidden(self, desk: Desk) -> None:
        desk.pending.forget(self._tag)
        self._tag = 0

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        """Another moment."""
        if desk.screen is self:
            self._ask(desk)
        self._lay_out(desk)

    def _ask(self, desk: Desk) -> None:
        """Get what is not known yet."""
        raise NotImplementedError

    def _lines_until(self, desk: Desk) -> list[Line]:
        """What had been said by the moment that is looked at; the same list as before, when that is the same."""
        raise NotImplementedError

    def _left_out(self, desk: Desk) -> int:
        """How much of it a recording had no room for."""
        raise NotImplementedError

    def _absence(self, desk: Desk) -> Fault | None:
        """Why there is nothing, where that is known."""
        return self._fault

    def _over(self, desk: Desk, result: Any) -> None:
        """The daemon has told everything, or why it can't."""
        self._tag = 0
        self._fault = result if isinstance(result, Fault) else None
        self._lay_out(desk)

    # ----------------------------------------------------------------------------------------------------------- looks

    def _lay_out(self, desk: Desk) -> None:
        lines = self._lines_until(desk)
        if lines is not self._laid_out:
            self._laid_out = lines
            self._reader.replace(lines)

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        lines = self._reader.view(height)
        fault = self._absence(desk) if not lines else None
        if fault is not None:
            return [((f"  {harmless(fault.message)}", "warm"),), ((f"  {harmless(fault.hint)}", "dim"),)]
        if not lines:
            return [((f"  {'asking ...' if self._tag else 'nothing was said until then'}", "dim"),)]
        return [clipped(line, width) for line in lines]

    def subtitle(self, desk: Desk) -> str:
        return "up to this moment" if desk.past is not None else "as it was"

    def status(self, desk: Desk) -> Sequence[str]:
        count = self._left_out(desk)
        return [self._reader.place, f"{count:,} {self.unit} more had no room in the recording" if count else ""]

    def act(self, desk: Desk, action: str) -> bool:
        return self._reader.act(action)


def harmless_line(text: str) -> Line:
    """A line of a guest's text."""
    return ((harmless_log_line(text, colour=False).expandtabs(), ""),)


class PastConsole(PastOutput):
    """The console of the boot of that moment."""

    what = CONSOLE
    missing = "it holds consoles from when they were opened while it was made"
    unit = "bytes"

    def __init__(self, record: Record) -> None:
        super().__init__(str(record["name"]))
        self._id = str(record["id"])
        self._never: Fault | None = None
        """Why nobody can tell what it said."""
        self._printed = Printed()
        self._drawn: object = None
        self._lines: list[Line] = []
        """What is shown, and what it was made of: as long as time alone goes on, it stays the same."""
        self._starts: list[tuple[int, int]] = []
        """Where on the tape, and where on the console, its boots begin."""
        self._looked: Tape | None = None
        """The tape that they were looked up on."""
        self._boot: tuple[int, int | None] | None = None
        """Where on the console the boot that is shown begins and ends."""

    def _ask(self, desk: Desk) -> None:
        """Of another boot, ask for what that printed."""
        if desk.past is None:
            return
        said = desk.past.tape.said
        if said is not None:
            self._printed = said.printed(self._id)
            self._never = None if len(self._printed) else Fault("the recording holds no console of it", hint=self.missing)
            return
        if self._id not in desk.live.vms:
            self._never = Fault("it was deleted since then, and its console went with it")
            return
        boot = self._boot_at(desk.past)
        if boot == self._boot:
            return
        desk.pending.forget(self._tag)
        self._boot, self._fault, self._tag, self._printed = boot, None, 0, Printed()
        if boot is not None:
            self._read(desk, *boot)

    def _boot_at(self, journey: Journey) -> tuple[int, int | None] | None:
        """Where on its console the boot of the moment begins and ends; None when no event tells."""
        if self._looked is not journey.tape:
            self._looked = journey.tape
            events = ((index, journey.event(index) or {}) for index in range(len(journey.tape)))
            mine = ((index, event) for index, event in events if event.get("kind") == "VM_STARTING" and event.get("vm_id") == self._id)
            places = ((index, (event.get("data") or {}).get("console")) for index, event in mine)
            self._starts = [(index, place) for index, place in places if isinstance(place, int)]
        number = sum(index <= journey.index for index, _ in self._starts)
        if not number:
            return None
        return self._starts[number - 1][1], self._starts[number][1] if number < len(self._starts) else None

    def _read(self, desk: Desk, start: int, end: int | None) -> None:
        """Ask for the console between two places."""
        printed = self._printed
        most = MAX_CONSOLE_BYTES if end is None else min(MAX_CONSOLE_BYTES, max(0, end - start))

        def came(items: list[Any]) -> None:
            nonlocal most
            for item in items:
                if isinstance(item, bytes):
                    printed.add(item[: max(0, most - len(printed))])
                    continue
                lost = max(0, int(item["offset"]) - start - len(printed))  # what lies before is no longer kept
                most = max(0, most - lost)
                marks = [(offset - int(item["offset"]), at_ms / 1000) for offset, at_ms in item.get("times", ())]
                # The first one behind the boot's end tells of that end, too.
                inside = sum(offset < most for offset, _ in marks)
                printed.mark((min(offset, most), time) for offset, time in marks[: inside + 1])
            if len(printed) >= most:
                desk.pending.forget(self._tag)
                self._over(desk, None)

        params = {"name": self._which, "from_offset": start, "follow": False, "times": True}
        self._tag = desk.pending.attach(params, came, lambda result: self._over(desk, result))

    def _lines_until(self, desk: Desk) -> list[Line]:
        basis = (id(self._printed), len(self._printed), self._printed.end_at(desk.wall()))
        if basis != self._drawn:
            self._drawn = basis
            self._lines = [harmless_line(text) for text in self._printed.lines(basis[-1])]
        return self._lines

    def _left_out(self, desk: Desk) -> int:
        said = desk.past.tape.said if desk.past is not None else None
        return said.left_out(CONSOLE, self._id) if said is not None else 0

    def _absence(self, desk: Desk) -> Fault | None:
        return self._never or self._fault

    def subtitle(self, desk: Desk) -> str:
        return super().subtitle(desk) if self._printed.is_timed or not len(self._printed) else "of this boot, as a whole"
