"""A screen with a table: moving, marking, sorting, filtering, a pane beside it where there is room. Lists of all kinds subclass it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from volant.client.cli import human
from volant.tui import columns
from volant.tui.columns import Column
from volant.tui.lines import BLANK, Line, filled, folded, restyled
from volant.tui.model import Delta, Record
from volant.tui.overlays import Choice, Menu
from volant.tui.rows import Rows
from volant.tui.screens.base import Screen

if TYPE_CHECKING:
    from volant.tui.desk import Desk

PANE_FROM = 110
"""Columns from which there is room for a side pane."""
PATTERN_SIGNS = frozenset("[]^$\\+?")
"""In a filter that finds nothing, a reason to tell how patterns are typed: elsewhere every filter is one."""
TABLE_BESIDE_PANE = 82
"""Columns that the table keeps beside it: what 80 columns show."""


_WITHOUT_ROWS = ("new", "plugin.install", "back", "command", "help")
"""What is offered where there is no row to do anything with."""
PANE_GAP = 3
"""Columns of the rule between them."""


def beside_pane(width: int) -> int:
    """Columns of what has a side pane, on a terminal of so many."""
    return max(TABLE_BESIDE_PANE, width * 3 // 5)


def side_by_side(desk: Desk, left: Sequence[Line], right: Sequence[Line], left_width: int, height: int) -> list[Line]:
    """Two columns of lines with a rule between them."""
    rule = (f" {desk.glyphs['sep']} ", "rule")
    return [
        (*filled(left[at] if at < len(left) else BLANK, left_width), rule, *(right[at] if at < len(right) else BLANK))
        for at in range(height)
    ]


class ListScreen(Screen):
    """The table. Marks are ids, so that they stay with their records whatever is sorted or filtered."""

    columns: tuple[Column, ...]
    noun = "row"
    """What a record is called."""
    born = "created_at"
    """The key of a record whose age a column shows; empty: none does."""
    keyed_by_id = False
    """What each column is sorted by is the field of the record that its id names, and no other; for lists that change often."""

    def __init__(self) -> None:
        self.sorted_by, self.reverse = self.columns[0].id, False
        self.rows = Rows(self._sorting.key, name="name", field=self._sorting_field)
        self.marks: set[str] = set()
        self._last_mark = ""
        self._wide, self._pane = False, True
        self._page = 10
        self._first = 0

    # --------------------------------------------------------------------------------------------------- what a list is of

    def records(self, desk: Desk) -> Mapping[str, Record]:
        """All records by id. A record that is told anew is another object."""
        raise NotImplementedError

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        """What is shown where there is no record at all: what this would be, and how to get one."""
        raise NotImplementedError

    def beside(self, desk: Desk, record: Record | None, width: int, height: int) -> list[Line]:
        """The side pane of the record under the cursor; empty: there is none."""
        return []

    def below(self, desk: Desk, width: int, height: int) -> list[Line]:
        """What stands below the table, at the bottom of `height` lines."""
        return []

    # ------------------------------------------------------------------------------------------------------------- records

    def identity(self, record: Record) -> str:
        """Its id among `records`."""
        return str(record["id"])

    def out_of_sight(self, records: Sequence[Record]) -> int:
        return len({self.identity(record) for record in records} - set(self.rows.order))

    def update(self, records: Mapping[str, Record], delta: Delta) -> None:
        """The records are these now; `delta` is what of them is different."""
        self.rows.update(records, delta)
        self.marks -= delta.gone

    def take_filter(self, text: str, takes: Callable[[Record, float], bool]) -> None:
        self.filter = text
        self.rows.filter((lambda record: takes(record, self._wall())) if text else None)

    _wall: Callable[[], float] = staticmethod(lambda: 0.0)

    def shown(self, desk: Desk) -> None:
        self._wall = desk.wall

    def victims(self) -> list[Record]:
        """What an action is about: the marked ones, else the one under the cursor."""
        return self.rows.records(self.marks or ([self.rows.selected] if self.rows.selected else []))

    # ------------------------------------------------------------------------------------------------------------ looks

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        if not self.records(desk):
            return [piece for line in self.nothing(desk, width) for piece in folded(line, width)]
        table_width = beside_pane(width)
        pane = self.beside(desk, self.rows.record, width - table_width - PANE_GAP, height) if self.has_pane(width) else []
        if not pane:
            return self._main(desk, width, height)
        return side_by_side(desk, self._main(desk, table_width, height), pane, table_width, height)

    def has_pane(self, width: int) -> bool:
        """Whether there is a side pane on a terminal of so many columns."""
        return self._pane and width >= PANE_FROM and bool(self.rows.order)

    def _main(self, desk: Desk, width: int, height: int) -> list[Line]:
        """The table, and at the bottom what stands below it."""
        foot = self.below(desk, width, height)
        lines = self.table(desk, width, height - len(foot))
        return [*lines, *([BLANK] * (height - len(lines) - len(foot))), *foot]

    def table(self, desk: Desk, width: int, height: int) -> list[Line]:
        """The titles, and the rows around the cursor."""
        glyphs, now = desk.glyphs, desk.wall()
        laid = columns.layout(self.columns, width - 2, all=self._wide or width > 120)
        arrow = glyphs["down" if self.reverse else "up"]
        lines: list[Line] = [((f"  {columns.header(laid, self.sorted_by, arrow)}", "header"),)]
        room = self._page = max(1, height - 1)
        at = self.rows.position
        self._first = max(0, min(max(min(self._first, at), at - room + 1), len(self.rows) - room))
        if not self.rows.order:
            told = [f"  no {self.noun} matches {self.filter}; {desk.key_of('back')} clears the filter"]
            if PATTERN_SIGNS.intersection(self.filter) and "~" not in self.filter:
                told.append("  a regular expression begins with ~")
            return [*lines, *(piece for words in told for piece in folded(((words, "dim"),), width))]
        dimmed, records = not desk.snapshot.is_live, self.records(desk)
        for row_id in self.rows.order[self._first : self._first + room]:
            record, chosen, marked = records[row_id], row_id == self.rows.selected, row_id in self.marks
            lead = (glyphs["cursor"] if chosen else " ") + (glyphs["mark"] if marked else " ")
            line: Line = ((lead, "mark" if marked else ""), *columns.row(laid, record, glyphs, now))
            if chosen:
                line = restyled(filled(line, width), "selected.old" if dimmed else "selected")
            elif dimmed:
                line = restyled(line, "dim")
            lines.append(line)
        return lines

    def subtitle(self, desk: Desk) -> str:
        return f"{desk.glyphs['down' if self.reverse else 'up']}{self._sorting.title.lower()}"

    def offers(self, desk: Desk, action: str) -> bool:
        about_a_row = action not in (*_WITHOUT_ROWS, *(("filter",) if self.rows.total else ()))
        return super().offers(desk, action) and (bool(self.rows.order) or not about_a_row)

    def status(self, desk: Desk) -> list[str]:
        rows = self.rows
        words = [f"filter {self.filter}" if self.filter else "", f"{len(rows)}/{rows.total}"]
        if self.marks:
            hidden = len(self.marks - set(rows.order))
            words.append(f"{len(self.marks)} marked" + (f" ({hidden} hidden)" if hidden else ""))
        if rows.order:
            words.append(f"row {rows.position + 1}")
        return words

    def next_change_s(self, desk: Desk) -> float | None:
        """When the age of a row that is seen gets another figure."""
        if not self.born:
            return None
        now, records = desk.wall(), self.records(desk)
        waits = []
        for row_id in self.rows.order[self._first : self._first + self._page]:
            born = human.epoch(str(records[row_id].get(self.born) or ""))
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
        return False

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
            offered = [column for column in self.columns if column.letter]
            choices = [Choice(column.letter, column.title, partial(self.sort, column.id)) for column in offered]
            desk.overlay = Menu("Sort by", choices, offered.index(self._sorting) if self._sorting in offered else 0)
        else:
            return False
        return True

    def sort(self, column: str) -> None:
        """Sort by this column; by the one it is sorted by already: the other way round."""
        self.sort_as(column, reverse=not self.reverse if column == self.sorted_by else False)

    def sort_as(self, column: str, *, reverse: bool) -> None:
        self.sorted_by, self.reverse = column, reverse
        self.rows.sort(self._sorting.key, reverse=reverse, field=self._sorting_field)

    @property
    def _sorting(self) -> Column:
        return next(column for column in self.columns if column.id == self.sorted_by)

    @property
    def _sorting_field(self) -> str:
        return self.sorted_by if self.keyed_by_id else ""

    def leave_step(self, desk: Desk) -> bool:
        had = bool(self.marks)
        self.marks.clear()
        return had
