"""Disk space held back for letting go: on a full disk nothing new is stored, but VMs can be stopped and deleted, which makes room.

Blocking; each call takes a moment at most.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from volant.daemon.ports import Change, DeploymentRecord, DropDeployment, DropPlugin, DropVm, Put, VmRecord
from volant.proto.specs.states import Wanted

RESERVE_BYTES = 1024 * 1024
"""Room for five deletions: each appends some 190 KB to the write-ahead log (measured), and then mostly gives back a whole disk."""

FILE_MODE = 0o600

_log = logging.getLogger("volant.store")


class Reserve:
    """The file at `path`, of `size` bytes that are really allocated."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path, self._size = path, size
        self.held = False
        """Whether the space is ours now."""

    def take(self) -> None:
        """Allocate it, unless there is no room for it just now."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                os.posix_fallocate(descriptor, 0, self._size)
            finally:
                os.close(descriptor)
        except OSError as error:
            # Part of it may have been allocated, which somebody else needs more than we do.
            self._path.unlink(missing_ok=True)
            _log.debug("no space is held back in %s: %s", self._path, error)
        else:
            self.held = True

    def give(self) -> None:
        """Give it up for what is stored next."""
        if self.held:
            _log.warning("the disk is full: %s is given up, so that VMs can be stopped and deleted", self._path)
        self.held = False
        self._path.unlink(missing_ok=True)


def lets_go(changes: Iterable[Change]) -> bool:
    """Whether a transaction is a step on the way to more room."""
    return any(_lets_go(change) for change in changes)


def _lets_go(change: Change) -> bool:
    match change:
        case Put(VmRecord() as record):
            return record.wanted in (Wanted.STOPPED, Wanted.DESTROYED)
        case Put(DeploymentRecord() as record):
            return record.deleting
        case DropVm() | DropDeployment() | DropPlugin():
            return True
    return False
