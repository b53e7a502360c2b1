"""The folders of trial hosts, and what of them a selftest leaves that was killed.

A folder is locked for as long as the process that made it lives, and gets its name once it is locked. So one that has the name and no
lock is nobody's any more, and what runs on it is as well.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from volant.selftest.processes import kill_and_wait, saboteurs, vmms

PREFIX = "volant-trial-"
FOLDER_MODE = 0o711
"""A daemon that is root runs real VMs as another user where the host has that one, which has to get through."""

_UNLOCKED = "volant-new-trial-"
"""What a folder is called until it is locked; it is empty then."""


@contextmanager
def trial_folder() -> Iterator[Path]:
    """A new folder, gone with the block."""
    made = Path(tempfile.mkdtemp(prefix=_UNLOCKED))
    with _locked(made) as is_ours:
        assert is_ours, "nobody else locks a folder of that name"
        made.chmod(FOLDER_MODE)
        folder = made.rename(made.with_name(PREFIX + made.name.removeprefix(_UNLOCKED)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers() -> list[Path]:
    """Kill and remove what dead selftests of this user left in the folder for temporary files; the trial folders that it was.

    TimeoutError when a process does not die, OSError when a file can't be removed.
    """
    removed = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        with _locked(folder) as is_ours:
            if is_ours:
                # Daemons before VMMs: one that still runs would look for those.
                for pid in (*saboteurs(folder), *vmms(folder / "r")):
                    kill_and_wait(pid)
                shutil.rmtree(folder)
                removed.append(folder)
    return removed


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether this folder is this user's and was free; it is locked meanwhile, and the kernel unlocks it however this process ends."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False  # gone, or no folder
        return
    try:
        yield os.fstat(descriptor).st_uid == os.geteuid() and _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
