"""The line that is chosen among a few, and which of them are seen. Pure; tables with marks and sorting have `rows.Rows`."""

from __future__ import annotations


class Cursor:
    """`at` is the index of the chosen line."""

    def __init__(self) -> None:
        self.at = 0
        self._first = 0
        self._page = 10

    def view(self, count: int, room: int) -> range:
        """The indices of the lines that are seen in so much room, the chosen one among them."""
        self._page = max(1, room)
        self.at = max(0, min(self.at, count - 1))
        self._first = max(0, min(max(min(self._first, self.at), self.at - self._page + 1), count - self._page))
        return range(self._first, min(count, self._first + self._page))

    def act(self, action: str, count: int) -> bool:
        """Do what an action of context `list` means to it; whether it is one that moves."""
        page = max(1, self._page - 1)
        steps = {"down": 1, "up": -1, "page.down": page, "page.up": -page, "first": -count, "last": count}
        if action not in steps:
            return False
        self.at = max(0, min(self.at + steps[action], count - 1))
        return True
