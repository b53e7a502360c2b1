"""What clients asked and were told, and when: the record that `checker` explains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

NEVER = float("inf")
"""When a call returned whose answer was lost: it may still take effect at any time."""


SHOWN = ("id", "wanted", "status", "generation", "config_version", "memory_mb", "replicas", "paused")
"""What of an answer people are shown when it can't be explained."""


@dataclass(frozen=True)
class Call:
    """One call about one VM or deployment. Times are of one clock for all clients."""

    noun: str
    name: str
    verb: str
    params: dict[str, Any]
    invoked: float
    returned: float = NEVER
    reply: dict[str, Any] | None = None
    """The answer, where there was one."""
    code: str = ""
    """The fault's code, where there was one; `lost` when nobody knows what became of the call."""

    @property
    def lost(self) -> bool:
        return self.code == "lost"


@dataclass
class History:
    """All that was asked, in no order, and the events that a follower heard."""

    calls: list[Call] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def by_thing(self) -> Iterator[tuple[tuple[str, str], list[Call]]]:
        """The calls about each VM and deployment; a list is a look at each of them."""
        things = {(call.noun, call.name) for call in self.calls if call.name}
        for noun, name in sorted(things):
            own = [call for call in self.calls if (call.noun, call.name) == (noun, name)]
            looks = [_look(call, name) for call in self.calls if call.noun == noun and call.verb == "list" and call.reply is not None]
            yield (noun, name), own + looks

    def views(self) -> Iterator[dict[str, Any]]:
        """Every view of a VM that anybody was given."""
        for call in self.calls:
            if call.noun == "vm" and call.reply is not None:
                yield from call.reply["items"] if call.verb == "list" else [call.reply] if "generation" in call.reply else []


def _look(call: Call, name: str) -> Call:
    found = next((item for item in call.reply["items"] if item["name"] == name), None)  # type: ignore[index]
    return replace(call, name=name, verb="get", reply=found, code="" if found else "not_found")


def told(calls: Iterable[Call]) -> str:
    """The calls as lines, oldest first, for whoever has to find out what went wrong."""
    lines = []
    for call in sorted(calls, key=lambda call: call.invoked):
        shown = {key: value for key, value in (call.reply or {}).items() if key in SHOWN}
        lines.append(
            f"{call.invoked:9.4f} - {call.returned:9.4f}  {call.noun}.{call.verb} {call.name} {call.params} -> {call.code or shown}"
        )
    return "\n".join(lines)
