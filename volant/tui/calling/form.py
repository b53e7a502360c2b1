"""A form for one request to a workload: what it may carry, what was filled in, the call that comes of it, and the same for a shell. Pure.

It is made from what the manifest declares of an action, and from the workload's OpenAPI document where there is one. Where neither
names a parameter, a person can add it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from volant.client.cli.values import header, pair
from volant.proto.errors import Usage
from volant.tui.calling.openapi import PLACES, Operation, Parameter

_TEMPLATE = re.compile(r"\{([^{}/]+)\}")
_WITH_BODY = ("POST", "PUT", "PATCH")
"""Methods that carry a body unless somebody says otherwise (RFC 9110, 9.3)."""
BODY = "body"
_SECRET = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|(api|access).?key|auth(?!or)|bearer|cookie|session|private|signature|\botp\b",
    re.IGNORECASE,
)
_PLAIN_HEADERS = frozenset({"accept", "accept-language", "content-type", "if-none-match", "range", "user-agent"})
"""Headers whose values are nobody's secret."""


def is_secret(name: str, place: str = "") -> bool:
    """Whether a value of this name may be one that nobody should find in a file. Of headers only well-known ones may not."""
    return (place == "header" and name.lower() not in _PLAIN_HEADERS) or _SECRET.search(name) is not None


@dataclass(frozen=True, slots=True)
class Target:
    """What is called: an action of the manifest, or an operation of the workload's OpenAPI document."""

    action: str
    """The action's name; empty for an operation that is none."""
    method: str
    path: str
    """With `{name}` for parameters, and with a query where the manifest has one."""
    description: str = ""
    timeout_ms: int = 0
    operation: Operation | None = None

    @property
    def title(self) -> str:
        return self.action or f"{self.method} {self.path}"


def targets(actions: Sequence[Mapping[str, Any]], operations: Sequence[Operation] = ()) -> list[Target]:
    """What can be called: the actions of `vm.actions`, each with the operation that describes it, then the other operations."""
    described = {_shape(each.method, each.path): each for each in operations}
    left = dict(described)
    found = []
    for each in actions:
        method, (path, mark, query) = str(each["method"]), str(each["path"]).partition("?")
        operation = described.get(_shape(method, path))
        left.pop(_shape(method, path), None)
        path = operation.path if operation else path  # the same but for the names of its parameters
        description = str(each["description"]) or (operation.summary if operation else "")
        found.append(Target(str(each["name"]), method, path + mark + query, description, int(each["timeout_ms"]), operation))
    return found + [Target("", each.method, each.path, each.summary, operation=each) for each in left.values()]


def _shape(method: str, path: str) -> tuple[str, str]:
    """What two declarations of the same request have in common, whatever they call its parameters."""
    return method, _TEMPLATE.sub("{}", path)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a form."""

    parameter: Parameter
    value: str | None
    """None: it is left out."""

    @property
    def problem(self) -> str:
        """Why the workload may refuse it; empty when nothing is known against it."""
        given, value = self.parameter, self.value
        if value is None or (value == "" and given.place == "path"):
            return "is needed" if given.required else ""
        if given.choices and value not in given.choices:
            return f"is none of {', '.join(given.choices)}"
        if given.kind in ("integer", "number") and not _is_number(value, whole=given.kind == "integer"):
            return f"is no {given.kind}"
        if given.kind == "boolean" and value not in ("true", "false"):
            return "is neither true nor false"
        if given.place == BODY and given.kind == "json" and value and not is_json(value):
            return "is no JSON"
        return ""


@dataclass(frozen=True, slots=True)
class Request:
    """What goes to the workload."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Form:
    """A target, and what is filled in."""

    target: Target
    rows: tuple[Row, ...]

    @staticmethod
    def of(target: Target) -> Form:
        """The form with what is declared, before anybody has filled anything in."""
        operation = target.operation
        names = dict.fromkeys(_TEMPLATE.findall(target.path))
        declared = [each for each in (operation.parameters if operation else ()) if each.place != "path" or each.name in names]
        known = {each.name for each in declared if each.place == "path"}
        undeclared = [Parameter(name, "path", True) for name in names if name not in known]
        rows = [Row(each, each.value) for each in sorted((*undeclared, *declared), key=lambda each: PLACES.index(each.place))]
        body = operation.body if operation else None
        if body is not None:
            kind = "json" if body.text else ""
            rows.append(Row(Parameter(BODY, BODY, body.required, kind, body.media_type), body.text or None))
        elif target.method in _WITH_BODY:
            rows.append(Row(Parameter(BODY, BODY, False), None))
        return Form(target, tuple(rows))

    def filled(self, at: int, value: str | None) -> Form:
        """With another value in one row."""
        return replace(self, rows=(*self.rows[:at], replace(self.rows[at], value=value), *self.rows[at + 1 :]))

    def added(self, text: str) -> Form:
        """With one more row: `name=value` for the query, `Name: value` for a header. Usage when it is neither."""
        equals, colon = text.find("="), text.find(":")
        if colon >= 0 and (equals < 0 or colon < equals):
            name, value = header(text)
            place = "header"
        elif equals > 0:
            (name, value), place = pair(text), "query"
        else:
            raise Usage(f"{text!r} is no parameter", hint="name=value is one of the query, `Name: value` a header")
        row = Row(Parameter(name, place, False, secret=is_secret(name, place)), value)
        before = [each for each in self.rows if each.parameter.place != BODY]
        return replace(self, rows=(*before, row, *self.rows[len(before) :]))

    @property
    def problems(self) -> list[str]:
        """What the workload may not like; it can be sent all the same, but for a path that lacks something."""
        return [f"{row.parameter.name} {row.problem}" for row in self.rows if row.problem]

    @property
    def obstacle(self) -> str:
        """Why it can't be sent; empty when it can."""
        lacking = [row.parameter.name for row in self.rows if row.parameter.place == "path" and not row.value]
        return f"fill in {', '.join(lacking)} first: it is a part of the path" if lacking else ""

    def request(self) -> Request:
        """The request, with everything in its place."""
        values = {row.parameter.name: row.value or "" for row in self.rows if row.parameter.place == "path"}
        path = _TEMPLATE.sub(lambda match: quote(values[match[1]], safe="") if match[1] in values else match[0], self.target.path)
        sent = [(row.parameter, row.value) for row in self.rows if row.value is not None]
        query = urlencode([(each.name, value) for each, value in sent if each.place == "query"])
        headers = [(each.name, _one_line(value)) for each, value in sent if each.place == "header"]
        body = next((value for each, value in sent if each.place == BODY), None)
        media = next((row.parameter.help for row in self.rows if row.parameter.place == BODY), "")
        if not media and body is not None and is_json(body) and body.lstrip()[:1] in ("{", "["):
            media = "application/json"
        if body is not None and media and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", media))
        return Request(self.target.method, path, query, tuple(headers), None if body is None else body.encode())

    def params(self, vm: str) -> dict[str, Any]:
        """The parameters of `vm.call`; the body is sent besides."""
        made = self.request()
        headers = [list(each) for each in made.headers]
        return {"name": vm, "action": self.target.action, "method": made.method, "path": made.path, "query": made.query, "headers": headers}

    def command(self, vm: str) -> str:
        """The same call for a shell."""
        made = self.request()
        words = ["volant", "vm", "call", vm]
        if self.target.action and made.path == self.target.path:
            words.append(self.target.action)
        else:
            words += ["--request", f"{made.method} {made.path}"]
            words += ["--timeout", f"{self.target.timeout_ms}ms"] if self.target.timeout_ms else []
        for row in self.rows:
            if row.parameter.place == "query" and row.value is not None:
                words += _flag("--query", f"{row.parameter.name}={row.value}")
        for name, value in made.headers:
            words += _flag("-H", f"{name}: {value}")
        if made.body is None:
            return shlex.join(words)
        text = made.body.decode()
        if text == "-" or text.startswith("@"):  # which the command would take for standard input, or for a file's name
            return f"printf %s {shlex.quote(text)} | {shlex.join([*words, '-d', '-'])}"
        return shlex.join([*words, *_flag("-d", text, long="--data")])


def _flag(flag: str, value: str, *, long: str = "") -> list[str]:
    """A flag with its value, which may look like a flag itself."""
    return [f"{long or flag}={value}" if (long or flag).startswith("--") else f"{flag}{value}"] if value.startswith("-") else [flag, value]


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _is_number(text: str, *, whole: bool) -> bool:
    try:
        int(text) if whole else float(text)
    except ValueError:
        return False
    return True


def is_whole(text: str) -> bool:
    """Whether it can be sent: JSON may spell halves of characters, which nothing can encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_json(text: str) -> bool:
    """Whether it can be read as JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
