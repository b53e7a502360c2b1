"""What a VM had said up to the moment that is looked at: its workload's log, or its console.

Lines of the log have times. The console has none but those of the boots: of it, what the boot of that moment said is shown as a whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless, harmless_log_line
from volant.proto.errors import Fault
from volant.tui.lines import Line, clipped
from volant.tui.model import Delta, Record
from volant.tui.screens.base import Screen
from volant.tui.screens.reader import KEPT_LINES, Reader

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.past.journey import Journey
    from volant.tui.past.tape import Tape


MAX_CONSOLE_BYTES = 1024 * 1024
"""Of one boot's console: several thousand lines."""


class PastOutput(Screen):
    """`what` is `logs` or `console`. It is asked of the daemon, which still has it; a recording holds none."""

    contexts = ("text",)
    hints = ("last",)
    in_past = True

    def __init__(self, record: Record, what: str) -> None:
        self._id, self._name, self._what = str(record["id"]), str(record["name"]), what
        self._reader: Reader[Line] = Reader(follow=True)
        self._tag = 0
        self._never: Fault | None = None
        """Why nobody can tell what it said."""
        self._fault: Fault | None = None
        """Why the daemon did not."""
        self._said: deque[tuple[float, str]] = deque(maxlen=KEPT_LINES)
        """Lines of the log with their times, or of one boot's console."""
        self._starts: list[tuple[int, int]] = []
        """Where on the tape, and where on the console, its boots begin."""
        self._looked: Tape | None = None
        """The tape that they were looked up on."""
        self._boot: tuple[int, int | None] | None = None
        """Where on the console the boot that is shown begins and ends."""

    @property
    def title(self) -> str:
        return f"{self._what} {self._name}"

    # ---------------------------------------------------------------------------------------------------------- asking

    def shown(self, desk: Desk) -> None:
        if desk.past is not None and desk.past.recording:
            self._never = Fault(f"a recording holds no {self._what}", hint="it holds VMs and events")
        elif self._id not in desk.live.vms:
            self._never = Fault(f"it was deleted since then, and its {self._what} went with it")
        elif self._what == "logs" and not self._said and not self._tag:
            self._tag = desk.pending.follow("vm.logs", {"name": self._name, "tail": -1, "follow": False}, self._came, self._ended(desk))
        else:
            self.refreshed(desk, Delta())

    def hidden(self, desk: Desk) -> None:
        desk.pending.forget(self._tag)
        self._tag = 0

    def _came(self, lines: list[Any]) -> None:
        self._said += [(human.epoch(str(line["time"])) or 0.0, f"{str(line['time'])[11:23]} {line['text']}") for line in lines]

    def _ended(self, desk: Desk) -> Any:
        def ended(result: Any) -> None:
            self._tag = 0
            self._fault = result if isinstance(result, Fault) else None
            self._lay_out(desk)

        return ended

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        """Another moment: of the log other lines, of the console maybe another boot."""
        journey = desk.past
        if self._what == "console" and journey is not None and self._never is None and desk.screen is self:
            boot = self._boot_at(journey)
            if boot != self._boot:
                desk.pending.forget(self._tag)
                self._boot, self._fault, self._tag = boot, None, 0
                self._said.clear()
                if boot is not None:
                    self._read(desk, *boot)
        self._lay_out(desk)

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
        said = bytearray()
        most = MAX_CONSOLE_BYTES if end is None else min(MAX_CONSOLE_BYTES, max(0, end - start))

        def came(items: list[Any]) -> None:
            nonlocal most
            for item in items:
                if isinstance(item, bytes):
                    said.extend(item)
                else:  # it begins later: what lies between is no longer kept
                    most = max(0, most - max(0, int(item["offset"]) - start))
            if len(said) >= most:
                desk.pending.forget(self._tag)
                ended(None)

        def ended(result: Any) -> None:
            self._tag = 0
            self._fault = result if isinstance(result, Fault) else None
            self._said.extend((0.0, line) for line in said[:most].decode(errors="replace").splitlines())
            self._lay_out(desk)

        self._tag = desk.pending.attach({"name": self._name, "from_offset": start, "follow": False}, came, ended)

    # ----------------------------------------------------------------------------------------------------------- looks

    def _lay_out(self, desk: Desk) -> None:
        until = desk.wall()
        self._reader.replace(((harmless_log_line(text, colour=False).expandtabs(), ""),) for time, text in self._said if time <= until)

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        fault = self._never or self._fault
        if fault is not None:
            return [((f"  {harmless(fault.message)}", "warm"),), ((f"  {harmless(fault.hint)}", "dim"),)]
        lines = self._reader.view(height)
        if not lines:
            return [((f"  {'asking ...' if self._tag else 'nothing was said until then'}", "dim"),)]
        return [clipped(line, width) for line in lines]

    def subtitle(self, desk: Desk) -> str:
        return "of this boot, as a whole" if self._what == "console" else "up to this moment" if desk.past is not None else "as it was"

    def status(self, desk: Desk) -> Sequence[str]:
        first, last = self._reader.position
        return [f"{first}-{last} of {len(self._reader.shown)}"]

    def act(self, desk: Desk, action: str) -> bool:
        return self._reader.act(action)
