"""Waiting for files to grow that other processes append to: one inotify(7) instance for all of them, since a user may have few."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import trio

_log = logging.getLogger("volant.host")

LOOK_AGAIN_S = 0.1
"""How often who waits looks by itself where the kernel gives no more watches: soon enough for a person."""

_IN_MODIFY = 0x02
_IN_Q_OVERFLOW = 0x4000
"""More happened than the kernel keeps for us (fs.inotify.max_queued_events): any file may have grown."""
_EVENT = struct.Struct("=iIII")
"""Watch, mask, cookie, length of the name that follows: struct inotify_event of <sys/inotify.h>."""
_READ_BYTES = 65_536

_libc = ctypes.CDLL(None, use_errno=True)
_libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)


class Growing:
    """One file that is watched."""

    def __init__(self, *, told: bool) -> None:
        self._told = told
        """The kernel says when it was written to."""
        self.lot = trio.lowlevel.ParkingLot()

    async def wait(self) -> None:
        """Return when it may have grown since the last look at it, which happened in the same turn of the loop."""
        if self._told:
            await self.lot.park()
        else:
            await trio.sleep(LOOK_AGAIN_S)


class GrowthWatch:
    """Where there is no inotify everything works, and costs more. The kernel is heard in `nursery`; once that is cancelled nothing can be
    watched any more."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._files: dict[int, list[Growing]] = {}
        """By watch; the kernel gives the same one for the same file."""
        self._fd: int | None = None
        """None until something is watched; -1 where that can't be."""

    @contextmanager
    def watching(self, path: Path) -> Iterator[Growing]:
        """The file at `path`, which exists, watched while the block runs."""
        watch = self._added(path)
        growing = Growing(told=watch >= 0)
        self._files.setdefault(watch, []).append(growing)
        try:
            yield growing
        finally:
            self._files[watch].remove(growing)
            if not self._files[watch]:
                del self._files[watch]
                if watch >= 0 and self._fd is not None and self._fd >= 0:
                    _libc.inotify_rm_watch(self._fd, watch)

    def _added(self, path: Path) -> int:
        """The number of a new watch; -1 where the kernel has none. OSError when the file can't be watched for a reason of its own."""
        if self._fd is None:
            self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            if self._fd >= 0:
                self._nursery.start_soon(self._listen, self._fd)
            else:
                _log.warning("files are looked at for their growth, which costs time: %s", os.strerror(ctypes.get_errno()))
        if self._fd < 0:
            return -1
        watch: int = _libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_MODIFY)
        if watch < 0:
            code = ctypes.get_errno()
            if code not in (errno.ENOSPC, errno.ENOMEM):
                raise OSError(code, os.strerror(code), str(path))
            _log.warning("%s is looked at for its growth, which costs time: the kernel watches no more files", path)
        return watch

    async def _listen(self, fd: int) -> None:
        try:
            while True:
                await trio.lowlevel.wait_readable(fd)
                self._hear(os.read(fd, _READ_BYTES))
        finally:
            self._fd = -1
            os.close(fd)

    def _hear(self, events: bytes) -> None:
        at = 0
        while at < len(events):
            watch, mask, _cookie, length = _EVENT.unpack_from(events, at)
            at += _EVENT.size + length
            for growing in chain(*self._files.values()) if mask & _IN_Q_OVERFLOW else self._files.get(watch, ()):
                growing.lot.unpark_all()
