"""What a workload answered, as lines: status, headers, and the body; JSON is laid out, and what is no text is only told of. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, pairwise

from volant.client.cli import human
from volant.client.cli.text import harmless, width_of
from volant.tui.lines import Line, Span, clipped, columns_of, wrapped

MAX_BODY_BYTES = 1024 * 1024
"""Bytes of a body that are kept and shown: some 20,000 lines. The rest is counted and dropped."""
MAX_SHOWN_LINES = 20_000
"""Lines of a body that are laid out, which takes a quarter of a second; those of a megabyte of brackets would be a million."""
MAX_INDENT = 40
"""Columns; what lies deeper begins there as well."""
FIRST_BYTES = 24
"""Bytes of what is no text that are shown, as numbers: enough to recognise a format."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    """At most MAX_BODY_BYTES of it."""
    size: int
    """Bytes that came."""
    took_s: float
    whole: bool = True
    """False: more would have come, and was not waited for."""

    def header(self, name: str) -> str:
        return next((value for each, value in self.headers if each.lower() == name), "")

    @property
    def summary(self) -> str:
        """`200 OK   12ms   1.2 kB   application/json`."""
        size = human.size(self.size) + ("" if self.whole else " and more")
        words = (
            f"{self.status} {self.reason or _phrase(self.status)}".strip(),
            human.duration(self.took_s),
            size,
            self.header("content-type"),
        )
        return "   ".join(harmless(word) for word in words if word)

    @property
    def style(self) -> str:
        return "good" if self.status < 300 else "warm" if self.status < 400 else "bad"

    @property
    def text(self) -> str | None:
        """The body as text; None when it is something else."""
        try:
            text = self.body.decode()
        except UnicodeDecodeError as error:
            if self.size == len(self.body) or error.start < len(self.body) - 4:
                return None
            text = self.body[: error.start].decode()  # only its last character was cut in two
        return None if _CONTROLS.search(text) else text


def _phrase(status: int) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def lines(answer: Answer, width: int, *, headers: bool) -> list[Line]:
    """The answer, from its status on, in lines of at most `width` columns."""
    found: list[Line] = [((answer.summary, answer.style),)]
    if headers:
        for name, value in answer.headers:
            first, *more = wrapped(harmless(value), max(8, width - len(name) - 2))
            found.append(((f"{harmless(name)}: ", "label"), (first, "")))
            found += [(("  " + piece, ""),) for piece in more]
    return [clipped(line, width) for line in (*found, (), *_body(answer, width))]


def _body(answer: Answer, width: int) -> list[Line]:
    text = answer.text
    if not answer.body:
        return [(("an empty body", "dim"),)]
    if text is None:
        begins = " ".join(f"{byte:02x}" for byte in answer.body[:FIRST_BYTES])
        return [
            (("no text, so it is not shown; the command that `.` copies saves it with > FILE", "warm"),),
            ((f"it begins with {begins}", "dim"),),
        ]
    found = pretty(text, width)
    if found is None:
        pieces = (piece for line in text.splitlines() for piece in _folded(harmless(line.expandtabs()), width))
        found = [((piece, ""),) for piece in islice(pieces, MAX_SHOWN_LINES + 1)]
    if len(found) > MAX_SHOWN_LINES or answer.size > len(answer.body) or not answer.whole:
        return [*found[:MAX_SHOWN_LINES], (("the rest is not shown", "warm"),)]
    return found


def pretty(text: str, width: int) -> list[Line] | None:
    """JSON with one value to a line, its numbers and strings exactly as they came; None when it is no JSON object or list."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    page = _Page(width)
    pieces = (match[0] for match in _TOKEN.finditer(text))
    for piece, following in pairwise(chain(pieces, [""])):
        page.take(piece, following)
        if len(page.lines) > MAX_SHOWN_LINES:
            break
    return page.ended()


def _folded(text: str, width: int) -> Iterator[str]:
    """`text` in pieces of at most `width` columns, wherever that breaks it: nothing of it is moved or lost. At least one."""
    if text.isascii():
        yield from (text[start : start + width] for start in range(0, max(1, len(text)), width))
        return
    start = taken = 0
    for at, char in enumerate(text):
        columns = width_of(char)
        if taken + columns > width and at > start:
            yield text[start:at]
            start, taken = at, 0
        taken += columns
    yield text[start:]


class _Page:
    """Lays out tokens."""

    def __init__(self, width: int) -> None:
        self._width = max(width, 1)
        self.lines: list[Line] = []
        self._spans: list[Span] = []
        self._depth = 0
        self._before = ""

    def take(self, piece: str, following: str) -> None:
        if piece in "}]":
            self._depth -= 1
            if self._before not in "{[":
                self._break()
        self._put(piece + (" " if piece == ":" else ""), _style(piece, following))
        if piece in "{[":
            self._depth += 1
            if following not in "}]":
                self._break()
        elif piece == ",":
            self._break()
        self._before = piece

    def ended(self) -> list[Line]:
        self._break()
        return self.lines

    def _put(self, piece: str, style: str) -> None:
        if not self._spans and self._depth:
            self._spans.append((" " * min(2 * self._depth, MAX_INDENT, self._width - 1), ""))
        room = self._width - columns_of(tuple(self._spans))
        first, *more = _folded(harmless(piece), max(1, room))
        self._spans.append((first, style))
        for part in more:
            self._break()
            self._spans.append((part, style))

    def _break(self) -> None:
        if self._spans:
            self.lines.append(tuple(self._spans))
            self._spans = []


def _style(piece: str, following: str) -> str:
    if piece[:1] == '"':
        return "name" if following == ":" else "good"
    return "dim" if piece in "{}[],:" else "cool"
