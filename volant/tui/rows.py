"""Which records are shown and in which order: filter, sort and selection, kept up to date change by change. Pure.

The order is made anew when somebody asks for it: a list that arrives in many parts is sorted as often as it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from volant.tui.model import Delta, Record

Key = Callable[[Record], Any]
"""What a column is sorted by."""


class Rows:
    """The shown rows of one list. `order` has their ids; the selected row stays selected wherever it moves."""

    def __init__(self, key: Key, *, name: str = "name", field: str = "") -> None:
        """`field`: the one that `key` reads, where it reads one alone; rows are not looked at anew for changes of others."""
        self._records: Mapping[str, Record] = {}
        self._key, self._name, self._field = key, name, field
        self._reverse = False
        self._takes: Callable[[Record], bool] | None = None
        """The filter; None: there is none."""
        self._keys: dict[str, tuple[Any, str]] = {}
        """Of the rows that are shown."""
        self._order: list[str] = []
        self._selected = ""
        self._at = 0
        """Where that row was: who takes its place is selected when it goes."""
        self._moved = False
        """The order, and with it all of the above, is not that of the keys."""

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def order(self) -> list[str]:
        """Their ids."""
        self._arrange()
        return self._order

    @property
    def selected(self) -> str:
        """Id of the row under the cursor; empty when there is none."""
        self._arrange()
        return self._selected

    @property
    def total(self) -> int:
        """How many there would be without a filter."""
        return len(self._records)

    @property
    def position(self) -> int:
        """Index of the selected row; 0 when there is none."""
        self._arrange()
        return self._at

    @property
    def record(self) -> Record | None:
        """The selected row's record."""
        return self._records.get(self.selected)

    def records(self, ids: Iterable[str]) -> list[Record]:
        """The records of those ids that still exist, in the order shown; hidden ones last."""
        wanted = set(ids)
        shown = [vm_id for vm_id in self.order if vm_id in wanted]
        return [self._records[vm_id] for vm_id in (*shown, *sorted(wanted - set(shown))) if vm_id in self._records]

    def sort(self, key: Key, *, reverse: bool = False, field: str = "") -> None:
        self._key, self._reverse, self._field = key, reverse, field
        self._all_anew()

    def filter(self, takes: Callable[[Record], bool] | None) -> None:
        """Show only those that this takes; None: all."""
        self._takes = takes
        self._all_anew()
        # It may hide the selected row. Which one is selected then must not depend on whether anybody looked before the next key.
        self._arrange()

    def update(self, records: Mapping[str, Record], delta: Delta) -> None:
        """`records` is what there is now, `delta` what of it is different from the last time."""
        first = not self._records
        self._records = records
        if first or delta.whole:
            self._all_anew()
            return
        if self._takes is None and self._field and not (delta.is_about(self._field) or delta.is_about(self._name)):
            return
        for vm_id in delta.gone:
            self._moved = self._keys.pop(vm_id, None) is not None or self._moved
        for vm_id in delta.changed:
            record = records.get(vm_id)
            key = self._sort_key(record) if record is not None and (self._takes is None or self._takes(record)) else None
            if key != self._keys.get(vm_id):
                self._moved = True
                if key is None:
                    del self._keys[vm_id]
                else:
                    self._keys[vm_id] = key

    def move(self, by: int) -> None:
        """Select another row, so many further down, as far as there are any."""
        self.go(self.position + by)

    def go(self, to: int) -> None:
        """Select the row at this index, or the nearest that there is."""
        self._arrange()
        self._go(to)

    def _go(self, to: int) -> None:
        if self._order:
            self._at = max(0, min(to, len(self._order) - 1))
            self._selected = self._order[self._at]

    def select(self, vm_id: str) -> bool:
        """Select a row by its id; whether it is shown."""
        if vm_id not in self._keys:
            return False
        self.go(self.order.index(vm_id))
        return True

    def _sort_key(self, record: Record) -> tuple[Any, str]:
        return self._key(record), str(record.get(self._name, ""))

    def _all_anew(self) -> None:
        takes = self._takes
        self._keys = {vm_id: self._sort_key(record) for vm_id, record in self._records.items() if takes is None or takes(record)}
        self._moved = True

    def _arrange(self) -> None:
        if not self._moved:
            return
        self._moved = False
        keys = self._keys
        # Names go up whichever way the column goes: two stable sorts.
        self._order = sorted(keys, key=lambda vm_id: keys[vm_id][1])
        self._order.sort(key=lambda vm_id: keys[vm_id][0], reverse=self._reverse)
        if not self._order:
            self._selected, self._at = "", 0
        elif self._selected in keys:
            self._at = self._order.index(self._selected)
        else:
            self._go(self._at)
