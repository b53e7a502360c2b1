"""SQLite's complaints about the file, the disk and the lock, as faults a person can act on. Pure."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from volant.proto.errors import Fault, HostShort, StoreFailed

_RESTORE = "stop volantd and put a good copy in its place (docs/store.md, 'Recovery'); backups lie beside it as {name}.bak-N"


def explain(error: sqlite3.Error, path: Path) -> Fault:
    """The fault for an error that is about the database itself, not about what was asked of it."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name == "SQLITE_NOTADB":
        return StoreFailed(f"{path} is not a Volant database (nor any SQLite one)", hint=_RESTORE.format(name=path.name))
    if name.startswith("SQLITE_CORRUPT"):
        return damaged(path, str(error))
    if name == "SQLITE_FULL":
        return disk_full(path)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreFailed(
            f"{path} is locked by another process",
            hint=f"`fuser {path}` names it; end it (an open sqlite3 shell, a backup job), then try again",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return StoreFailed(f"{path} can't be written: {error}", hint="volantd must own the file and its folder, on a writable file system")
    if name.startswith("SQLITE_CANTOPEN"):
        return StoreFailed(f"{path} can't be opened: {error}", hint="volantd must be able to read and write the file and its folder")
    if name.startswith("SQLITE_IOERR"):
        return StoreFailed(
            f"reading or writing {path} failed: {error} ({name})", hint="the kernel's log (`dmesg`) tells what the disk said"
        )
    return StoreFailed(f"the database {path} failed: {error} ({name or type(error).__name__})", hint="docs/store.md lists what to do")


def is_about_the_disk(error: sqlite3.Error) -> bool:
    """Rather than about the statement that met it."""
    return (getattr(error, "sqlite_errorname", "") or "").startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_READONLY"))


def damaged(path: Path, detail: str) -> StoreFailed:
    return StoreFailed(f"{path} is damaged: {detail}", hint=_RESTORE.format(name=path.name))


def disk_full(path: Path) -> HostShort:
    return HostShort(
        f"there is no space left for {path}; nothing of this change was stored",
        hint=f"free some space (`df -h {path.parent}`), then try again",
    )
