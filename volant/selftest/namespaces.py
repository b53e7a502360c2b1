"""Network namespaces: whatever is done to the network happens in one of its own, and goes with it.

A namespace belongs to a thread. Threads and processes started inside take it over, so a daemon that is started inside runs there as well.
Threads that trio kept from earlier stay where they are: code that does networking in `trio.to_thread` needs a process of its own.
`/sys/class/net` shows the namespace in which /sys was mounted, that is not this one; `/proc/sys/net` shows the caller's.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class NetNs:
    """A namespace, alive as long as this is open (or anybody is inside)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def path(self) -> str:
        """What `ip link set DEV netns PATH` takes, in this process and its children."""
        return f"/proc/{os.getpid()}/fd/{self._descriptor}"

    @property
    def inode(self) -> int:
        """The kernel's number of it, which /proc/PID/ns/net shows too."""
        return os.fstat(self._descriptor).st_ino

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is inside meanwhile. Sockets opened here stay inside for ever. No `await` in the block."""
        outside = _own_descriptor()
        try:
            _check(_libc.setns(self._descriptor, CLONE_NEWNET))
            yield
        finally:
            _check(_libc.setns(outside, CLONE_NEWNET))
            os.close(outside)

    def run(self, *command: str) -> str:
        """Run a program inside, to its end; its output. CalledProcessError when it fails."""
        with self.entered():
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def popen(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a process inside, for example a daemon."""
        with self.entered():
            return subprocess.Popen(list(argv), **options)

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def new_netns() -> Iterator[NetNs]:
    """Another namespace, with loopback up; the caller stays where it is."""
    outside = _own_descriptor()
    try:
        _check(_libc.unshare(CLONE_NEWNET))
        namespace = NetNs(_own_descriptor())
    finally:
        _check(_libc.setns(outside, CLONE_NEWNET))
        os.close(outside)
    try:
        namespace.run("ip", "link", "set", "lo", "up")
        yield namespace
    finally:
        namespace.close()


@contextmanager
def fresh_netns() -> Iterator[NetNs]:
    """A namespace that the calling thread is in meanwhile."""
    with new_netns() as namespace, namespace.entered():
        yield namespace


def _own_descriptor() -> int:
    return os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _check(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
