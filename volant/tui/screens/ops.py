"""Operations: what was asked for here, under way and over, and what VMs and deployments are on their way to, whoever asked for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.tui import columns
from volant.tui.glyphs import Glyphs
from volant.tui.lines import Line, Span, wrapped
from volant.tui.model import Delta, Record
from volant.tui.overlays import Reading
from volant.tui.screens.base import Copyable
from volant.tui.screens.listing import ListScreen
from volant.tui.screens.vm import VmScreen
from volant.tui.work import Operation

if TYPE_CHECKING:
    from volant.tui.desk import Desk

MOST_ELSEWHERE = 500
"""VMs on their way that are listed: more than anybody reads."""
_ON_THE_WAY = frozenset({"pending", "starting", "stopping", "destroying"})


def _time(record: Record, glyphs: Glyphs, now: float) -> Span:
    return (human.duration(record["seconds"]) if record["seconds"] is not None else "-", "")


OPERATION: tuple[columns.Column, ...] = (
    columns.Column("STATE", "status", 12, columns.state, lambda record: record["urgency"], keep=98, letter="s"),
    columns.Column("WHAT", "what", 12, columns.text("what"), lambda record: str(record["what"]), keep=97, letter="w"),
    columns.Column("ON", "on", 16, columns.text("on", "name"), lambda record: str(record["on"]), keep=99, letter="o", flexible=True),
    columns.Column("TIME", "seconds", 6, _time, lambda record: record["seconds"] or 0, keep=5, right=True, letter="t"),
    columns.Column("HOW FAR", "words", 28, columns.text("words"), lambda record: str(record["words"]), keep=4, flexible=True),
)


class OperationsScreen(ListScreen):
    """Those of this UI, then VMs on their way. What is over stays for a while, the newest first."""

    contexts = ("list",)
    hints = ("open", "sort", "copy")
    title = "operations"
    columns = OPERATION
    noun = "operation"
    born = ""

    def __init__(self) -> None:
        super().__init__()
        self._all: dict[str, Record] = {}

    def records(self, desk: Desk) -> Mapping[str, Record]:
        return self._all

    def shown(self, desk: Desk) -> None:
        super().shown(desk)
        self._look(desk)

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        self._look(desk)
        return super().body(desk, width, height)

    def _look(self, desk: Desk) -> None:
        """Take what is under way now."""
        now = {str(record["id"]): record for record in _records(desk)}
        changed = frozenset(key for key, record in now.items() if self._all.get(key) != record)
        gone = frozenset(self._all.keys() - now.keys())
        self._all = now
        self.update(now, Delta(changed, gone))

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        return [
            (("  Nothing is under way.", "name"), ("  What you do, and VMs that start or stop, are listed here.", "")),
            (),
            ((f"  {desk.key_of('actions'):<9}", "key"), (" in the list of VMs shows what can be done with them", "")),
        ]

    def copies(self, desk: Desk) -> list[Copyable]:
        record = self.rows.record
        return [Copyable("c", "the same as a command", str(record["command"]), is_command=True)] if record is not None else []

    def next_change_s(self, desk: Desk) -> float | None:
        return 1.0 if desk.operations or any(record["vm_id"] for record in self._all.values()) else None

    def act(self, desk: Desk, action: str) -> bool:
        record = self.rows.record
        if action == "open" and record is not None:
            if record["vm_id"]:
                desk.open(VmScreen(str(record["vm_id"]), "events"))
            else:
                desk.overlay = _reading(record)
            return True
        return super().act(desk, action)


def _records(desk: Desk) -> Iterator[Record]:
    now = desk.clock()
    for operation in desk.operations:
        yield _own(operation, "running", now - operation.started, operation.progress or _left(operation))
    for operation in reversed(desk.past_operations):
        status = "failed" if operation.failures else "done"
        yield _own(operation, status, (operation.ended or now) - operation.started, operation.words(desk.key_of))
    moving = (vm for vm in desk.snapshot.vms.values() if vm["status"] in _ON_THE_WAY)
    for _, vm in zip(range(MOST_ELSEWHERE), moving, strict=False):
        since = human.epoch(str(vm.get("started_at") or "")) if vm["status"] == "starting" else None
        yield {
            "id": vm["id"], "name": vm["name"], "status": vm["status"], "what": "VM", "on": vm["name"], "urgency": (1, 0.0),
            "seconds": max(0.0, desk.wall() - since) if since is not None else None, "words": str(vm.get("reason") or ""),
            "failures": (), "command": f"volant vm explain {vm['name']}", "vm_id": vm["id"],
        }  # fmt: skip


def _own(operation: Operation, status: str, seconds: float, words: str) -> Record:
    names = operation.names
    return {
        "id": f"{id(operation):x}", "name": names[0], "status": status, "what": operation.action.label.partition(":")[0],
        "on": names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more",
        "urgency": (0 if status == "running" else 2, -operation.started), "seconds": seconds, "words": words,
        "failures": tuple(operation.failures), "command": operation.command, "vm_id": "",
    }  # fmt: skip


def _left(operation: Operation) -> str:
    total = len(operation.names)
    return f"{total - operation.left} of {total} done" if total > 1 else ""


def _reading(record: Record) -> Reading:
    """All that is known of an operation."""
    told = [str(record["words"]), "", f"as a command: {record['command']}"]
    told += ["", "what failed:", *record["failures"]] if record["failures"] else []
    pieces = [piece for text in told for piece in wrapped(harmless(text), 96)]
    return Reading(harmless(f"{record['what']} {record['on']}"), [((piece, "panel"),) for piece in pieces])
