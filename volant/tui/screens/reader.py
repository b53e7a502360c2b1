"""Lines to read: scrolling, following the end, holding still. Screens with text build on it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_LINES = 50_000
"""Lines kept of one stream: hours of a chatty log, some 10 MB of short lines."""


class Reader(Generic[T]):
    """The newest KEPT_LINES lines, and which of them are seen. It follows the end until somebody goes up, and again from there on."""

    def __init__(self, *, follow: bool) -> None:
        self.all: deque[T] = deque(maxlen=KEPT_LINES)
        self.shown: deque[T] = deque(maxlen=KEPT_LINES)
        """Those that the filter takes."""
        self.following = follow
        self.dropped = 0
        """Lines that are no longer kept."""
        self.waiting: list[T] = []
        """What came while holding still."""
        self.held = False
        self._takes: Callable[[T], bool] | None = None
        self._first = 0
        self._page = 10

    def add(self, lines: Iterable[T]) -> None:
        """Lines came; while holding still they wait, the newest KEPT_LINES of them."""
        if self.held:
            self.waiting.extend(lines)
            if len(self.waiting) > KEPT_LINES:
                self.dropped += len(self.waiting) - KEPT_LINES
                del self.waiting[: len(self.waiting) - KEPT_LINES]
            return
        fresh = list(lines)
        self.dropped += max(0, len(self.all) + len(fresh) - KEPT_LINES)
        self.all.extend(fresh)
        taken = fresh if self._takes is None else [line for line in fresh if self._takes(line)]
        if not self.following:
            self._let_go(max(0, len(self.shown) + len(taken) - KEPT_LINES))
        self.shown.extend(taken)

    def _let_go(self, count: int) -> None:
        """So many of the first lines make room; what is seen stays where it is."""
        self._first = max(0, self._first - count)

    def replace(self, lines: Iterable[T]) -> None:
        """Other lines from now on, seen from where the old ones were."""
        self.all.clear()
        self.shown.clear()
        self.add(lines)

    def hold(self, held: bool) -> None:
        """Hold still, or go on with what came meanwhile."""
        self.held = held
        if not held:
            waited, self.waiting = self.waiting, []
            self.add(waited)

    def filter(self, takes: Callable[[T], bool] | None) -> None:
        """Show only what is taken, of what is kept and of what comes; None: all."""
        self._takes = takes
        self.shown = deque((line for line in self.all if takes is None or takes(line)), maxlen=KEPT_LINES)

    def view(self, room: int) -> list[T]:
        """The lines that are seen in so much room."""
        self._page = max(1, room)
        last = max(0, len(self.shown) - self._page)
        self._first = last if self.following else max(0, min(self._first, last))
        return list(islice(self.shown, self._first, self._first + self._page))

    @property
    def page(self) -> int:
        """How many lines were seen at once the last time."""
        return self._page

    @property
    def place(self) -> str:
        """Which lines are seen, counted from 1, as `1-20 of 76`; empty where there is none."""
        return f"{self._first + 1:,}-{min(self._first + self._page, len(self.shown)):,} of {len(self.shown):,}" if self.shown else ""

    def act(self, action: str) -> bool:
        """Do what an action of context `text` means; whether it is one."""
        page = max(1, self._page - 1)
        steps = {"down": 1, "up": -1, "page.down": page, "page.up": -page}
        last = max(0, len(self.shown) - self._page)
        if action in steps:
            self._first = max(0, min(self._first + steps[action], last))
            self.following = action in ("down", "page.down") and self._first == last and self.following
        elif action == "first":
            self._first, self.following = 0, False
        elif action == "last":
            self._first, self.following = last, True
            self.hold(False)
        else:
            return False
        return True
