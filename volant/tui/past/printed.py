"""What a console had printed by a moment, where it is known when: to a second or so. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

SHOWN_BYTES = 256 * 1024
"""What is read of the end: several thousand lines, made in some milliseconds."""


class Printed:
    """Bytes of a console, and marks: offsets into them with the times, in seconds since 1970, by which all before them had been printed."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._offsets: list[int] = []
        self._times: list[float] = []

    def __len__(self) -> int:
        return len(self._data)

    @property
    def is_timed(self) -> bool:
        """It is known when at least a part of it was printed."""
        return bool(self._offsets)

    def add(self, data: bytes) -> None:
        """It goes on with these."""
        self._data += data

    def mark(self, marks: Iterable[tuple[int, float]]) -> None:
        """Further marks, behind those that are known; offsets and times only grow."""
        for offset, time in marks:
            self._offsets.append(offset)
            self._times.append(max(time, self._times[-1]) if self._times else time)

    def end_at(self, moment: float) -> int:
        """How much had been printed by then. Before the first mark what that is of, from the last one on everything: as exact as it is
        known."""
        at = bisect_right(self._times, moment)
        return len(self._data) if at == len(self._times) else min(len(self._data), self._offsets[max(0, at - 1)])

    def lines(self, end: int) -> list[str]:
        """The lines up to there, of the last SHOWN_BYTES."""
        return bytes(self._data[max(0, end - SHOWN_BYTES) : end]).decode(errors="replace").splitlines()
