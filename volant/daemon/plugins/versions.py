"""Which version is newer. Pure."""

from __future__ import annotations

import re

_PART = re.compile(r"[0-9]+|[A-Za-z]+")

SortKey = tuple[tuple[tuple[int, int, str], ...], str]


def version_key(version: str) -> SortKey:
    """Sort key: numbers as numbers, `1.0-rc1` before `1.0`, `1.0` before `1.0.1`; what follows a `+` decides nothing but ties.

    A leading `v` is skipped. Versions are as `specs.manifest` allows them: letters, digits and `. _ + -`.
    """
    main, _, build = version.partition("+")
    parts = [(2, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in _PART.findall(re.sub(r"^[vV](?=[0-9])", "", main))]
    # The end sorts above words (a pre-release is older) and below numbers (a further number is newer).
    return ((*parts, (1, 0, "")), build)
