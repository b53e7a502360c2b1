"""Lines to read, of which one may be chosen. Pure."""

from __future__ import annotations

from collections.abc import Callable

from volant.tui.screens.reader import Reader, T


class Picker(Reader[T]):
    """While the end is followed none is chosen; whoever goes up chooses the line above the newest, and goes on from there."""

    def __init__(self) -> None:
        super().__init__(follow=True)
        self._at = 0

    @property
    def chosen(self) -> int | None:
        """Index of the chosen line among those of the last `view`; None while the end is followed, or where there is none."""
        return None if self.following or not self.shown else self._at - self._first

    @property
    def line(self) -> T | None:
        """The chosen line, else the newest."""
        return self.shown[-1 if self.following else self._at] if self.shown else None

    def filter(self, takes: Callable[[T], bool] | None) -> None:
        line = self.line
        super().filter(takes)
        if not self.following:
            # The same line, where it is still there; else as near to it as its number is.
            self._at = next((at for at, each in enumerate(self.shown) if each is line), min(self._at, max(0, len(self.shown) - 1)))

    def view(self, room: int) -> list[T]:
        if not self.following:
            self._at = max(0, min(self._at, len(self.shown) - 1))
            self._first = max(self._at - room + 1, min(self._first, self._at))
        return super().view(room)

    def act(self, action: str) -> bool:
        page = max(1, self._page - 1)
        steps = {"down": 1, "up": -1, "page.down": page, "page.up": -page}
        newest = len(self.shown) - 1
        if action in steps:
            if self.following and steps[action] > 0:
                return True
            at = newest if self.following else self._at
            self._at, self.following = max(0, min(at + steps[action], newest)), False
            return True
        if action == "first":
            self._at = 0
        return super().act(action)

    def _let_go(self, count: int) -> None:
        super()._let_go(count)
        self._at = max(0, self._at - count)
