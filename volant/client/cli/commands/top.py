"""`volant top`: what VMs cost their host now, busiest first. Live on a terminal; in a pipe one reading, or as many as are asked for."""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections import Counter
from collections.abc import Callable
from time import time
from typing import Any

from volant.client.cli import columns, human, output, terminal
from volant.client.cli.commands.vm import add_filter, filter_of, listed
from volant.client.cli.connect import open_client, open_following
from volant.client.cli.live import AGES_EVERY_S, Feed
from volant.client.cli.parsing import Parser, add_duration, add_output, add_reconnect, checked, style_of
from volant.client.cli.table import Column, render
from volant.client.cli.text import cut
from volant.client.cli.tty import Ended, ModeWatcher, raw_terminal
from volant.client.cli.values import count
from volant.client.resuming import StatsProgress, VmsProgress
from volant.client.usage import shares
from volant.proto.errors import ExitCode
from volant.proto.specs.filter import MEASURED_VM_FIELDS, parse

Row = dict[str, Any]
Readings = dict[str, tuple[float | None, int]]
"""By VM's id: percent of a CPU (None before the second reading) and bytes of memory."""

EVERY_MS = 2_000
_MIB = 1024 * 1024
SORTS: dict[str, tuple[str, Callable[[Row], Any]]] = {
    "cpu": ("C", lambda row: -(row["cpu_percent"] or 0.0)),
    "rss": ("R", lambda row: -(row["rss_bytes"] or 0)),
    "memory": ("M", lambda row: -row["memory_mb"]),
    "name": ("N", lambda row: row["name"]),
    "state": ("S", lambda row: row["status"]),
    "restarts": ("T", lambda row: -(row.get("restarts") or 0)),
}
"""What `--sort` takes: the key that does the same, and the order; what counts most comes first, and names break ties."""

_ALTERNATE, _HIDE_CURSOR, _NO_WRAP = "\x1b[?1049h", "\x1b[?25l", "\x1b[?7l"
_WRAP = "\x1b[?7h"
_INTERRUPT = b"\x03"
_LEAVE = (b"q", b"Q", b"\x1b")

TOP = [
    Column("NAME", "name", flexible=True),
    Column("STATUS", "status", paint=columns.status_paint),
    Column("CPU%", "cpu_percent", show=lambda row: "" if row["cpu_percent"] is None else f"{row['cpu_percent']:.1f}", right=True),
    Column("RSS", "rss_bytes", show=lambda row: human.size(row["rss_bytes"]) if row["rss_bytes"] else "", right=True),
    Column("MEMORY", "memory_mb", show=lambda row: human.mebibytes(row["memory_mb"]), right=True, keep=4),
    Column("CPUS", "cpu_cores", right=True, keep=3),
    Column("RESTARTS", "restarts", right=True, keep=5),
    Column("PLUGIN", "plugin", flexible=True, keep=1),
    Column("UP", "started_at", show=lambda row: human.age(row["started_at"]) if row["rss_bytes"] else "", right=True, keep=2),
    Column("ID", "id", wide=True),
]


def configure_top(parser: Parser) -> None:
    add_output(parser)
    add_filter(parser, "cpu>80, rss>=1G")
    parser.add_argument("--sort", choices=tuple(SORTS), default="cpu", metavar="FIELD", help=f"{', '.join(SORTS)} (default cpu)")
    add_duration(parser, "--every", default=EVERY_MS, help="time between two readings, from 250ms on (default 2s)")
    parser.add_argument("--count", "-n", metavar="N", type=checked(count), help="end after so many readings (in a pipe: 1)")
    add_reconnect(parser)
    parser.give_examples("volant top", "volant top --sort rss --filter 'plugin:web cpu>50'", "volant top -n 5 --every 10s -o jsonl")


def run_top(args: argparse.Namespace) -> int:
    style = style_of(args)
    if style.format in ("table", "wide") and args.count is None and terminal.is_tty(0) and terminal.is_tty(1):
        return _live(args)
    left = 1 if args.count is None else args.count
    measured, wanted = Measured(), wanted_by(args)
    with open_following(args, StatsProgress({"every_ms": args.every})) as following:
        for stats in following:
            readings = measured.after(stats)
            if readings is None:  # a share of the CPU takes two readings
                continue
            with open_client(args) as client:
                reply = listed(client, {}, None)
            reply["items"] = in_order(wanted(rows_of(reply["items"], readings)), args.sort)
            reply["total"] = len(reply["items"])
            output.write_list(style, TOP, reply, empty="no VMs")
            sys.stdout.flush()
            left -= 1
            if left <= 0:
                break
    return ExitCode.OK


class Measured:
    """Turns readings, one after another, into shares."""

    def __init__(self) -> None:
        self._before: dict[str, Any] | None = None

    def after(self, stats: dict[str, Any]) -> Readings | None:
        """What this reading says with the one before it; None for the first."""
        before, self._before = self._before, stats
        if before is None:
            return None
        percent = shares(before, stats)
        return {item["id"]: (percent.get(item["id"]), item["memory_bytes"]) for item in stats["items"]}


def rows_of(records: list[Row], readings: Readings) -> list[Row]:
    """VMs with what was measured of each; nothing where none runs."""
    return [record | dict(zip(("cpu_percent", "rss_bytes"), readings.get(record["id"], (None, 0)), strict=True)) for record in records]


def wanted_by(args: argparse.Namespace) -> Callable[[list[Row]], list[Row]]:
    """Keeps the rows that `--filter` takes. InvalidParams when it can't be read."""
    takes = parse(filter_of(args), MEASURED_VM_FIELDS, _figure)
    return lambda rows: [row for row in rows if takes(row, time())]


def _figure(row: Row, key: str) -> Any:
    return row["rss_bytes"] / _MIB if key == "resident_mb" else row.get(key)


def in_order(rows: list[Row], sort: str, *, turned: bool = False) -> list[Row]:
    """By what `--sort` names, and by name where that is alike."""
    key = SORTS[sort][1]
    return sorted(rows, key=lambda row: (key(row), row["name"]), reverse=turned)


class Screen:
    """What is shown, and what keys make of it. Pure."""

    def __init__(self, sort: str, every_ms: int, wanted: Callable[[list[Row]], list[Row]] = list) -> None:
        self.sort, self.turned = sort, False
        self._wanted = wanted
        self._every_ms = every_ms
        self.records: list[Row] = []
        self.readings: Readings | None = None
        self.note = ""

    def press(self, keys: bytes) -> bool:
        """Take what was typed; whether it means to leave. KeyboardInterrupt for Ctrl-C."""
        if _INTERRUPT in keys:
            raise KeyboardInterrupt
        if keys in _LEAVE:
            return True
        for letter in keys.decode("ascii", "ignore").upper():
            self.sort = next((sort for sort, (key, _) in SORTS.items() if key == letter), self.sort)
            self.turned ^= letter == "I"
        return False

    def lines(self, width: int, height: int, *, colour: bool) -> list[str]:
        """The whole screen, exactly `height` lines of at most `width` columns."""
        rows = in_order(self._wanted(rows_of(self.records, self.readings or {})), self.sort, turned=self.turned)
        table = render([column for column in TOP if not column.wide], rows, width=width, header=True, colour=colour)
        room = max(height - 3, 1)
        if len(table) > room:
            table = [*table[: room - 1], f"... and {len(table) - room + 1} more"]
        keys = "  ".join(f"{key} {sort}" for sort, (key, _) in SORTS.items())
        below = self.note or f"sort by {keys}   I turn round   q leave"
        lines = [cut(self._summary(rows), width), "", *table, *[""] * (room - len(table)), cut(below, width)]
        return lines[:height]

    def _summary(self, rows: list[Row]) -> str:
        states = Counter(str(row["status"]) for row in rows)
        said = [
            f"{len(rows)} VM{'' if len(rows) == 1 else 's'}"
            + (f": {', '.join(f'{n} {state}' for state, n in states.most_common())}" if rows else "")
        ]
        if self.readings is None:
            said.append("measuring")
        else:
            percent, memory = sum(row["cpu_percent"] or 0.0 for row in rows), sum(row["rss_bytes"] for row in rows)
            said.append(f"CPU {percent:.1f}%  RSS {human.size(memory)}")
        return "   ".join([*said, f"by {self.sort}{', turned' if self.turned else ''}", f"every {human.duration(self._every_ms / 1000)}"])


def _live(args: argparse.Namespace) -> int:
    screen, measured, progress = Screen(args.sort, args.every, wanted_by(args)), Measured(), VmsProgress({})
    vms = Feed(args, progress, lambda _: list(progress.records.values()))
    stats = Feed(args, StatsProgress({"every_ms": args.every}), measured.after)
    watched: list[Any] = [0, vms, stats]
    watcher = ModeWatcher()
    watcher.see(f"{_ALTERNATE}{_HIDE_CURSOR}".encode())
    try:
        with raw_terminal(0, watcher):
            _write(f"{_ALTERNATE}{_HIDE_CURSOR}")
            while not (vms.over or stats.over):
                screen.records, screen.readings = vms.latest() or [], stats.latest()
                screen.note = vms.note or stats.note
                rows, width = terminal.size(1)
                lines = screen.lines(width, rows, colour=terminal.wants_colour(1))
                # Without wrapping, so that a line of ours is a line of the terminal's however narrow that is.
                _write(f"\x1b[H{_NO_WRAP}" + "\r\n".join(f"{line}\x1b[K" for line in lines) + f"\x1b[J{_WRAP}")
                ready, _, _ = select.select(watched, [], [], AGES_EVERY_S)
                if 0 in ready and (not (keys := os.read(0, 1_024)) or screen.press(keys)):
                    return ExitCode.OK
            vms.latest(), stats.latest()  # raise what ended them
    except Ended as ended:
        return 128 + ended.number
    return ExitCode.OK


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
