"""What happened on the host, as it happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.proto.errors import Fault
from volant.proto.specs.filter import EVENT_FIELDS
from volant.proto.specs.filter import parse as parse_filter
from volant.tui.lines import Line, clipped
from volant.tui.model import Delta, Record
from volant.tui.screens.stream import StreamScreen
from volant.tui.screens.vm_facts import event_line

if TYPE_CHECKING:
    from volant.tui.desk import Desk

TIME = len("11:59:08.000 ")
"""Columns of an event's time."""
LAST = 500
"""Events asked for when the screen opens: what happened lately, in one answer of some 100 KiB."""


class EventsScreen(StreamScreen[Record]):
    """All events: the latest of the past, then those that the desk hears of anyway."""

    hints = ("pause", "filter", "time", "open", "stream.moment", "last")
    fields = EVENT_FIELDS
    title = "events"

    def __init__(self) -> None:
        super().__init__()
        self._seen = 0
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

    def command(self, desk: Desk) -> str:
        return "volant events --follow"

    def fields_of(self, line: Record) -> Mapping[str, Any]:
        return line

    def vm_of(self, line: Record) -> str:
        return str(line.get("vm") or "")

    def moment_of(self, line: Record) -> str:
        return f"#{line['seq']}"

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        why = self._why or ("no event matches" if self._reader.all else "nothing yet ...")
        return [((f"  {why}", "dim"),)]

    def drawn(self, desk: Desk, line: Record, width: int) -> list[Line]:
        told = event_line(line, width + TIME, vm=True)
        if self._times == 1:
            told = ((f"{human.age(str(line['time']), now=desk.wall()):>12} ", "dim"), *told[1:])
        elif self._times == 2:
            told = told[1:]
        return [clipped(told, width)]

    def next_change_s(self, desk: Desk) -> float | None:
        return 1.0 if self._times == 1 else None
