"""One VM in lines: what the overview and the side pane show. Pure."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.tui.lines import Line, clipped, wrapped
from volant.tui.model import Record
from volant.tui.screens.base import Copyable

if TYPE_CHECKING:
    from volant.tui.desk import Desk

_STYLE = {"error": "bad", "hint": "warm", "reason": "warm"}


def facts(desk: Desk, record: Record, width: int) -> list[Line]:
    """The facts that `volant vm get` tells, one below the other."""
    from volant.client.cli.commands.vm import facts as told

    sign = desk.glyphs.state(str(record["status"]))
    lines: list[Line] = []
    for name, value in told(dict(record), now=desk.wall()):
        if name == "name":
            continue
        style = sign.style if name == "status" else _STYLE.get(name, "")
        value = f"{sign.sign} {value}" if name == "status" else value
        pieces = wrapped(harmless(value), max(8, width - 12))
        lines.append(((f"{name:<12}", "label"), (pieces[0], style)))
        lines += [((" " * 12, ""), (piece, style)) for piece in pieces[1:]]
    return [clipped(line, width) for line in lines]


def of_vm(record: Record | None) -> list[Copyable]:
    """What can be copied of a VM."""
    if record is None:
        return []
    name = str(record["name"])
    return [
        Copyable("n", "name", name),
        Copyable("i", "address", str(record.get("ip") or "")),
        Copyable("d", "id", str(record["id"])),
        Copyable("j", "record as JSON", json.dumps(dict(record), ensure_ascii=False)),
        Copyable("c", "the command that shows it", shlex.join(("volant", "vm", "get", name))),
    ]


def event_line(event: Record, width: int, *, vm: bool) -> Line:
    """One event: when, what, of which VM, and its message."""
    who = f"{harmless(str(event.get('vm') or '-')):<14} " if vm else ""
    kind = str(event["kind"])
    style = "bad" if kind.endswith(("CRASHED", "FAILED", "LOST", "DEGRADED")) else "good" if kind.endswith("READY") else ""
    line: Line = (
        (f"{str(event['time'])[11:23]} ", "dim"),
        (f"{harmless(kind):<16} ", style),
        (who, "name"),
        (harmless(str(event.get("message") or _said(event))), ""),
    )
    return clipped(line, width)


def _said(event: Record) -> str:
    """What an event without a message says: who asked what."""
    data: Any = event.get("data") or {}
    words = [str(data[key]) for key in ("ask", "step", "phase", "outcome", "author") if data.get(key)]
    return " ".join(words)


def pane(desk: Desk, record: Record | None, width: int, height: int) -> list[Line]:
    """The side pane of a VM: its facts, and below them what happened to it since we look."""
    if record is None:
        return []
    lines: list[Line] = [((harmless(str(record["name"])), "title"),), *facts(desk, record, width)]
    recent = [event for event in desk.snapshot.events if event.get("vm_id") == record["id"]]
    if recent:
        room = max(1, height - len(lines) - 2)
        lines += [(), (("events", "header"),), *(event_line(event, width, vm=False) for event in reversed(recent[-room:]))]
    return lines[:height]
