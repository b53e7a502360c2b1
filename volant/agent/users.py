"""Users and groups as the workload's tree knows them: its /etc/passwd and /etc/group, not the agent's own."""

from __future__ import annotations

import os
import stat

from volant.agent.children import Credentials
from volant.proto.errors import InvalidParams

MAX_TABLE = 1 << 20
"""Bytes read of a passwd or group file: some ten thousand users."""


def credentials(tree: str, user: str) -> Credentials:
    """Whom `user` means: a name or number, optionally `:group`. InvalidParams when the tree knows no such name."""
    name, _, group = user.partition(":")
    row = _find_row(tree, "passwd", name)
    if row is None and not name.isdecimal():
        raise InvalidParams(f"the guest knows no user {name!r}", hint="name one of its /etc/passwd, or a number")
    uid = int(row[2]) if row else int(name)
    gid = int(row[3]) if row else 0
    if group:
        found = _find_row(tree, "group", group)
        if found is None and not group.isdecimal():
            raise InvalidParams(f"the guest knows no group {group!r}", hint="name one of its /etc/group, or a number")
        gid = int(found[2]) if found else int(group)
    login = row[0] if row else name
    extra = tuple(int(fields[2]) for fields in _rows(tree, "group") if login in fields[3].split(","))
    return Credentials(uid, gid, tuple(dict.fromkeys((gid, *extra))), row[5] if row else "/", login)


def _find_row(tree: str, table: str, key: str) -> list[str] | None:
    """The row whose name, else whose number, is `key`."""
    rows = _rows(tree, table)
    return next((row for row in rows if row[0] == key), None) or next((row for row in rows if row[2] == key), None)


def _rows(tree: str, table: str) -> list[list[str]]:
    """Well-formed rows; an absent or unreadable table has none."""
    fields = {"passwd": 7, "group": 4}[table]
    try:
        fd = os.open(os.path.join(tree, "etc", table), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    with os.fdopen(fd, "rb") as file:
        text = file.read(MAX_TABLE).decode(errors="replace") if stat.S_ISREG(os.fstat(fd).st_mode) else ""
    rows = [line.split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) == fields and row[2].isdecimal() and (fields == 4 or row[3].isdecimal())]
