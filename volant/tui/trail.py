"""Where one is and where one was: the screens from home to here, and the history of such paths, as of a browser. Pure."""

from __future__ import annotations

from typing import Generic, TypeVar

S = TypeVar("S")

KEPT_PATHS = 100
"""Paths remembered: more than anybody goes back, and their screens keep what they showed."""


class Trail(Generic[S]):
    """`path` is what is shown, home first."""

    def __init__(self, home: S) -> None:
        self.path: tuple[S, ...] = (home,)
        self._history: list[tuple[S, ...]] = [self.path]
        self._at = self._left = 0

    def go(self, path: tuple[S, ...]) -> None:
        """Another path from now on; what was ahead in the history is forgotten."""
        self._history = [*self._history[: self._at + 1], path][-KEPT_PATHS:]
        self._at = len(self._history) - 1
        self._left = self._at - 1
        self.path = path

    def travel(self, by: int) -> bool:
        """Back or forward in the history; whether there is anything."""
        to = self._at + by
        if to == self._at or not 0 <= to < len(self._history):
            return False
        self._left, self._at, self.path = self._at, to, self._history[to]
        return True

    @property
    def last(self) -> int:
        """How far from here what was shown last is in the history; 0: nothing was."""
        return self._left - self._at
