"""One daemon for one state folder: a lock that the kernel takes back however its holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from volant.daemon.store import opening
from volant.proto.errors import StateLocked, StoreFailed

LOCK_NAME = "volantd.lock"

_PID_BYTES = 32
"""Enough for any pid and its line end."""


@contextmanager
def state_lock(state_dir: Path) -> Iterator[None]:
    """Hold the folder, or StateLocked with the holder's pid. The file stays: removing it would let two daemons lock two files."""
    opening.check_folder(state_dir)
    path = state_dir / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, opening.FILE_MODE)
    except OSError as error:
        raise opening.cannot_create(path, error) from error
    try:
        _take(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise StoreFailed(f"{path} can't be locked: {error.strerror}", hint="put the state folder on a local file system") from error
        holder = os.pread(descriptor, _PID_BYTES, 0).decode(errors="replace").strip() or "unknown"
        raise StateLocked(
            f"another volantd (pid {holder}) runs on {path.parent}", hint=f"stop that one first, or {opening.ELSEWHERE}", pid=holder
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
