"""Processes that outlive us: told apart for ever, watched and killed through a pidfd, found by a marker.

A pid alone names nobody: it is reused. So a process is its pid, its start time and the boot it lives in, and whatever
is done to it goes through a pidfd whose start time was compared *after* it was opened.
"""

from __future__ import annotations

import os
import pwd
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from volant.daemon.ports import ProcessIdentity

PROC = Path("/proc")
BOOT_ID = PROC / "sys/kernel/random/boot_id"

_START_TIME_FIELD = 22
"""proc(5): start time in clock ticks after boot; fields are counted from 1."""


def boot_id() -> str:
    """The id of this boot of the host."""
    return BOOT_ID.read_text().strip()


def parse_start_time(stat: bytes) -> int:
    """Start time from the bytes of /proc/PID/stat; ValueError when they are none.

    The program's name (field 2) is in parentheses and may itself hold spaces and parentheses, so it ends at the last one.
    """
    after_name = stat[stat.rindex(b")") + 1 :].split()
    return int(after_name[_START_TIME_FIELD - 3])


def identify(pid: int) -> ProcessIdentity | None:
    """Who `pid` is now; None when there is no such process."""
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return ProcessIdentity(pid, parse_start_time(stat), boot_id())


class Process:
    """One process held by pidfd. Being a zombie counts as dead: nothing of it runs any more."""

    def __init__(self, identity: ProcessIdentity, pidfd: int) -> None:
        self.identity = identity
        self._pidfd = pidfd
        self.exit_code: int | None = None
        """As `subprocess` says it (negative: killed by that signal); None while it lives or when it was not our child."""

    @classmethod
    def open(cls, identity: ProcessIdentity) -> Process | None:
        """Hold that very process; None when it is dead, or its pid belongs to another one."""
        if identity.boot_id != boot_id():
            return None
        try:
            pidfd = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            return None
        process = cls(identity, pidfd)
        is_it = False
        try:
            # Only now the pid can't be handed on to another process unnoticed.
            is_it = identify(identity.pid) == identity and process.alive
        finally:
            if not is_it:
                process.close()
        return process if is_it else None

    @property
    def alive(self) -> bool:
        """Whether any of its threads still exists; False, too, once `close` was called."""
        if self._pidfd < 0:
            return False
        # poll, not select: descriptors above 1,023 are ordinary in a daemon of many VMs.
        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        return not poller.poll(0)

    async def wait_dead(self) -> None:
        """Return once it is dead, and reaped if it is our child. Any number of callers."""
        # A descriptor of our own: trio lets one task wait on each, and `close` may come while we wait.
        pidfd = os.dup(self._pidfd)
        try:
            await trio.lowlevel.wait_readable(pidfd)
        finally:
            trio.lowlevel.notify_closing(pidfd)
            os.close(pidfd)
        self._reap()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it is dead."""
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            pass

    async def kill(self) -> None:
        """SIGKILL, and return once it is proven dead."""
        self.send_signal(signal.SIGKILL)
        await self.wait_dead()

    def close(self) -> None:
        """Let go of it; it lives on if it lives."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _reap(self) -> None:
        if self._pidfd < 0 or self.exit_code is not None:
            return
        try:
            result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return
        if result is not None:
            self.exit_code = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """A program to start in a session of its own, so that it outlives us."""

    argv: Sequence[str]
    env: Mapping[str, str]
    stderr: int
    """Descriptor that takes both its outputs."""
    pass_fds: tuple[int, ...] = ()
    """Descriptors it gets, under the same numbers."""
    user: str = ""
    """User to run as, with that user's groups alone; empty: ours. Only root may name one."""


def spawn(wanted: Spawn) -> Process:
    """Start it. FileNotFoundError or PermissionError when the program can't be run, KeyError when there is no such user."""
    entry = pwd.getpwnam(wanted.user) if wanted.user else None
    popen = subprocess.Popen(
        wanted.argv,
        env=dict(wanted.env),
        stdin=subprocess.DEVNULL,
        stdout=wanted.stderr,
        stderr=wanted.stderr,
        pass_fds=wanted.pass_fds,
        cwd="/",
        start_new_session=True,
        user=wanted.user or None,
        group=entry.pw_gid if entry else None,
        extra_groups=os.getgrouplist(entry.pw_name, entry.pw_gid) if entry else None,
    )
    # The child can't be reaped before we do it, so its pid is still its own here.
    identity = identify(popen.pid)
    assert identity is not None
    process = Process(identity, os.pidfd_open(popen.pid))
    # Reaping is ours, through the pidfd: Popen must neither wait for the child nor warn that it lives on.
    popen.returncode = 0
    return process


def all_marked(name: str) -> list[tuple[ProcessIdentity, dict[str, str]]]:
    """Processes whose environment holds the variable `name`, with their environment, of those that we may look into."""
    start = f"{name}=".encode()
    found: list[tuple[ProcessIdentity, dict[str, str]]] = []
    for pid in filter(str.isdecimal, os.listdir(PROC)):
        try:
            environ = (PROC / pid / "environ").read_bytes()
        except OSError:
            continue
        if start not in environ:
            continue
        pairs = dict(os.fsdecode(word).partition("=")[::2] for word in environ.split(b"\0"))
        if name in pairs and (identity := identify(int(pid))) is not None:
            found.append((identity, pairs))
    return found


def command_line_of(pid: int) -> tuple[str, ...]:
    """The arguments `pid` was started with; empty when it is gone or a zombie."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(os.fsdecode(word) for word in raw.rstrip(b"\0").split(b"\0")) if raw else ()
