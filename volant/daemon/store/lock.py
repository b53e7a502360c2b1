"""One daemon for one state folder, and for one runtime folder: locks that the kernel takes back however their holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from volant.daemon.store import opening
from volant.proto.errors import StateLocked, StoreFailed

LOCK_NAME = "volantd.lock"

_PID_BYTES = 32
"""Enough for any pid and its line end."""

_RUNTIME_ELSEWHERE = "name another folder with --runtime-dir or VOLANT_RUNTIME_DIR"


@contextmanager
def folder_locks(state_dir: Path, runtime_dir: Path) -> Iterator[None]:
    """Hold both folders: a daemon with another store would take the sockets and VMMs in this runtime folder for nobody's, and end them."""
    with ExitStack() as held:
        held.enter_context(state_lock(state_dir))
        if not runtime_dir.samefile(state_dir):
            held.enter_context(_locked(runtime_dir, _RUNTIME_ELSEWHERE))
        yield


@contextmanager
def state_lock(state_dir: Path) -> Iterator[None]:
    """Hold the folder, or StateLocked with the holder's pid. The file stays: removing it would let two daemons lock two files."""
    opening.check_folder(state_dir)
    with _locked(state_dir, opening.ELSEWHERE):
        yield


@contextmanager
def _locked(folder: Path, elsewhere: str) -> Iterator[None]:
    path = folder / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, opening.FILE_MODE)
    except OSError as error:
        raise opening.cannot_create(path, error) from error
    try:
        _take(descriptor, path, elsewhere)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, elsewhere: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise StoreFailed(f"{path} can't be locked: {error.strerror}", hint="put the folder on a local file system") from error
        holder = os.pread(descriptor, _PID_BYTES, 0).decode(errors="replace").strip() or "unknown"
        raise StateLocked(
            f"another volantd (pid {holder}) runs on {path.parent}", hint=f"stop that one first, or {elsewhere}", pid=holder
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
