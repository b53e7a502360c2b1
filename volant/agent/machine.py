"""The machine that PID 1 is responsible for: first mounts, clock, entropy, name, and the way down."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import termios
import time

from volant.agent import syscalls
from volant.agent.syscalls import MNT_DETACH, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REMOUNT
from volant.agent.tree import RUN

RNDADDENTROPY, RNDRESEEDCRNG = 0x40085203, 0x5207
"""<linux/random.h>: add bytes with credit; make the generator use them now."""

END_GRACE_S = 0.3
"""Between SIGTERM and SIGKILL to whatever the workload left behind."""

_FIRST_MOUNTS = (
    ("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""),
    ("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""),
    ("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=755"),
    ("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666"),
    ("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"),  # noqa: S108 - where shared memory lives
    ("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"),
    ("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"),  # noqa: S108 - the guest's own
    ("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""),
)

_NOT_UNMOUNTED = frozenset({"/", "/proc", "/sys", "/dev"})


def mount_basics() -> None:
    """What everything else needs; each is tried, then the first failure raised."""
    failure: OSError | None = None
    for source, target, kind, flags, data in _FIRST_MOUNTS:
        try:
            os.makedirs(target, exist_ok=True)
            syscalls.mount(source, target, kind, flags, data)
        except OSError as error:
            failure = failure or error
    os.makedirs(RUN, exist_ok=True)
    if failure is not None:
        raise failure


class Machine:
    """What the host may set at any time, and the end."""

    def set_clock(self, time_ns: int) -> None:
        """UTC nanoseconds since 1970."""
        time.clock_settime_ns(time.CLOCK_REALTIME, time_ns)

    def add_entropy(self, seed: bytes) -> None:
        """Mix `seed` in and let it count in full; two clones differ from here on."""
        with open("/dev/urandom", "wb", buffering=0) as device:
            fcntl.ioctl(device, RNDADDENTROPY, struct.pack("=ii", len(seed) * 8, len(seed)) + seed)
            fcntl.ioctl(device, RNDRESEEDCRNG)

    def set_hostname(self, name: str) -> None:
        socket.sethostname(name)

    def set_console_size(self, rows: int, cols: int) -> None:
        """The kernel tells whoever has the console as its terminal (SIGWINCH)."""
        console = os.open("/dev/console", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(console, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        finally:
            os.close(console)

    def power_off(self, *, restart: bool) -> None:
        """End every process, write everything to disk, let go of the file systems, and go. Doesn't return."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(-1, number)
            except ProcessLookupError:
                break
            _await_the_last()
        os.sync()
        release_file_systems()
        syscalls.reboot(syscalls.RESTART if restart else syscalls.POWER_OFF)


def release_file_systems() -> None:
    """Unmount what can be unmounted, the newest first; make the rest read-only."""
    with open("/proc/self/mounts") as file:
        targets = [_unescaped(line.split(" ")[1]) for line in file]
    for target in reversed([target for target in targets if target not in _NOT_UNMOUNTED]):
        try:
            syscalls.unmount(target)
        except OSError:
            try:
                syscalls.mount("none", target, flags=MS_REMOUNT | MS_RDONLY)
            except OSError:
                _detach(target)
    os.sync()


def _unescaped(target: str) -> str:
    """As /proc/self/mounts writes it: space, tab, newline and backslash as three octal digits."""
    for escaped, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        target = target.replace(escaped, char)
    return target


def _detach(target: str) -> None:
    try:
        syscalls.unmount(target, MNT_DETACH)
    except OSError:
        pass  # nothing more can be done; all data is on the disk already


def _await_the_last() -> None:
    """Reap until no child is left, or the grace is over."""
    until = time.monotonic() + END_GRACE_S
    while time.monotonic() < until:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            time.sleep(0.01)
