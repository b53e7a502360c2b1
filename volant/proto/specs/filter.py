"""The filter language, one for the API, `--filter` and the terminal UI. Pure: text and fields in, a predicate over records out.

    web                 contains it: name, plugin, deployment, state, address, or a label as key=value; small letters mean any case
    ~web-[0-9]+         matches a regular expression (see `pattern`)
    -f wb1              contains these characters in this order
    state:failed        a field is this word, in any case; `state:failed,crashed` one of them; `name:web-*` with * and ? as in file names
    name:~^web          a field matches a regular expression
    label.env:prod      the label `env` is this
    mem>=512M age<5m    numbers, sizes in MiB, ages: = != > >= < <=
    !x   x y   x|y   (x)  "x y"      not, and, or, grouping, quoting

`=` means the same as `:`. What is compared with a field that a record doesn't have is false, `!=` true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import translate
from typing import Any

from volant.proto.errors import InvalidParams, Usage
from volant.proto.specs.pattern import Pattern
from volant.proto.specs.quantities import memory_mib, milliseconds

MAX_FILTER_CHARS = 1_000
"""Longest filter: more than anybody types, and little work for each record."""
MAX_DEPTH = 32
"""Most brackets and negations inside each other; each is a call deeper."""

Read = Callable[[Any, str], Any]
"""From a record and a key to its value: `getattr`, or `dict.get`."""
Takes = Callable[[Any, float], bool]
"""Whether a record is taken, at this time in seconds since 1970."""


class Kind(Enum):
    """What a field's values are, and so how they are compared."""

    TEXT = "text"
    NUMBER = "number"
    SIZE = "size"
    """MiB in records; `512M`, `1G` in filters."""
    AGE = "age"
    """An RFC 3339 instant in records; in filters how long it is ago."""
    SPAN = "span"
    """Milliseconds in records; `500ms`, `2s` in filters."""


@dataclass(frozen=True, slots=True)
class Field:
    """A word that filters know: which key of a record it is about."""

    key: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Fields:
    """What the records of one noun can be filtered by."""

    named: Mapping[str, Field]
    searched: tuple[str, ...]
    """Keys whose texts a bare word is looked for in."""
    labels: str = ""
    """The key that holds a map of labels; empty where there is none."""


_VM_AND_ITS_OTHER_WORDS = {
    "name": Field("name"), "id": Field("id"), "state": Field("status"), "status": Field("status"), "wanted": Field("wanted"),
    "plugin": Field("plugin"), "version": Field("plugin_version"), "deployment": Field("deployment"), "deploy": Field("deployment"),
    "ip": Field("ip"), "mac": Field("mac"), "network": Field("network"), "net": Field("network"), "accel": Field("accel"),
    "hypervisor": Field("hypervisor"), "health": Field("health"), "reason": Field("reason"), "runtime": Field("runtime"),
    "cpus": Field("cpu_cores", Kind.NUMBER), "mem": Field("memory_mb", Kind.SIZE), "memory": Field("memory_mb", Kind.SIZE),
    "boot": Field("boot", Kind.NUMBER), "pid": Field("pid", Kind.NUMBER), "rev": Field("revision", Kind.NUMBER),
    "rst": Field("restarts", Kind.NUMBER), "restarts": Field("restarts", Kind.NUMBER),
    "config": Field("config_version", Kind.NUMBER), "boot_time": Field("ready_ms", Kind.SPAN), "age": Field("created_at", Kind.AGE),
    "up": Field("started_at", Kind.AGE),
}  # fmt: skip

VM_FIELDS = Fields(_VM_AND_ITS_OTHER_WORDS, searched=("name", "plugin", "deployment", "status", "ip"), labels="labels")
"""Of `proto.api.vm.VmView`."""

MEASURED_VM_FIELDS = Fields(
    {**_VM_AND_ITS_OTHER_WORDS, "cpu": Field("cpu_percent", Kind.NUMBER), "rss": Field("resident_mb", Kind.SIZE)},
    searched=VM_FIELDS.searched, labels=VM_FIELDS.labels,
)  # fmt: skip
"""The same with what a VM costs the host, for who measures that: percent of one CPU, and MiB of resident memory."""

EVENT_FIELDS = Fields(
    {
        "kind": Field("kind"), "vm": Field("vm"), "deployment": Field("deployment"), "deploy": Field("deployment"),
        "message": Field("message"), "seq": Field("seq", Kind.NUMBER), "age": Field("time", Kind.AGE),
    },
    searched=("kind", "vm", "deployment", "message"),
)  # fmt: skip
"""Of `proto.api.event.Event`."""

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ":": lambda a, b: a == b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}
_FIELD = r"([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_./-]+?)?)(!=|>=|<=|[:=<>])"


def parse(text: str, fields: Fields, read: Read) -> Takes:
    """The predicate that `text` is; an empty one takes everything. InvalidParams, whose data has `at`, the character that is wrong."""
    if len(text) > MAX_FILTER_CHARS:
        raise InvalidParams(f"a filter has at most {MAX_FILTER_CHARS} characters", hint="say less", at=MAX_FILTER_CHARS)
    parser = _Parser(text, fields, read)
    return parser.whole()


class _Parser:
    """Recursive descent over the text; each method leaves `at` behind what it read."""

    def __init__(self, text: str, fields: Fields, read: Read) -> None:
        self._text, self._fields, self._read = text, fields, read
        self._at = 0
        self._depth = 0

    def whole(self) -> Takes:
        self._skip_blanks()
        if self._at == len(self._text):
            return lambda record, now: True
        found = self._any()
        if self._at < len(self._text):
            raise self._wrong("there is a ) too many")
        return found

    def _wrong(self, why: str, hint: str = "", at: int | None = None) -> InvalidParams:
        return InvalidParams(
            f"the filter can't be read: {why}", hint=hint or "for example: web state:failed mem>=512M", at=self._at if at is None else at
        )

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_blanks(self) -> None:
        while self._peek().isspace():
            self._at += 1

    def _any(self) -> Takes:
        """Alternatives."""
        either = [self._all()]
        while self._peek() == "|":
            self._at += 1
            either.append(self._all())
        return either[0] if len(either) == 1 else lambda record, now: any(takes(record, now) for takes in either)

    def _all(self) -> Takes:
        """Terms that must all hold."""
        self._skip_blanks()
        each: list[Takes] = []
        while self._peek() not in ("", "|", ")"):
            each.append(self._term())
            self._skip_blanks()
        if not each:
            raise self._wrong("something is missing here")
        return each[0] if len(each) == 1 else lambda record, now: all(takes(record, now) for takes in each)

    def _term(self) -> Takes:
        if self._peek() not in ("!", "("):
            return self._atom()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._wrong(f"more than {MAX_DEPTH} brackets inside each other")
        opened = self._at
        self._at += 1
        if self._text[opened] == "!":
            self._skip_blanks()
            if self._peek() in ("", "|", ")"):
                raise self._wrong("something is missing after the !")
            inner = self._term()
            self._depth -= 1
            return lambda record, now: not inner(record, now)
        found = self._any()
        if self._peek() != ")":
            raise self._wrong("this ( is never closed", at=opened)
        self._at += 1
        self._depth -= 1
        return found

    def _atom(self) -> Takes:
        begun = self._at
        if re.match(r"-f\s+\S", self._text[begun:]):
            self._at += 2
            self._skip_blanks()
            return self._fuzzy(self._value())
        if self._peek() == "~":
            self._at += 1
            pattern = self._pattern()
            return lambda record, now: any(map(pattern.found_in, self._texts(record)))
        field = re.match(_FIELD, self._text[begun:])
        if field is None or self._peek() in ('"', "'"):
            return self._substring(self._value())
        self._at += field.end()
        return self._compared(field[1], field[2], begun)

    def _value(self) -> str:
        """A word up to a blank, `|` or a bracket; quoted parts hold anything."""
        parts: list[str] = []
        while (char := self._peek()) and not char.isspace() and char not in "|()":
            if char in ('"', "'"):
                parts.append(self._quoted())
            else:
                parts.append(char)
                self._at += 1
        if not parts:
            raise self._wrong("a word is missing here")
        return "".join(parts)

    def _quoted(self) -> str:
        end = self._text.find(self._peek(), self._at + 1)
        if end < 0:
            raise self._wrong("this quote is never closed")
        inner = self._text[self._at + 1 : end]
        self._at = end + 1
        return inner

    def _pattern(self) -> Pattern:
        """A regular expression: up to a blank, or the bracket that closes a group of the filter around it."""
        begun, depth = self._at, 0
        if self._peek() in ('"', "'"):
            text = self._quoted()
        else:
            while (char := self._peek()) and not char.isspace():
                if char == ")" and depth == 0:
                    break
                depth += (char == "(") - (char == ")")
                self._at += 2 if char == "\\" else 1
            self._at = min(self._at, len(self._text))
            text = self._text[begun : self._at]
        if not text:
            raise self._wrong("a pattern is missing after the ~")
        try:
            return Pattern(text)
        except InvalidParams as fault:
            fault.data["at"] = begun + int(fault.data["at"])
            raise

    def _texts(self, record: Any) -> list[str]:
        """What bare words are looked for in."""
        texts = [str(self._read(record, key) or "") for key in self._fields.searched]
        if self._fields.labels:
            texts += [f"{key}={value}" for key, value in (self._read(record, self._fields.labels) or {}).items()]
        return texts

    def _substring(self, word: str) -> Takes:
        if word != word.lower():
            return lambda record, now: any(word in text for text in self._texts(record))
        return lambda record, now: any(word in text.lower() for text in self._texts(record))

    def _fuzzy(self, word: str) -> Takes:
        return lambda record, now: any(is_fuzzily_in(word, text) for text in self._texts(record))

    def _compared(self, name: str, operator: str, begun: int) -> Takes:
        if self._fields.labels and name.startswith(("label.", "labels.")):
            labels, label = self._fields.labels, name.partition(".")[2]
            return self._text_field(lambda record: (self._read(record, labels) or {}).get(label), name, operator)
        field = self._fields.named.get(name.lower())
        if field is None:
            raise self._wrong(f"there is no field {name!r}", self._fields_like(name), begun)
        read, key = self._read, field.key
        if field.kind is Kind.TEXT:
            return self._text_field(lambda record: read(record, key), name, operator)
        return self._number_field(field, operator)

    def _fields_like(self, name: str) -> str:
        """The field that was meant, where it is a slip, and those that there are."""
        from difflib import get_close_matches  # only for a filter with a mistake in it

        if self._fields is VM_FIELDS and name.lower() in MEASURED_VM_FIELDS.named:
            return "it has to be measured: `volant top --filter` does, and so does the terminal UI's list with %"
        close = get_close_matches(name.lower(), self._fields.named, n=1)
        known = ", ".join(self._fields.named) + (", label.NAME" if self._fields.labels else "")
        return (f"did you mean {close[0]!r}? " if close else "") + f'fields are {known}; put text with a : or = in "quotes"'

    def _text_field(self, read: Callable[[Any], Any], name: str, operator: str) -> Takes:
        if operator not in (":", "=", "!="):
            raise self._wrong(f"{name!r} is text, which can't be compared with {operator}", f"for example: {name}:web or {name}!=web")
        if self._peek() == "~" and operator != "!=":
            self._at += 1
            pattern = self._pattern()
            return lambda record, now: pattern.found_in(str(read(record) or ""))
        wanted = self._value().lower().split(",")
        words = frozenset(wanted)
        globs = [re.compile(translate(word)) for word in wanted if "*" in word or "?" in word]

        def holds(record: Any, now: float) -> bool:
            value = str(read(record) or "").lower()
            return (value in words or any(glob.match(value) for glob in globs)) is (operator != "!=")

        return holds

    def _number_field(self, field: Field, operator: str) -> Takes:
        begun = self._at
        word = self._value()
        read, key, compare, is_age = self._read, field.key, _OPERATORS[operator], field.kind is Kind.AGE
        try:
            wanted = _UNITS[field.kind](word)
        except (Usage, ValueError) as error:
            why = error.message if isinstance(error, Usage) else f"{word!r} is no number"
            raise self._wrong(why, error.hint if isinstance(error, Usage) else "for example: 2", begun) from None

        def holds(record: Any, now: float) -> bool:
            value = read(record, key)
            number = _age(str(value or ""), now) if is_age else value
            return operator == "!=" if number is None else compare(number, wanted)

        return holds


_UNITS: dict[Kind, Callable[[str], float]] = {
    Kind.NUMBER: float,
    Kind.SIZE: memory_mib,
    Kind.AGE: lambda text: milliseconds(text) / 1000,
    Kind.SPAN: milliseconds,
}


def is_fuzzily_in(word: str, text: str) -> bool:
    """Whether the characters of `word` come in `text` in this order, in any case."""
    rest = iter(text.lower())
    return all(char in rest for char in word.lower())


def _age(instant: str, now: float) -> float | None:
    """Seconds since an RFC 3339 instant; None for none."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(instant)
    except ValueError:
        return None
    return now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
