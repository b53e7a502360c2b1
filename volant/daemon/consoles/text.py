"""What a guest printed, as lines that can't do anything to the terminal that shows them. Pure."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC: titles, clipboards, keys
    r"|\x1b[ -/]*[0-~]?"  # the rest
)
"""Escape sequences after ECMA-48. A string that is never ended ends with its line: binary noise before a panic hides the panic else."""

_LINE_END = re.compile(r"\r*\n|\r")
"""A program that ends its lines with CR LF on a terminal that makes CR LF of LF prints CR CR LF: that is one end."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters, C0 and C1, but tab and newline."""


def harmless_lines(data: bytes) -> list[str]:
    """The lines of `data` without empty ones at the end, escape sequences and control characters."""
    text = _LINE_END.sub("\n", data.decode("utf-8", "replace"))
    plain = _CONTROLS.sub("", _ESCAPES.sub("", text))
    return [line.rstrip() for line in plain.rstrip().split("\n")] if plain.strip() else []
