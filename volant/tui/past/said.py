"""The output of VMs in a recording: lines of their logs, and what their consoles printed, with the times at which it was heard. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from volant.client.cli.human import epoch
from volant.proto.api.vm_logs import VmLines
from volant.proto.errors import InvalidParams
from volant.proto.plain import from_plain
from volant.tui.past.printed import Printed

LOGS, CONSOLE, LEFT_OUT = "logs", "console", "left_out"
"""Kinds of lines of a recording: a plain `VmLines`; `id` of a VM, `text` that its console printed, and how many bytes before that were
`missed`; `id` of a VM, `what` of it has no more room (LOGS or CONSOLE), and the `count` of lines or bytes that were left out."""
KINDS = frozenset({LOGS, CONSOLE, LEFT_OUT})


class Said:
    """By the ids of VMs."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        """Of the VMs whose logs there are."""
        self._lines: dict[str, list[tuple[float, str]]] = {}
        self._printed: dict[str, Printed] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def take(self, kind: str, told: Mapping[str, Any], time: float) -> None:
        """What a line of a recording tells, which was written at this time, in seconds since 1970. InvalidParams."""
        if kind == LOGS:
            heard = from_plain(VmLines, told)
            self.names[heard.id] = heard.name
            lines = self._lines.setdefault(heard.id, [])
            lines += [(epoch(line.time) or time, f"{line.time[11:23]} {line.text}") for line in heard.lines]
            return
        vm_id = _text(told, "id")
        if kind == LEFT_OUT:
            self._left_out[_text(told, "what"), vm_id] = _number(told, "count")
            return
        printed = self._printed.get(vm_id)
        if printed is None:
            printed = self._printed[vm_id] = Printed()
            printed.mark([(0, 0.0)])  # nothing before what comes now
        missed = _number(told, "missed") if "missed" in told else 0
        if missed:
            printed.add(f"\n[{missed} bytes were missed here]\n".encode())
        printed.add(_text(told, "text").encode(errors="replace"))
        printed.mark([(len(printed), time)])

    def lines(self, vm_id: str) -> list[tuple[float, str]]:
        """The lines of a VM's log with their times."""
        return self._lines.get(vm_id, [])

    def printed(self, vm_id: str) -> Printed:
        """What its console printed."""
        return self._printed.get(vm_id) or Printed()

    def left_out(self, what: str, vm_id: str) -> int:
        """How many lines of its log, or bytes of its console, had no room."""
        return self._left_out.get((what, vm_id), 0)


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    if not isinstance(found, str):
        raise InvalidParams(f"{name} must be a text")
    return found


def _number(told: Mapping[str, Any], name: str) -> int:
    found = told.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise InvalidParams(f"{name} must be a whole number")
    return found
