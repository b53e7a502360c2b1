"""Home: the list of VMs, live."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.specs.filter import VM_FIELDS
from volant.tui import columns
from volant.tui.lines import Line, clipped, filled, restyled, wrapped
from volant.tui.model import Delta, Phase, Record
from volant.tui.overlays import Choice, Menu
from volant.tui.rows import Rows
from volant.tui.screens.base import Screen
from volant.tui.screens.vm_facts import pane

if TYPE_CHECKING:
    from volant.tui.desk import Desk

PANE_FROM = 110
"""Columns from which there is room for a side pane."""
TABLE_BESIDE_PANE = 82
"""Columns that the table keeps beside it: what 80 columns show."""
_BAD = ("failed", "crashed")


class VmsScreen(Screen):
    """The table. Marks are ids, so that they stay with their VMs whatever is sorted or filtered."""

    contexts = ("vms", "list")
    hints = ("open", "vm.attach", "vm.logs", "actions", "filter", "command", "help", "mark", "sort", "copy")
    fields = VM_FIELDS
    title = "vms"

    def __init__(self) -> None:
        self.sorted_by, self.reverse = "name", False
        self.rows = Rows(self._key(), name="name")
        self.marks: set[str] = set()
        self._last_mark = ""
        self._wide, self._pane = False, True
        self._page = 10
        self._first = 0

    def _key(self) -> Callable[[Record], object]:
        return next(column.key for column in columns.VM if column.id == self.sorted_by)

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        self.rows.update(desk.snapshot.vms, delta)
        self.marks -= delta.gone

    def take_filter(self, text: str, takes: Callable[[Record, float], bool]) -> None:
        self.filter = text
        self.rows.filter(lambda record: takes(record, self._wall()))

    _wall: Callable[[], float] = staticmethod(lambda: 0.0)

    def shown(self, desk: Desk) -> None:
        self._wall = desk.wall

    def record(self, desk: Desk) -> Record | None:
        return self.rows.record

    def victims(self) -> list[Record]:
        """What an action is about: the marked ones, else the one under the cursor."""
        return self.rows.records(self.marks or ([self.rows.selected] if self.rows.selected else []))

    # ------------------------------------------------------------------------------------------------------------ looks

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        if not desk.snapshot.vms:
            return self._nothing(desk, width)
        side = self._pane and width >= PANE_FROM and bool(self.rows.order)
        table_width = max(TABLE_BESIDE_PANE, width * 3 // 5) if side else width
        lines = self._table(desk, table_width, height)
        if not side:
            return lines
        beside = pane(desk, self.rows.record, width - table_width - 2, height)
        rule = (desk.glyphs["sep"] + " ", "rule")
        return [
            (*filled(lines[at] if at < len(lines) else (), table_width), rule, *(beside[at] if at < len(beside) else ()))
            for at in range(height)
        ]

    def _table(self, desk: Desk, width: int, height: int) -> list[Line]:
        glyphs, now = desk.glyphs, desk.wall()
        laid = columns.layout(columns.VM, width - 2, all=self._wide or width > 120)
        arrow = glyphs["down" if self.reverse else "up"]
        lines: list[Line] = [((f"  {columns.header(laid, self.sorted_by, arrow)}", "header"),)]
        room = self._page = max(1, height - 1)
        at = self.rows.position
        self._first = max(0, min(max(min(self._first, at), at - room + 1), len(self.rows) - room))
        if not self.rows.order:
            return [*lines, ((f"  no VM matches {self.filter}", "dim"),)]
        dimmed = not desk.snapshot.is_live
        for vm_id in self.rows.order[self._first : self._first + room]:
            record, chosen, marked = desk.snapshot.vms[vm_id], vm_id == self.rows.selected, vm_id in self.marks
            lead = (glyphs["cursor"] if chosen else " ") + (glyphs["mark"] if marked else " ")
            line: Line = ((lead, "mark" if marked else ""), *columns.row(laid, record, glyphs, now))
            if chosen:
                line = restyled(filled(line, width), "selected.old" if dimmed else "selected")
            elif dimmed:
                line = restyled(line, "dim")
            lines.append(line)
        return lines

    def _nothing(self, desk: Desk, width: int) -> list[Line]:
        link, snapshot = desk.snapshot.link, desk.snapshot
        if snapshot.listed:
            lines = [
                (("  No VMs yet.", "name"),),
                (),
                (("  n", "key"), ("         make one here: ", ""), ("run PLUGIN NAME", "name")),
                (
                    ("  :", "key"),
                    ("         any command, for example ", ""),
                    ("plugin list", "name"),
                    (" shows what they can be made of", ""),
                ),
                (("  ?", "key"), ("         the keys", "")),
                (),
                (("  or in a shell:  ", ""), ("volant plugin install ./plugin.json", "name")),
                (("                  ", ""), ("volant run hello web-1", "name")),
            ]
            return [clipped(line, width) for line in lines]
        if link.phase is not Phase.LOST:
            return [((f"  {'asking for the list' if link.phase is Phase.LISTING else 'connecting to'} {harmless(desk.place)} ...", "dim"),)]
        told = [((f"  {desk.glyphs['lost']} no daemon answers at {harmless(desk.place)}", "bad"),), ()]
        told += [((f"  {piece}", ""),) for piece in wrapped(harmless(link.reason), width - 4)]
        told += [((f"  {piece}", "name"),) for piece in wrapped(harmless(link.hint), width - 4)]
        told += [(), (("  It is tried again by itself; ", "dim"), ("Ctrl-R", "key"), (" tries now.", "dim"))]
        return told

    def subtitle(self, desk: Desk) -> str:
        return f"{desk.glyphs['down' if self.reverse else 'up']}{self.sorted_by.removesuffix('_at')}"

    def status(self, desk: Desk) -> list[str]:
        rows = self.rows
        words = [f"filter {self.filter}" if self.filter else "", f"{len(rows)}/{rows.total}"]
        if self.marks:
            hidden = len(self.marks - set(rows.order))
            words.append(f"{len(self.marks)} marked" + (f" ({hidden} hidden)" if hidden else ""))
        if rows.order:
            words.append(f"row {rows.position + 1}")
        return [word for word in words if word]

    def next_change_s(self, desk: Desk) -> float | None:
        """When the age of a row that is seen gets another figure."""
        now = desk.wall()
        waits = []
        for vm_id in self.rows.order[self._first : self._first + self._page]:
            born = human.epoch(str(desk.snapshot.vms[vm_id].get("created_at") or ""))
            if born is not None:
                age = max(0.0, now - born)
                waits.append(1.0 if age < 120 else 60 - age % 60 if age < 7_200 else 3_600 - age % 3_600)
        return max(0.2, min(waits)) if waits else None

    # ------------------------------------------------------------------------------------------------------------- keys

    def act(self, desk: Desk, action: str) -> bool:
        if self._move(action) or self._mark(action) or self._arrange(desk, action):
            return True
        if action.startswith("sort."):
            self.sort(action.removeprefix("sort."))
            return True
        return desk.vm_action(action, self.victims(), self.rows.record)

    def _move(self, action: str) -> bool:
        rows, page = self.rows, max(1, self._page - 1)
        steps = {"down": 1, "up": -1, "page.down": page, "page.up": -page}
        if action in steps:
            rows.move(steps[action])
        elif action in ("first", "last"):
            rows.go(0 if action == "first" else len(rows) - 1)
        else:
            return False
        return True

    def _mark(self, action: str) -> bool:
        rows = self.rows
        if action == "mark" and rows.selected:
            self.marks ^= {rows.selected}
            self._last_mark = rows.selected
            rows.move(1)
        elif action == "mark.range" and rows.selected:
            begun = rows.order.index(self._last_mark) if self._last_mark in rows.order else rows.position
            first, last = sorted((begun, rows.position))
            self.marks |= set(rows.order[first : last + 1])
            self._last_mark = rows.selected
        elif action == "mark.all":
            shown = set(rows.order)
            self.marks = self.marks - shown if shown <= self.marks else self.marks | shown
        else:
            return action in ("mark", "mark.range")
        return True

    def _arrange(self, desk: Desk, action: str) -> bool:
        if action == "wide":
            self._wide = not self._wide
        elif action == "pane":
            self._pane = not self._pane
        elif action == "sort.invert":
            self.sort(self.sorted_by)
        elif action == "sort":
            choices = [Choice(column.letter, column.title, partial(self.sort, column.id)) for column in columns.VM if column.letter]
            desk.overlay = Menu("Sort by", choices)
        elif action == "problem":
            bad = [vm for vm in desk.snapshot.vms.values() if vm["status"] in _BAD]
            newest = max(bad, key=lambda vm: str(vm.get("stopped_at") or vm.get("started_at") or ""), default=None)
            if newest is None:
                desk.say("nothing has failed")
            elif not self.rows.select(str(newest["id"])):
                desk.say(f"{harmless(str(newest['name']))} is hidden by the filter")
        else:
            return False
        return True

    def sort(self, column: str) -> None:
        """Sort by this column; by the one it is sorted by already: the other way round."""
        self.reverse = not self.reverse if column == self.sorted_by else False
        self.sorted_by = column
        self.rows.sort(self._key(), reverse=self.reverse)

    def leave_step(self, desk: Desk) -> bool:
        had = bool(self.marks)
        self.marks.clear()
        return had
