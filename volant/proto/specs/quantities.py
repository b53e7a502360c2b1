"""Durations and amounts of memory as people type them, in flags, filters and the terminal UI alike."""

from __future__ import annotations

import re

from volant.proto.errors import Usage

# Patterns as text: compiled when first used, since most commands use none.
_DURATION = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?"
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MEMORY = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([kmgt]?)(?:i?b)?"
"""At most twelve digits: even so many TiB fit into 64 bits, and how much is too much is for the daemon to say."""
_MEMORY_MIB = {"": 1.0, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0 * 1024}

MAX_DURATION_MS = 365 * 86_400_000
"""A year; what is longer is a slip of the fingers, and far below what 64 bits hold."""


def milliseconds(text: str) -> int:
    """`500ms`, `30s`, `2m`, `1h30m`, `1d`; a bare number is seconds."""
    pieces = list(re.finditer(_DURATION, text))
    if not pieces or "".join(piece[0] for piece in pieces) != text or (len(pieces) > 1 and not all(piece[2] for piece in pieces)):
        raise Usage(f"{text!r} is no duration", hint="for example: 500ms, 30s, 2m or 1h30m")
    total = sum(float(piece[1]) * _UNIT_MS[piece[2] or "s"] for piece in pieces)
    if total > MAX_DURATION_MS:
        raise Usage(f"{text!r} is longer than a year", hint="for example: 500ms, 30s, 2m or 1h30m")
    return round(total)


def memory_mib(text: str) -> int:
    """`256`, `256M`, `1G`, `1.5GiB` in MiB; a bare number is MiB."""
    found = re.fullmatch(_MEMORY, text, re.IGNORECASE)
    mib = float(found[1]) * _MEMORY_MIB[found[2].lower()] if found else 0.0
    if mib < 1 or mib != int(mib):
        raise Usage(f"{text!r} is no amount of memory in whole MiB", hint="for example: 256, 256M or 1G")
    return int(mib)
