"""One daemon for the network of one namespace: it holds an interface that nobody else can make meanwhile. Blocking, one thread.

A tap that is not persistent belongs to the descriptor that made it, so it is a lock per namespace: it goes with its process however that
ends, holds between containers with file systems of their own too, and only those can take it who may change the namespace's network. (Any
user could keep a daemon off by a name in the abstract socket space, or by locking the namespace's file. An nftables table can have an owner
too, but nftables 1.0.6 writes garbage of such a table where somebody asks for JSON.)
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from volant.daemon.net.taps import DEVICE, interface_index, make_tap

INTERFACE = "volantd"
"""Never up, and no port of a bridge."""

ELSEWHERE = "give this one a network namespace of its own (docs/network.md), or create the VM with `--network user`"
"""What to do where the network is another daemon's."""


class ClaimHeld(Exception):
    """Another process has this namespace's network. `pid` as far as it can be told; 0 where it can't."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"held by process {pid}" if pid else "held by another process")
        self.pid = pid


class NetworkClaim:
    """The network of the namespace in which it is first taken."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        return self._descriptor is not None

    def check(self) -> None:
        """ClaimHeld while another process has it."""
        if self._descriptor is None and interface_index(INTERFACE):
            raise ClaimHeld(_holder())

    def take(self) -> None:
        """Hold it until `release`, or until this process ends; nothing where it is held already.

        ClaimHeld; OSError where the kernel does not let this process change the network.
        """
        if self._descriptor is not None:
            return
        try:
            self._descriptor = make_tap(INTERFACE)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise ClaimHeld(_holder()) from None

    def release(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _holder() -> int:
    """The process of this namespace that has the interface open, as /proc tells of it; 0 where it doesn't."""
    here = Path("/proc/thread-self/ns/net").stat().st_ino
    for process in Path("/proc").iterdir():
        with suppress(OSError):  # it ended meanwhile, or is none
            if process.name.isdecimal() and (process / "ns/net").stat().st_ino == here and _has_it_open(process):
                return int(process.name)
    return 0


def _has_it_open(process: Path) -> bool:
    taps = (fd for fd in (process / "fd").iterdir() if fd.readlink() == Path(DEVICE))
    return any(f"iff:\t{INTERFACE}\n" in (process / "fdinfo" / fd.name).read_text() for fd in taps)
