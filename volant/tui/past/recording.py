"""The format of recordings of a host (docs/tui.md, "Recordings"): lines of JSON, what the UI heard and when. Pure.

The first line says what the file is; each other line is a list: seconds since the beginning, what kind of news it is, and the news. Whoever
reads takes nothing on trust: every record is read as the type that it has on the wire, and what does not fit refuses the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from volant.client.cli.human import epoch
from volant.proto.api.event import Event
from volant.proto.api.vm import VmView
from volant.proto.errors import InvalidParams
from volant.proto.plain import from_plain
from volant.tui.model import Changed, Connected, Connecting, EventsLost, Happened, Heard, Lost, Record, Snapshot
from volant.tui.past.said import KINDS, Said
from volant.tui.past.tape import Beat, Tape

FORMAT = 2
"""What is written. 1 held no output."""
READABLE = (1, FORMAT)
MAX_BYTES = 16 * 1024 * 1024
"""Of a recording: some 40,000 changes and their events. To read it takes some seconds and 200 MB."""
MAX_LINES = 100_000
"""That is what so many bytes hold when lines are short."""
MAX_LINE_BYTES = 8 * 1024 * 1024
"""Twice the largest frame that a daemon sends."""
MAX_AFTER_S = 366 * 86_400.0
"""Longest time after the beginning: a year."""
MAX_DIGITS = 18
"""Of a whole number: they fit into 64 bits."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a recording is of."""

    place: str
    """The daemon's socket."""
    began: float
    """Seconds since 1970."""


def head_line(place: str, began: float) -> bytes:
    """The first line."""
    time = datetime.fromtimestamp(began, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _line({"volant_recording": FORMAT, "place": place, "began": time})


def news_line(after_s: float, news: Heard) -> bytes:
    """The line of news that were heard so long after the beginning."""
    return _line([round(after_s, 3), *_plain(news)])


def output_line(after_s: float, kind: str, told: Mapping[str, Any]) -> bytes:
    """The line of output (`said.KINDS`) that was heard so long after the beginning."""
    return _line([round(after_s, 3), kind, told])


def _line(plain: Any) -> bytes:
    return json.dumps(plain, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _plain(news: Heard) -> tuple[str, dict[str, Any]]:
    match news:
        case Connecting():
            return "connecting", {}
        case Connected(_, version):
            return "connected", {"version": version}
        case Lost(_, reason, hint, _):
            return "lost", {"reason": reason, "hint": hint}
        case Changed():
            records = list(map(dict, news.items))
            told: dict[str, Any] = {"items": records, "gone": list(news.gone), "seq": news.seq, "complete": news.complete}
            return "vms", told | ({"altered": list(parts)} if (parts := news.parts) else {})
        case Happened(events):
            return "events", {"items": list(events)}
        case EventsLost(oldest):
            return "missed", {"oldest": oldest}


def read(data: bytes) -> tuple[Head, Tape]:
    """A recording. InvalidParams, with the number of the line, for anything else; a last line that was cut off is passed over."""
    if len(data) > MAX_BYTES:
        raise _refusal(f"it has more than {MAX_BYTES} bytes")
    *lines, _ = data.split(b"\n")  # what stands behind the last line end was not written whole
    if len(lines) > MAX_LINES:
        raise _refusal(f"it has more than {MAX_LINES} lines")
    head = _head(lines[0] if lines else b"")
    reader, said = _Reader(), Said()
    beats: list[Beat] = []
    time = head.began
    for number, line in enumerate(lines[1:], 2):
        try:
            after, kind, told = _told(line)
            time = max(time, head.began + after)  # the clock never goes back on a tape
            if kind in KINDS:
                said.take(kind, told, time)
                continue
            news = reader.news(kind, told)
        except InvalidParams as fault:
            raise _refusal(f"line {number}: {fault.message}") from None
        seq = news.events[-1]["seq"] if isinstance(news, Happened) and news.events else 0
        beats.append(Beat(time, int(seq), (news,)))
    return head, Tape(Snapshot(), _gathered(beats), said, end=time)


def _refusal(why: str) -> InvalidParams:
    return InvalidParams(f"this is no recording that can be replayed: {why[:300]}", hint="`volant tui --record FILE` makes one")


def _head(line: bytes) -> Head:
    plain = _parsed(line) if line else None
    if not isinstance(plain, dict) or "volant_recording" not in plain:
        raise _refusal("it does not begin with what one begins with")
    if plain["volant_recording"] not in READABLE:
        raise _refusal(f"its format is {plain['volant_recording']!r:.20}, and {FORMAT} is the latest that is known")
    place, began = plain.get("place"), plain.get("began")
    time = epoch(began) if isinstance(began, str) else None
    if not isinstance(place, str) or time is None:
        raise _refusal("its first line does not say of what it is, and since when")
    return Head(place, time)


def _parsed(line: bytes) -> Any:
    """A line as JSON; None when it is none, or when its escapes spell halves of characters, which nothing can encode."""
    try:
        plain = json.loads(line, parse_int=_whole) if len(line) <= MAX_LINE_BYTES else None
        if b"\\u" in line:
            json.dumps(plain, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return plain


def _whole(digits: str) -> int:
    """As on the wire, where whole numbers have 64 bits."""
    if len(digits) > MAX_DIGITS:
        raise ValueError(digits)
    return int(digits)


def _told(line: bytes) -> tuple[float, str, dict[str, Any]]:
    """What a line tells: when, of what kind, and what."""
    match _parsed(line):
        case [int() | float() as after, str(kind), dict(told)] if isfinite(after) and 0 <= after <= MAX_AFTER_S:
            return float(after), kind, told
    raise InvalidParams("it is not a time, a kind and what was told")


class _Reader:
    """Reads lines one after the other; records that are told by what is different in them are checked as a whole."""

    def __init__(self) -> None:
        self._vms: dict[str, Record] = {}
        """Those that were told since the connection was made: only of them may be told what is different."""

    def news(self, kind: str, told: Mapping[str, Any]) -> Heard:
        if kind == "vms":
            return self._changed(told)
        if kind == "events":
            events = _list(told, "items")
            for event in events:
                from_plain(Event, event)
            return Happened(tuple(events))
        if kind == "missed":
            return EventsLost(_number(told, "oldest"))
        if kind == "connecting":
            return Connecting(0.0)
        if kind in ("connected", "lost"):
            self._vms.clear()
            return (
                Connected(0.0, _text(told, "version"))
                if kind == "connected"
                else Lost(0.0, _text(told, "reason"), _text(told, "hint"), 0.0)
            )
        raise InvalidParams(f"nobody knows what {kind[:40]!r} is")

    def _changed(self, told: Mapping[str, Any]) -> Changed:
        items, altered = _list(told, "items"), _list(told, "altered")
        for record in items:
            self._check(record)
        for part in altered:
            known = self._vms.get(str(part.get("id"))) if isinstance(part, dict) else None
            if known is None:
                raise InvalidParams("altered is of a VM that was not told of before")
            self._check({**known, **part})
        gone = tuple(str(each) for each in _list(told, "gone"))
        if {record["id"] for record in (*items, *altered)}.intersection(gone):
            raise InvalidParams("a VM is gone, and is not")
        for vm_id in gone:
            self._vms.pop(vm_id, None)
        return Changed(tuple(items), gone, _number(told, "seq"), told.get("complete") is True, tuple(altered))

    def _check(self, record: Any) -> None:
        view = from_plain(VmView, record)
        if view.error is not None and not isinstance(view.error.get("data", {}), dict):
            raise InvalidParams("error.data must be a map")
        self._vms[view.id] = record


def _list(told: Mapping[str, Any], name: str) -> list[Any]:
    found = told.get(name, [])
    if not isinstance(found, list):
        raise InvalidParams(f"{name} must be a list")
    return found


def _text(told: Mapping[str, Any], name: str) -> str:
    return str(told.get(name, ""))


def _number(told: Mapping[str, Any], name: str) -> int:
    found = told.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise InvalidParams(f"{name} must be a whole number")
    return found


def _gathered(beats: Sequence[Beat]) -> list[Beat]:
    """Beats that belong together as one: a connection and the pages of its list."""
    found: list[Beat] = []
    news: list[Heard] = []
    seq = 0
    for beat in beats:
        news += beat.news
        seq = max(seq, beat.seq)
        last = news[-1]
        goes_on = isinstance(last, Connecting | Connected) or (isinstance(last, Changed) and not last.complete)
        if not goes_on:
            found.append(Beat(beat.time, seq, tuple(news)))
            news, seq = [], 0
    return [*found, Beat(beats[-1].time, seq, tuple(news))] if news else found
