"""One VM in lines: what its pages show. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.columns import KIND_COLUMNS
from volant.client.cli.text import harmless
from volant.tui.figures import graph, sparkline
from volant.tui.lines import Line, clipped, wrapped
from volant.tui.model import Record
from volant.tui.readings import EVERY_MS, KEPT_READINGS, Reading
from volant.tui.screens.base import Copyable

if TYPE_CHECKING:
    from volant.tui.desk import Desk

SPARK = 30
"""Columns of a sparkline beside its figure, at most: a minute."""
GRAPH_ROWS = 4
"""Lines of a graph: two of them and their words fit into 15 lines."""
VM_KIND_COLUMNS = 16
"""Of the kinds of one VM's events, which are shorter than those of all."""
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
        Copyable("c", "the command that shows it", shlex.join(("volant", "vm", "get", name)), is_command=True),
    ]


def metrics(desk: Desk, record: Record, readings: Sequence[Reading], width: int) -> list[Line]:
    """What a VM costs the host, over the time that somebody looks."""
    if not readings:
        return [(("  measuring ..." if record.get("pid") else "  it does not run, so it costs nothing", "dim"),)]
    cpus, promised = int(record.get("cpu_cores") or 1), int(record.get("memory_mb") or 0)
    percents = [each.cpu_percent for each in readings]
    sizes = [each.memory_bytes / (1 << 20) for each in readings]
    room = max(8, min(KEPT_READINGS, width - 2))
    lines: list[Line] = []
    for name, now, most, top, values in (
        ("CPU", f"{percents[-1]:.1f}% of {cpus * 100}%", f"most {max(percents):.1f}%", max(100.0 * cpus, max(percents)), percents),
        ("memory", f"{human.mebibytes(round(sizes[-1]))} of {human.mebibytes(promised)} and what the VMM needs",
         f"most {human.mebibytes(round(max(sizes)))}", max(float(promised), max(sizes)), sizes),
    ):  # fmt: skip
        lines.append(((f"{name:<8}", "label"), (f"{now}   ", ""), (most, "dim")))
        lines += [((f" {row}", "cool"),) for row in graph(values, room, GRAPH_ROWS, top, desk.glyphs)]
        lines.append(())
    span = human.duration(len(readings) * EVERY_MS / 1_000)
    lines.append(((f"the last {span}, as the kernel accounts for its VMM", "dim"),))
    return [clipped(line, width) for line in lines]


def usage(desk: Desk, record: Record, readings: Sequence[Reading], width: int, label: int) -> list[Line]:
    """What a VM costs the host: a line for the CPU and one for the memory, with how each was lately. Nothing while nobody measures."""
    if not readings:
        return []
    cpus, promised = int(record.get("cpu_cores") or 1), int(record.get("memory_mb") or 0)
    last, mebibyte = readings[-1], 1 << 20
    found: list[Line] = []
    for name, values, top, now in (
        ("cpu", [each.cpu_percent for each in readings], 100.0 * cpus, f"{last.cpu_percent:.0f}% of {cpus * 100}%"),
        ("memory", [each.memory_bytes / mebibyte for each in readings], float(promised),
         f"{human.mebibytes(round(last.memory_bytes / mebibyte))} resident"),
    ):  # fmt: skip
        graphed = max(0, min(SPARK, width - label - len(now) - 1))
        spark = sparkline(values, graphed, max(top, *values), desk.glyphs)
        found.append(((f"{name:<{label}}", "label"), (f"{spark} ", "cool"), (now, "")))
    return [clipped(line, width) for line in found]


def event_line(event: Record, width: int, *, vm: bool, short: bool = False) -> Line:
    """One event: when, what, of which VM or deployment, and its message. `short`: the time to the second, the kind as wide as it is."""
    who = f"{harmless(str(event.get('vm') or event.get('deployment') or '-')):<14} " if vm else ""
    kind = str(event["kind"])
    room = 0 if short else KIND_COLUMNS if vm else VM_KIND_COLUMNS
    style = "bad" if kind.endswith(("CRASHED", "FAILED", "LOST", "DEGRADED")) else "good" if kind.endswith("READY") else ""
    line: Line = (
        (f"{str(event['time'])[11 : 19 if short else 23]} ", "dim"),
        (f"{harmless(kind):<{room}} ", style),
        (who, "name"),
        (harmless(str(event.get("message") or _said(event))), ""),
    )
    return clipped(line, width)


def _said(event: Record) -> str:
    """What an event without a message says: who asked what."""
    data: Any = event.get("data") or {}
    words = [str(data[key]) for key in ("ask", "step", "phase", "outcome", "author") if data.get(key)]
    return " ".join(words)
