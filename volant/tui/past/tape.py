"""News in their order, with the time of each, to look at any moment between them: the same reducer that shows what is now. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from volant.tui.model import Heard, Link, Phase, Snapshot, reduce

if TYPE_CHECKING:
    from volant.tui.past.said import Said

KEPT_EVERY = 500
"""Beats between two snapshots that are kept: to fold so many takes some 20 ms with a thousand VMs, and no more is folded to look at a
moment near one that was looked at before."""


class Beat(NamedTuple):
    """What was heard together at one moment."""

    time: float
    """Seconds since 1970."""
    seq: int
    """Number of its newest event; 0: it brought none."""
    news: tuple[Heard, ...]


class Tape:
    """`begin` is how things were before the first beat. Index -1 is that moment, 0 the one after the first beat. `said` is the output that
    was recorded with it, which changes no snapshot, and may go on until `end`, in seconds since 1970."""

    def __init__(self, begin: Snapshot, beats: Sequence[Beat], said: Said | None = None, *, end: float = 0.0) -> None:
        self.beats, self.said = beats, said
        self._times = [beat.time for beat in beats]
        self.end = max(end, self.time(len(beats)))
        """The last moment of which anything is known."""
        self._kept: dict[int, Snapshot] = {-1: begin}
        self._latest = (-1, begin)
        """What was looked at last: who goes on from there folds only what came since."""

    def __len__(self) -> int:
        return len(self.beats)

    def at(self, index: int) -> Snapshot:
        """How things were after this beat; marked as past, whatever the connection was like."""
        index = max(-1, min(index, len(self.beats) - 1))
        start = index - (index + 1) % KEPT_EVERY
        while start not in self._kept:
            start -= KEPT_EVERY
        snapshot = self._kept[start]
        if start <= self._latest[0] <= index:
            start, snapshot = self._latest
        for number in range(start + 1, index + 1):
            for news in self.beats[number].news:
                snapshot, _ = reduce(snapshot, news)
            if (number + 1) % KEPT_EVERY == 0:
                self._kept[number] = snapshot
        self._latest = (index, snapshot)
        return replace(snapshot, link=Link(Phase.PAST), arriving=None)

    def find(self, time: float) -> int:
        """The index of the last beat that was not after this time; -1 when all were."""
        return bisect_right(self._times, time) - 1

    def find_event(self, seq: int) -> int:
        """The index of the beat that brought this event, or else the last one before it."""
        return max((at for at, beat in enumerate(self.beats) if 0 < beat.seq <= seq), default=-1)

    def time(self, index: int) -> float:
        """When a moment was; that before the first beat was when it came."""
        return self._times[max(0, min(index, len(self._times) - 1))] if self._times else 0.0
