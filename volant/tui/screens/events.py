"""What happened on the host, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.proto.errors import Fault
from volant.proto.specs.filter import EVENT_FIELDS
from volant.proto.specs.filter import parse as parse_filter
from volant.tui.lines import Line
from volant.tui.model import Delta, Record
from volant.tui.screens.base import Screen
from volant.tui.screens.logs import open_one_of
from volant.tui.screens.reader import Reader
from volant.tui.screens.vm_facts import event_line

if TYPE_CHECKING:
    from volant.tui.desk import Desk

LAST = 500
"""Events asked for when the screen opens: what happened lately, in one answer of some 100 KiB."""


class EventsScreen(Screen):
    """All events: the latest of the past, then those that the desk hears of anyway."""

    contexts = ("stream", "text")
    hints = ("pause", "filter", "time", "last")
    fields = EVENT_FIELDS
    title = "events"

    def __init__(self) -> None:
        self._reader: Reader[Record] = Reader(follow=True)
        self._seen = 0
        self._times = 0
        self._why = ""

    @classmethod
    def opened(cls, desk: Desk, argument: str) -> EventsScreen:
        """`argument` is a filter to begin with."""
        made = cls()
        made.take_filter(argument, parse_filter(argument, EVENT_FIELDS, dict.get))
        return made

    def shown(self, desk: Desk) -> None:
        if not self._reader.all:
            desk.pending.call("event.list", {"last": LAST}, lambda result: self._listed(desk, result))

    def _listed(self, desk: Desk, result: Any) -> None:
        if isinstance(result, Fault):
            self._why = result.message
            return
        self._why = ""
        self._add(result["items"])
        self.refreshed(desk, Delta())

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        if self._seen or self._why:
            self._add(desk.snapshot.events)

    def _add(self, events: Any) -> None:
        fresh = [event for event in events if event["seq"] > self._seen]
        if fresh:
            self._seen = fresh[-1]["seq"]
            self._reader.add(fresh)

    def take_filter(self, text: str, takes: Callable[[Record, float], bool]) -> None:
        self.filter = text
        now = human.epoch(str(self._reader.all[-1]["time"])) if self._reader.all else None
        self._reader.filter(lambda event: takes(event, now or 0.0))

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        events = self._reader.view(height)
        if not events:
            why = self._why or ("no event matches" if self._reader.all else "nothing yet ...")
            return [((f"  {why}", "dim"),)]
        return [self._timed(desk, event, width) for event in events]

    def _timed(self, desk: Desk, event: Record, width: int) -> Line:
        line = event_line(event, width + 13, vm=True)
        if self._times == 1:
            return ((f"{human.age(str(event['time']), now=desk.wall()):>12} ", "dim"), *line[1:])
        return line[1:] if self._times == 2 else line

    def status(self, desk: Desk) -> list[str]:
        reader = self._reader
        words = [f"filter {self.filter}"] if self.filter else []
        words.append(reader.place)
        if reader.held:
            words.append(f"held, {len(reader.waiting)} wait: {desk.key_of('pause')} goes on, {desk.key_of('last')} jumps to the end")
        if reader.dropped:
            words.append(f"{reader.dropped} older ones dropped")
        return words

    def act(self, desk: Desk, action: str) -> bool:
        if action == "pause":
            self._reader.hold(not self._reader.held)
        elif action == "open":
            open_one_of(desk, [str(event.get("vm") or "") for event in self._reader.view(self._reader.page)])
        elif action == "time":
            self._times = (self._times + 1) % 3
        else:
            return self._reader.act(action)
        return True

    def next_change_s(self, desk: Desk) -> float | None:
        return 1.0 if self._times == 1 else None
