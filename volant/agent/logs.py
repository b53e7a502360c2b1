"""The workload's output, kept in memory: a ring of the newest lines."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from volant.agent.loop import Condition
from volant.proto.errors import InvalidParams

MAX_LINES = 10_000
MAX_CHARS = 2 << 20
"""The ring's bounds: a 128 MiB guest has about 40 MiB left for the workload, and a line costs some 200 bytes beside its text."""

MAX_LINE = 8_192
"""Bytes of one line; a longer one goes on in the next."""


class Line(NamedTuple):
    """One line of output. `at` is UTC seconds since 1970."""

    seq: int
    at: float
    stream: str
    text: str

    def to_wire(self) -> dict[str, object]:
        """As `LogLine` travels."""
        return {"seq": self.seq, "time": rfc3339(self.at), "stream": self.stream, "text": self.text}


def rfc3339(at: float) -> str:
    """UTC with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


def instant(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 instant; InvalidParams when it is none."""
    # Imported when needed: it costs 15 ms in an emulated guest.
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise InvalidParams(f"{text[:80]!r} is no RFC 3339 time", hint="for example: 2026-01-31T12:00:00Z") from None


class Logs:
    """Lines by growing number; the oldest go when there are too many."""

    def __init__(self, changed: Condition, wall: Callable[[], float] = time.time) -> None:
        self.changed = changed
        self._wall = wall
        self._lines: deque[Line] = deque()
        self._chars = 0
        self._next = 1
        self._partial: dict[str, bytes] = {}

    @property
    def dropped(self) -> int:
        """How many lines are no longer kept."""
        return self._next - 1 - len(self._lines)

    @property
    def newest(self) -> int:
        """Number of the newest line; 0 before the first."""
        return self._next - 1

    def feed(self, stream: str, data: bytes) -> None:
        """Output as it was read; an unfinished line waits for its rest."""
        *lines, rest = (self._partial.get(stream, b"") + data).split(b"\n")
        for line in lines:
            self._add_all(stream, line)
        while len(rest) >= MAX_LINE:
            self._add(stream, rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        self._partial[stream] = rest
        self.changed.notify()

    def finish(self, stream: str) -> None:
        """The stream ended: what waits for its line end is a line."""
        rest = self._partial.pop(stream, b"")
        if rest:
            self._add(stream, rest)
            self.changed.notify()

    def say(self, text: str) -> None:
        """A line of the agent itself."""
        self._add_all("agent", text.encode(errors="replace"))
        self.changed.notify()

    def after(self, seq: int, limit: int) -> list[Line]:
        """At most `limit` lines with a number above `seq`, oldest first."""
        first = self._lines[0].seq if self._lines else self._next
        start = max(0, seq + 1 - first)
        return [self._lines[index] for index in range(start, min(len(self._lines), start + limit))]

    def start_of(self, tail: int, since: float | None) -> int:
        """The number after which to begin for the newest `tail` lines (-1: all) that are later than `since`."""
        start = self._next - 1 - len(self._lines) if tail < 0 else max(self._next - 1 - tail, self.dropped)
        if since is not None:
            for line in self._lines:
                if line.at > since:
                    break
                start = max(start, line.seq)
        return start

    def last(self, count: int) -> list[str]:
        """Texts of the newest `count` lines of the workload."""
        texts = [line.text for line in self._lines if line.stream != "agent"] if count else []
        return texts[-count:]

    def _add_all(self, stream: str, line: bytes) -> None:
        for start in range(0, len(line) or 1, MAX_LINE):
            self._add(stream, line[start : start + MAX_LINE])

    def _add(self, stream: str, line: bytes) -> None:
        text = line.removesuffix(b"\r").decode(errors="replace")
        self._lines.append(Line(self._next, self._wall(), stream, text))
        self._next += 1
        self._chars += len(text)
        while len(self._lines) > MAX_LINES or self._chars > MAX_CHARS:
            self._chars -= len(self._lines.popleft().text)
