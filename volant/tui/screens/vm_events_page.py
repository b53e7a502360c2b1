"""The page of one VM's events, with one of them chosen, and what of them stands beside the other pages. Pure but for what it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volant.client.cli.text import harmless
from volant.tui.lines import Line, filled, restyled
from volant.tui.model import Record
from volant.tui.screens.cursor import Cursor
from volant.tui.screens.detail import told
from volant.tui.screens.vm_events import VmEvents
from volant.tui.screens.vm_facts import event_line
from volant.tui.screens.vm_pane import section

if TYPE_CHECKING:
    from volant.tui.desk import Desk

EVENTS = 200
"""Events of one VM asked for: its last ten starts or so."""


class EventsPage:
    """Of the VM with this id. `need` before what is known is shown."""

    def __init__(self, vm_id: str) -> None:
        self._id = vm_id
        self._events = VmEvents()
        self._cursor = Cursor()
        self._is_fresh = False
        """They were asked for on this connection."""

    def need(self, desk: Desk) -> None:
        """Ask, once on each connection; what happens from then on is heard."""
        if not self._is_fresh:
            self._is_fresh = True
            self._events.ask(desk, self._id, EVENTS)

    def lost(self) -> None:
        """The connection is gone, and with it what happens meanwhile."""
        self._is_fresh = False

    def known(self, desk: Desk) -> list[Record]:
        """Its events, or, of a moment, those that had happened by then; the newest first."""
        if desk.past is None:
            return self._events.listed(desk)
        return [event for event in reversed(desk.snapshot.events) if event.get("vm_id") == self._id]

    def chosen(self, desk: Desk) -> Record | None:
        """The one under the cursor."""
        known = self.known(desk)
        return known[min(self._cursor.at, len(known) - 1)] if known else None

    def act(self, desk: Desk, action: str) -> bool:
        """Go to another one; whether the action means that."""
        return self._cursor.act(action, len(self.known(desk)))

    def place(self, desk: Desk) -> str:
        """Which one is chosen, for the status line."""
        count = len(self.known(desk))
        return f"event {min(self._cursor.at + 1, count)} of {count}"

    def lines(self, desk: Desk, width: int, height: int) -> list[Line]:
        """The page."""
        known, fault = self.known(desk), self._events.fault
        if not known and fault is not None and desk.past is None:
            return [((f"  {harmless(fault.message)}", "bad"),), ((f"  {harmless(fault.hint)}", "dim"),)]
        if not known:
            asks = desk.past is None and not self._events.known
            return [
                ((f"  {'asking ...' if asks else 'nothing happened yet' if desk.past is None else 'nothing is known of before'}", "dim"),)
            ]
        drawn: list[Line] = []
        for at in self._cursor.view(len(known), height):
            here = at == self._cursor.at
            line: Line = ((desk.glyphs["cursor"] if here else " ", ""), *event_line(known[at], width - 1, vm=False))
            drawn.append(restyled(filled(line, width), "selected") if here else line)
        return drawn

    def whole(self, desk: Desk, width: int, height: int) -> list[Line]:
        """Beside the page: the chosen one with all that it says."""
        event = self.chosen(desk)
        return [section(desk, "event", width), *(told(event, width) if event is not None else ())][:height]

    def latest(self, desk: Desk, width: int, height: int) -> list[Line]:
        """Beside other pages: the latest, in short."""
        found = self.known(desk)[: height - 1]
        return [section(desk, "events", width), *(event_line(event, width, vm=False, short=True) for event in found)]
