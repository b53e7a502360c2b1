"""The tape: everything that happened, line by line, and how things were at the line under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from volant.client.cli.text import harmless
from volant.tui import travelling
from volant.tui.lines import Line, clipped, filled, restyled
from volant.tui.model import Changed, Lost
from volant.tui.past.moments import shown
from volant.tui.screens.base import Screen
from volant.tui.screens.cursor import Cursor
from volant.tui.screens.vm_facts import event_line

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.past.journey import Journey


class PastScreen(Screen):
    """Going up and down is going back and forth in time; every other screen goes along."""

    contexts = ("calls",)
    hints = ("open", "past.play", "past.at", "past.now")
    in_past = True
    title = "past"

    def __init__(self) -> None:
        self._cursor = Cursor()

    @classmethod
    def opened(cls, desk: Desk, argument: str) -> PastScreen:
        if argument:
            travelling.go_to(desk, argument)
        elif desk.past is None:
            travelling.step(desk, -1)
        return cls()

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        journey = desk.past
        if journey is None:
            return [(("  this is now; < steps back", "dim"),)]
        rows = len(journey.tape) + 1
        self._cursor.at = journey.index + 1
        drawn: list[Line] = []
        for at in self._cursor.view(rows, height):
            line: Line = ((desk.glyphs["cursor"] if at == self._cursor.at else " ", ""), *_line(journey, at - 1, width - 1))
            drawn.append(restyled(filled(line, width), "selected") if at == self._cursor.at else clipped(line, width))
        return drawn

    def subtitle(self, desk: Desk) -> str:
        return f"{desk.past.index + 1}/{len(desk.past.tape)}" if desk.past is not None else ""

    def act(self, desk: Desk, action: str) -> bool:
        journey = desk.past
        if journey is None:
            return False
        if action == "open":
            self._open(desk, journey)
            return True
        if action in ("up", "down"):
            travelling.step(desk, 1 if action == "down" else -1)
            return True
        self._cursor.at = journey.index + 1
        if not self._cursor.act(action, len(journey.tape) + 1):
            return False
        travelling.go(desk, self._cursor.at - 1)
        return True

    @staticmethod
    def _open(desk: Desk, journey: Journey) -> None:
        """The list of that moment, with the VM that the event is about."""
        event = journey.event(journey.index)
        if event is not None:
            desk.home.rows.select(str(event.get("vm_id") or ""))
        desk.go((desk.home,))


def _line(journey: Journey, index: int, width: int) -> Line:
    event = journey.event(index)
    time = shown(journey.tape.time(index))
    if event is not None:
        return ((f"{time[:10]} ", "dim"), *event_line(event, width - 11, vm=True))
    return ((f"{time}     ", "dim"), (_told(journey, index), "dim"))


def _told(journey: Journey, index: int) -> str:
    """What was heard besides events."""
    if index < 0:
        return "before everything that is known"
    news = journey.tape.beats[index].news[-1]
    if isinstance(news, Lost):
        return f"the connection was lost: {harmless(news.reason)}"
    if isinstance(news, Changed):
        count = len(news.items) + len(news.parts)
        return f"{count} VM{'' if count == 1 else 's'} told anew" + (f", {len(news.gone)} gone" if news.gone else "")
    return "the connection was made anew"
