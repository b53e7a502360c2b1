"""One VM beside the list: its facts close together, the end of its console, its latest events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from volant.client.cli import human
from volant.client.cli.text import cut, harmless, width_of
from volant.tui.lines import Line, cell, clipped, justified, wrapped
from volant.tui.model import Record
from volant.tui.readings import Reading
from volant.tui.screens.glance import Glance
from volant.tui.screens.vm_facts import event_line, usage

if TYPE_CHECKING:
    from volant.tui.desk import Desk

LABEL = 8
"""Columns of a fact's name: beside it a MAC address fits into the narrowest pane."""
TWO_FROM = 48
"""Columns from which two facts stand side by side."""
EVENTS_SHARE = 3
"""Events get this part of what the facts leave, and more where the console is shorter than the rest."""
_TOLD = ("plugin", "size", "network", "ports", "health", "hypervisor", "restart", "config", "held by", "exit code", "deployment", "labels")
"""Facts of `volant vm get` that are told here; the page of the VM has all."""
_PROSE = {"reason": "warm", "error": "bad", "hint": "warm"}
_SHORT = {"hypervisor": "vmm", "deployment": "deploy", "exit code": "exit", "network": "net"}


def pane(desk: Desk, record: Record, glance: Glance, readings: Sequence[Reading], width: int, height: int) -> list[Line]:
    """At most `height` lines of at most `width` columns."""
    lines = [_title(desk, record, width), *_facts(desk, record, width, height // 2), *usage(desk, record, readings, width, LABEL)]
    if desk.past is not None:
        happened = [event for event in reversed(desk.snapshot.events) if event.get("vm_id") == record["id"]]
    else:
        happened = glance.events.listed(desk)
    room = height - len(lines)
    printed = glance.console(width, max(0, room - 1)) if desk.past is None else []
    kept = min(len(happened) + bool(happened), max(room // EVENTS_SHARE, room - len(printed) - 1))
    if printed and room - kept > 1:
        lines += [section(desk, "console", width), *printed[-(room - kept - 1) :]]
    if kept > 1:
        events = [event_line(event, width, vm=False, short=True) for event in happened[: kept - 1]]
        lines += [section(desk, "events", width), *events]
    return lines[:height]


def section(desk: Desk, name: str, width: int) -> Line:
    """A heading on a rule."""
    bar = desk.glyphs["bar"]
    return clipped(((f"{bar}{bar} ", "rule"), (name, "header"), (f" {bar * max(0, width - len(name) - 4)}", "rule")), width)


def _title(desk: Desk, record: Record, width: int) -> Line:
    sign = desk.glyphs.state(str(record["status"]))
    return justified(((harmless(str(record["name"])), "title"),), ((f"{sign.sign} {record['status']}", sign.style),), width)


def _facts(desk: Desk, record: Record, width: int, most: int) -> list[Line]:
    """What went wrong, in sentences; then short facts in one or two columns, `most` lines in all where that is enough for the sentences."""
    from volant.client.cli.commands.vm import facts as told

    known = dict(told(dict(record), now=desk.wall()))
    if record.get("pid") and "hypervisor" in known:
        known["hypervisor"] += f", pid {record['pid']}"
    pairs = [(_SHORT.get(name, name), harmless(known[name])) for name in _TOLD if known.get(name)]
    pairs[2:2] = _times(desk, record)
    lines: list[Line] = []
    for name, style in _PROSE.items():
        pieces = wrapped(harmless(known.get(name, "")), max(8, width - LABEL)) if known.get(name) else []
        lines += [((f"{'' if at else name:<{LABEL}}", "label"), (piece, style)) for at, piece in enumerate(pieces)]
    return [clipped(line, width) for line in [*lines, *grid(pairs, width)[: max(0, most - len(lines))]]]


def _times(desk: Desk, record: Record) -> list[tuple[str, str]]:
    """Since when it runs, and how long its boot took; or since when it does not."""
    found = []
    if record.get("stopped_at") and not record.get("pid"):
        found.append(("ended", f"{human.age(str(record['stopped_at']), now=desk.wall())} ago"))
    elif record.get("started_at"):
        found.append(("up", human.age(str(record["started_at"]), now=desk.wall())))
    if record.get("ready_ms"):
        found.append(("boot", f"{record.get('boot') or 1}, ready in {human.duration(int(record['ready_ms']) / 1000)}"))
    return found


def grid(pairs: Sequence[tuple[str, str]], width: int) -> list[Line]:
    """Names and values, two side by side where there is room and both fit; what is longer than a line goes on below, between its words."""
    half = (width - 1) // 2
    room = width - LABEL
    lines: list[Line] = []
    waiting: Line = ()
    for name, value in pairs:
        label = (f"{cut(name, LABEL - 1):<{LABEL}}", "label")
        fits = width >= TWO_FROM and width_of(value) <= half - LABEL
        if waiting:
            lines.append((*waiting, label, (value, "")) if fits else waiting)
        if waiting and fits:
            waiting = ()
        elif fits:
            waiting = (label, (cell(value, half - LABEL), ""), (" ", ""))
        else:
            waiting = ()
            lines += [(label if not at else (" " * LABEL, ""), (piece, "")) for at, piece in enumerate(between_words(value, room))]
    return [*lines, waiting] if waiting else lines


def between_words(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, broken at blanks only: half an address says something else. A longer word is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(cut(word, width))
    return lines
