"""System calls that Python doesn't have: mounting, loading kernel modules, power."""

from __future__ import annotations

import ctypes
import os

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_NOATIME = 1, 2, 4, 8, 32, 1024
MS_BIND, MS_REC = 4096, 16384
"""<sys/mount.h>."""

MNT_DETACH = 2

POWER_OFF, RESTART = 0x4321FEDC, 0x01234567
"""<sys/reboot.h>."""

_FINIT_MODULE = {"x86_64": 313, "aarch64": 273}
"""Its number by machine: the C library has no function for it."""

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2); OSError names `target`."""
    done = _libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode() or None)
    _check(done, target)


def unmount(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), flags), target)


def load_module(path: str) -> None:
    """finit_module(2) without parameters; a module that is loaded already is fine."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.syscall(_FINIT_MODULE[os.uname().machine], fd, b"", 0), path)
    except FileExistsError:
        pass
    finally:
        os.close(fd)


def reboot(command: int) -> None:
    """reboot(2): POWER_OFF or RESTART, at once and without syncing."""
    _check(_libc.reboot(ctypes.c_int(command)), "reboot")


def _check(done: int, name: str) -> None:
    if done < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
