"""The calls that were made of each VM's workload, newest first, to make them again; and, without secrets, what a file keeps of them. Pure.

Kept are what was called, when, with which values, and how it went (status, time, size). Not kept are answers, and what may be a secret:
values whose name looks like one (`password`, `token`, ...), fields that the workload's OpenAPI declares as passwords, headers other than
a few well-known ones, bodies that are no JSON object or list, and in those the members with such names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from volant.tui.calling.form import BODY, Form, Row, Target, is_secret, is_whole
from volant.tui.calling.openapi import Parameter

KEPT_CALLS = 20
"""Of one VM: what somebody repeats is among the last few."""
KEPT_VMS = 100
"""VMs, those that were called last."""
MAX_VALUE = 4_096
"""Characters of a value that is kept; a longer one is left out."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was made."""

    action: str
    method: str
    path: str
    """Of the target: with `{name}` where the values go."""
    time: str
    """RFC 3339, UTC."""
    outcome: str
    """`200 OK   12ms   31 B`, or why there was no answer."""
    values: tuple[tuple[str, str, str | None], ...]
    """Place, name and value of each row of the form; None where it was left out."""

    @staticmethod
    def of(form: Form, when: float, outcome: str) -> Made:
        """A call that was just made; `when` is seconds since 1970."""
        time = datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        values = tuple((row.parameter.place, row.parameter.name, row.value) for row in form.rows)
        return Made(form.target.action, form.target.method, form.target.path, time, outcome, values)

    @property
    def title(self) -> str:
        return self.action or f"{self.method} {self.path}"

    def form(self, targets: Sequence[Target]) -> Form:
        """The form as it was filled in; of a target that is no longer declared, too."""
        same = (each for each in targets if (each.action, each.method, each.path) == (self.action, self.method, self.path))
        form = Form.of(next(same, Target("", self.method, self.path)))
        left = list(self.values)
        rows = []
        for row in form.rows:
            filled = next((each for each in left if each[:2] == (row.parameter.place, row.parameter.name)), None)
            if filled is not None:
                left.remove(filled)
            rows.append(row if filled is None else replace(row, value=filled[2]))
        added = [
            Row(Parameter(name, place, False, secret=is_secret(name, place)), value)
            for place, name, value in left
            if place in ("query", "header") and value is not None
        ]
        before = [row for row in rows if row.parameter.place != BODY]
        return replace(form, rows=(*before, *added, *rows[len(before) :]))

    def without_secrets(self, form: Form) -> Made:
        """As it may stand in a file."""
        secret = {(row.parameter.place, row.parameter.name) for row in form.rows if row.parameter.secret}
        values = ((place, name, _harmless(place, name, value, secret)) for place, name, value in self.values)
        return replace(self, values=tuple(values))


def _harmless(place: str, name: str, value: str | None, secret: set[tuple[str, str]]) -> str | None:
    if value is None or (place, name) in secret or is_secret(name, place) or len(value) > MAX_VALUE:
        return None
    if place != BODY:
        return value
    try:
        body = json.loads(value)
        text = json.dumps(_scrubbed(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return text if isinstance(body, dict | list) and is_whole(text) else None


def _scrubbed(value: Any) -> Any:
    """JSON without the values of members that look like secrets."""
    if isinstance(value, dict):
        return {name: None if is_secret(name) else _scrubbed(each) for name, each in value.items()}
    return [_scrubbed(each) for each in value] if isinstance(value, list) else value


class Kept:
    """Calls by the VM's name, newest first."""

    def __init__(self, text: str = "") -> None:
        """With what a file kept; what in it was not written by us is passed over."""
        self._made: dict[str, list[tuple[Made, Made]]] = {}
        """As it was made, and as it may be kept; of calls made earlier only that."""
        for vm, calls in _read_file(text).items():
            self._made[vm] = [(each, each) for each in calls]

    def of(self, vm: str) -> list[Made]:
        """The calls of one VM."""
        return [made for made, _ in self._made.get(vm, ())]

    def add(self, vm: str, form: Form, made: Made) -> None:
        """Remember a call. One like it, with the same values, is forgotten for it."""
        earlier = [each for each in self._made.pop(vm, []) if (each[0].title, each[0].values) != (made.title, made.values)]
        self._made[vm] = [(made, made.without_secrets(form)), *earlier][:KEPT_CALLS]
        while len(self._made) > KEPT_VMS:
            del self._made[next(iter(self._made))]

    def text(self) -> str:
        """What a file may keep."""
        vms = {name: [_plain(kept) for _, kept in calls] for name, calls in self._made.items()}
        return json.dumps({"version": _FORMAT, "vms": vms})


def _plain(made: Made) -> list[Any]:
    return [made.action, made.method, made.path, made.time, made.outcome, [list(each) for each in made.values]]


def _read_file(text: str) -> dict[str, list[Made]]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    vms = parsed.get("vms") if isinstance(parsed, dict) and parsed.get("version") == _FORMAT else None
    found: dict[str, list[Made]] = {}
    for vm, calls in list(vms.items())[-KEPT_VMS:] if isinstance(vms, dict) else ():
        read = (_read(each) for each in calls[:KEPT_CALLS]) if isinstance(calls, list) else ()
        found[vm] = [each for each in read if each is not None]
    return found


def _read(plain: Any) -> Made | None:
    """One call of the file; None for what was not written by us."""
    match plain:
        case [str(action), str(method), str(path), str(time), str(outcome), list(values)] if all(map(_is_text, plain[:5])):
            pairs = [tuple(each) for each in values if isinstance(each, list) and len(each) == 3 and all(map(_is_text, each))]
            return Made(action, method, path, time, outcome, tuple((str(place), str(name), value) for place, name, value in pairs))
    return None


def _is_text(value: Any) -> bool:
    return value is None or (isinstance(value, str) and is_whole(value))
