"""Lines of many VMs that wait for one reader, within a bound. No I/O.

Whoever writes never waits. When too much waits, the VM that has the most waiting loses the older half of that, so that one that prints
without a pause drowns no other; the reader sees from the lines' numbers how many are gone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import trio

MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Of text and what lines cost besides: some ten thousand lines, a second of the fastest output, for a reader that was put aside."""

LINE_BYTES = 400
"""What a decoded line costs beside its text (measured)."""

LINES_AT_ONCE = 200
"""Of one VM in one piece: its lines of 8 KiB fill less than half of a frame, and others get their turn."""


class Start(NamedTuple):
    """One start of one VM."""

    id: str
    name: str
    boot: int


class Piece(NamedTuple):
    """What a reader is told next of one start: lines in plain form, or the end."""

    start: Start
    lines: tuple[Any, ...]
    ended: str


@dataclass(slots=True)
class _Waiting:
    lines: deque[Any] = field(default_factory=deque)
    size: int = 0
    ended: str = ""


class Merged:
    """Between those who follow one VM each and the one reader."""

    def __init__(self, most: int = MAX_WAITING_BYTES) -> None:
        self._most = most
        self._waiting: dict[Start, _Waiting] = {}
        self._size = 0
        self._news = trio.Event()
        self._taken = trio.Event()
        self._closed = False

    @property
    def is_over(self) -> bool:
        """Nothing waits, and nothing more comes."""
        return self._closed and not self._waiting

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def add(self, start: Start, line: Any) -> None:
        """A plain `LogLine`."""
        waiting = self._of(start)
        size = LINE_BYTES + len(line["text"])
        waiting.lines.append(line)
        waiting.size += size
        self._size += size
        if self._size > self._most:
            self._drop()

    def end(self, start: Start, why: str) -> None:
        """Nothing more comes of this start."""
        self._of(start).ended = why

    def close(self) -> None:
        """Nothing more comes of anybody."""
        self._closed = True
        self._news.set()

    async def wait_room(self) -> None:
        """Until half of the room is free: for those who need not keep up with anybody, and lose nothing."""
        while self._size > self._most // 2:
            await self._taken.wait()

    async def wait_news(self) -> None:
        """Until something waits, or nothing more comes."""
        await self._news.wait()

    def take(self) -> list[Piece]:
        """The next piece of everyone who has something to say; they no longer wait."""
        found: list[Piece] = []
        for start, waiting in list(self._waiting.items()):
            lines = tuple(waiting.lines.popleft() for _ in range(min(LINES_AT_ONCE, len(waiting.lines))))
            size = sum(LINE_BYTES + len(line["text"]) for line in lines)
            waiting.size -= size
            self._size -= size
            if not waiting.lines:
                del self._waiting[start]
            found.append(Piece(start, lines, "" if waiting.lines else waiting.ended))
        if not self._waiting and not self._closed:
            self._news = trio.Event()
        taken, self._taken = self._taken, trio.Event()
        taken.set()
        return found

    def _of(self, start: Start) -> _Waiting:
        self._news.set()
        return self._waiting.setdefault(start, _Waiting())

    def _drop(self) -> None:
        greediest = max(self._waiting.values(), key=lambda waiting: waiting.size)
        for _ in range((len(greediest.lines) + 1) // 2):
            size = LINE_BYTES + len(greediest.lines.popleft()["text"])
            greediest.size -= size
            self._size -= size
