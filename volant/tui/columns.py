"""The columns of the UI's tables, and how many of them fit: a pure function from a width to a layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.tui.glyphs import Glyphs
from volant.tui.lines import Span, cell
from volant.tui.model import Record

GAP = 1


class Column(NamedTuple):
    """One column. `show` gives the text and style of a cell; it goes when room is short, the lowest `keep` first."""

    title: str
    id: str
    width: int
    show: Callable[[Record, Glyphs, float], Span]
    """Of a record, with the terminal's signs, at this time in seconds since 1970."""
    key: Callable[[Record], Any]
    """What it is sorted by."""
    keep: int
    right: bool = False
    letter: str = ""
    """Sorts by it in the menu of columns."""
    flexible: bool = False
    """Takes the room that is left."""
    wide: bool = False
    """Shown only when all are asked for, or where there is plenty of room."""


class Laid(NamedTuple):
    """A column with the width it gets."""

    column: Column
    width: int


def layout(columns: Sequence[Column], width: int, *, all: bool = False) -> list[Laid]:
    """The columns that fit into `width`, in their order. `all` also takes the wide ones, as far as there is room."""
    shown = [column for column in columns if all or not column.wide]
    while len(shown) > 1 and _taken(shown) > width:
        shown.remove(min(shown, key=lambda column: column.keep))
    spare = max(0, width - _taken(shown))
    laid = []
    for column in shown:
        extra = min(spare, 24) if column.flexible else 0
        spare -= extra
        laid.append(Laid(column, min(column.width, width) + extra))
    return laid


def _taken(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def header(laid: Sequence[Laid], sorted_by: str, arrow: str) -> str:
    """The titles; the sorted column's has an arrow."""
    titles = ((f"{arrow}{each.column.title}" if each.column.id == sorted_by else each.column.title) for each in laid)
    return (" " * GAP).join(cell(title, each.width, right=each.column.right) for title, each in zip(titles, laid, strict=True))


def row(laid: Sequence[Laid], record: Record, glyphs: Glyphs, now: float) -> list[Span]:
    """A record's cells."""
    spans: list[Span] = []
    for each in laid:
        text, style = each.column.show(record, glyphs, now)
        spans.append((cell(harmless(text), each.width, right=each.column.right), style))
        spans.append((" " * GAP, ""))
    return spans[:-1]


def text(key: str, style: str = "") -> Callable[[Record, Glyphs, float], Span]:
    """Shows a key's text, or a dash."""
    return lambda record, glyphs, now: (str(record.get(key) or "-"), style if record.get(key) else "dim")


def number(key: str) -> Callable[[Record, Glyphs, float], Span]:
    """Shows a key's number; a 0 steps back."""
    return lambda record, glyphs, now: (str(record.get(key) or 0), "" if record.get(key) else "dim")


def state(record: Record, glyphs: Glyphs, now: float) -> Span:
    """Shows `status`, with its sign."""
    status = str(record["status"])
    sign = glyphs.state(status)
    return f"{sign.sign} {status}", sign.style


def age(key: str) -> Callable[[Record, Glyphs, float], Span]:
    """Shows how long ago an instant was."""
    return lambda record, glyphs, now: (human.age(str(record.get(key) or ""), now=now), "")


def address_key(address: str) -> tuple[int, ...]:
    """Addresses in the order of their numbers."""
    return tuple(int(part) for part in address.split(".") if part.isdecimal())


_URGENCY = {status: at for at, status in enumerate(
    ("failed", "crashed", "destroying", "stopping", "starting", "pending", "paused", "running", "ready", "stopped"))}  # fmt: skip
"""States in the order in which somebody wants to look at them."""

VM: tuple[Column, ...] = (
    Column("NAME", "name", 16, text("name", "name"), lambda vm: "", keep=99, letter="n", flexible=True),
    Column("STATE", "status", 12, state, lambda vm: _URGENCY.get(vm["status"], 99), keep=98, letter="s"),
    Column("PLUGIN", "plugin", 12, text("plugin"), lambda vm: str(vm.get("plugin")), keep=1, letter="p"),
    Column("CPU", "cpu_cores", 3, number("cpu_cores"), lambda vm: vm.get("cpu_cores") or 0, keep=8, right=True, letter="c"),
    Column("MEM", "memory_mb", 5, lambda vm, glyphs, now: (human.mebibytes(int(vm.get("memory_mb") or 0)), ""),
           lambda vm: vm.get("memory_mb") or 0, keep=9, right=True, letter="m"),
    Column("IP", "ip", 15, text("ip"), lambda vm: address_key(str(vm.get("ip") or "")), keep=5, letter="i"),
    Column("DEPLOY", "deployment", 10, text("deployment"), lambda vm: str(vm.get("deployment") or ""), keep=4, letter="d"),
    Column("RST", "restarts", 3, number("restarts"), lambda vm: vm.get("restarts") or 0, keep=3, right=True, letter="r"),
    Column("AGE", "created_at", 5, age("created_at"), lambda vm: Descending(str(vm.get("created_at") or "")), keep=2, right=True,
           letter="a"),
    Column("HEALTH", "health", 9, text("health"), lambda vm: str(vm.get("health")), keep=0, letter="h", wide=True),
    Column("ACCEL", "accel", 5, text("accel"), lambda vm: str(vm.get("accel")), keep=0, wide=True),
    Column("PID", "pid", 7, number("pid"), lambda vm: vm.get("pid") or 0, keep=0, right=True, wide=True),
    Column("ID", "id", 12, text("id", "dim"), lambda vm: vm["id"], keep=0, wide=True),
)  # fmt: skip


def _percent(record: Record, glyphs: Glyphs, now: float) -> Span:
    used = record.get("cpu_percent")
    return ("-", "dim") if used is None else (f"{used:.1f}", "warm" if used >= 100 * int(record.get("cpu_cores") or 1) * 0.9 else "")


def _resident(record: Record, glyphs: Glyphs, now: float) -> Span:
    size = record.get("resident_mb")
    return ("-", "dim") if size is None else (human.mebibytes(round(size)), "")


USAGE: tuple[Column, ...] = (
    Column("CPU%", "cpu_percent", 5, _percent, lambda vm: -(vm.get("cpu_percent") or 0.0), keep=11, right=True, letter="%"),
    Column("RSS", "resident_mb", 5, _resident, lambda vm: -(vm.get("resident_mb") or 0.0), keep=10, right=True, letter="e"),
)
"""What VMs cost the host, for as long as that is measured; the greatest first."""
VM_WITH_USAGE = (*VM[:2], *USAGE, *VM[2:])


class Descending(str):
    """Text in the opposite order: the youngest, with the greatest time of creation, has the least age."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)
