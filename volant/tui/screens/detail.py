"""One line of a stream as a whole: every field of it, and text that is JSON laid out. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from volant.client.cli.text import harmless
from volant.tui.lines import Line, clipped, wrapped

LABEL = 12
"""Columns of a field's name."""
MOST_TEXT, MOST_LINES = 8_000, 200
"""Characters of one value that are looked at, and lines that it gets: more than a pane shows, and done in a millisecond for each frame."""


def told(record: Mapping[str, Any], width: int) -> list[Line]:
    """The fields that say something, one below the other; what is no plain value as indented JSON below its name."""
    lines: list[Line] = []
    for name, value in record.items():
        if value in ("", None, {}, [], ()):
            continue
        label = (f"{harmless(name)[: LABEL - 1]:<{LABEL}}", "label")
        laid = _laid_out(value)
        if laid is None:
            for at, piece in enumerate(wrapped(harmless(str(value)[:MOST_TEXT]), max(8, width - LABEL))[:MOST_LINES]):
                lines.append((label if not at else (" " * LABEL, ""), (piece, "")))
        else:
            lines.append((label,))
            for line in laid:
                indent = 2 + len(line) - len(line.lstrip())
                lines += [((" " * indent + piece, "cool"),) for piece in wrapped(harmless(line.lstrip()), max(8, width - indent))]
    return [clipped(line, width) for line in lines]


def _laid_out(value: Any) -> list[str] | None:
    """A map or a list, also one that is written as JSON, as lines; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > MOST_TEXT or text[:1] + text[-1:] not in ("{}", "[]"):
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, (dict, list, tuple)):
        return None
    try:
        return json.dumps(value, ensure_ascii=False, indent=2).splitlines()[:MOST_LINES]
    except RecursionError:
        return None
