"""Names: what may be called what."""

from __future__ import annotations

import re

from volant.proto.errors import InvalidParams

MAX_LABEL = 63
"""RFC 1123 label: 63 bytes."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")


def problem_with_name(name: str) -> str:
    """Why `name` is no DNS label, as one clause; empty when it is one."""
    if not name:
        return "is empty"
    if len(name.encode()) > MAX_LABEL:
        return f"has {len(name.encode())} bytes; at most {MAX_LABEL} are allowed"
    if not _LABEL.match(name):
        return "may hold only a-z, 0-9 and -, and must begin and end with a letter or digit"
    return ""


def check_name(noun: str, name: str) -> str:
    """`name` itself when it is a DNS label, else InvalidParams."""
    problem = problem_with_name(name)
    if problem:
        raise InvalidParams(f"the {noun} name {name[:80]!r} {problem}", hint="for example: web-1")
    return name
