"""A list screen whose records are asked for anew whenever an event says that something happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from volant.tui.model import Delta, Record
from volant.tui.relisting import Relisting
from volant.tui.screens.listing import ListScreen

if TYPE_CHECKING:
    from volant.tui.desk import Desk


class RelistedScreen(ListScreen):
    """Subclasses make `_list`, and hand what it heard to `_replace`."""

    _list: Relisting

    def __init__(self) -> None:
        super().__init__()
        self._all: dict[str, Record] = {}
        self._desk: Desk | None = None
        """While it is looked at."""

    def records(self, desk: Desk) -> Mapping[str, Record]:
        return self._all

    def shown(self, desk: Desk) -> None:
        super().shown(desk)
        self._desk = desk
        self._list.shown(desk)

    def hidden(self, desk: Desk) -> None:
        self._list.hidden(desk)
        self._desk = None

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        if self._desk is not None:
            self._list.refreshed(desk)

    def _replace(self, now: dict[str, Record]) -> None:
        """The records are these now."""
        changed = frozenset(id for id, record in now.items() if self._all.get(id) != record)
        gone = frozenset(self._all.keys() - now.keys())
        self._all = now
        self.update(now, Delta(changed, gone))
