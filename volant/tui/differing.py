"""What is different between two descriptions, as lines. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from volant.client.cli.text import harmless
from volant.tui.lines import Line, clipped

_MISSING = object()


def difference(before: Mapping[str, Any], after: Mapping[str, Any], width: int) -> list[Line]:
    """A line with what was and one with what is, for each field that differs; inside maps, for each key."""
    lines: list[Line] = []
    for name, old, new in _changes(before, after):
        for sign, value, style in (("-", old, "bad"), ("+", new, "good")):
            if value is not _MISSING:
                lines.append(
                    clipped(((f"  {sign} {harmless(name)}: ", style), (harmless(told(value)), "dim" if sign == "-" else "")), width)
                )
    return lines


def told(value: Any) -> str:
    """A value as people read it: words as they are, all else as JSON."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, _MISSING), after.get(name, _MISSING)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changes(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name}", old, new
