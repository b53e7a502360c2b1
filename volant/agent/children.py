"""Child processes: forked, placed in the workload's tree, reaped; and, as PID 1, everybody's orphans reaped too.

`subprocess` is not used: it costs 50 ms to import in an emulated guest, and can neither change the root nor leave the
reaping to somebody else.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import termios
from collections.abc import Callable
from typing import NamedTuple

from volant.agent.loop import Condition, Loop

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for when the environment names no PATH: what login(1) gives root."""

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a shell for a program that is not there or can't be run."""

_REPORT_BYTES = 16

_HINTS = {
    "workdir": "name a folder that exists in the guest",
    "user": "name a user that the guest's /etc/passwd has",
    "exec": "name an executable of the guest by its whole path, or one that is on the workload's PATH",
}
"""What to do, by the stage that failed."""


class SpawnError(Exception):
    """The program could not be started; `exit_code` is what a shell would have said."""

    def __init__(self, stage: str, name: str, number: int) -> None:
        reason = os.strerror(number).lower()
        sentences = {
            "root": f"the workload's tree {name!r} can't be entered: {reason}",
            "workdir": f"the working directory {name!r} can't be entered: {reason}",
            "user": f"the user can't be changed: {reason}",
            "terminal": f"the terminal can't be attached: {reason}",
            "exec": f"{name!r} was not found" if number == errno.ENOENT else f"{name!r} can't be run: {reason}",
        }
        super().__init__(sentences[stage])
        self.hint = _HINTS.get(stage, "")
        self.exit_code = NOT_FOUND if number == errno.ENOENT else NOT_EXECUTABLE


class Credentials(NamedTuple):
    """As whom a program runs."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/root"
    name: str = "root"


class Launch(NamedTuple):
    """A program to start. `stdio` are the descriptors that become 0, 1 and 2; the caller closes its own copies."""

    argv: tuple[str, ...]
    env: dict[str, str]
    stdio: tuple[int, int, int]
    tree: str = "/"
    workdir: str = "/"
    credentials: Credentials | None = None
    """None: as we are ourselves."""
    terminal: bool = False
    """Descriptor 0 is a terminal that shall control the program's session."""


class Child:
    """One started process, leader of its own session and group."""

    __slots__ = ("_changed", "pid", "status")

    def __init__(self, pid: int, changed: Condition) -> None:
        self.pid = pid
        self.status: int | None = None
        """What waitpid said, once it has ended."""
        self._changed = changed

    def ended(self, status: int) -> None:
        """The reaper's word."""
        self.status = status
        self._changed.notify()

    async def wait(self) -> None:
        while self.status is None:
            await self._changed.wait()

    @property
    def signal(self) -> int:
        """The signal that ended it; 0 when it exited by itself."""
        return os.WTERMSIG(self.status) if self.status is not None and os.WIFSIGNALED(self.status) else 0

    @property
    def exit_code(self) -> int:
        """As a shell says it: 128 + signal when killed by one."""
        assert self.status is not None
        return 128 + self.signal if self.signal else os.waitstatus_to_exitcode(self.status)

    def kill(self) -> None:
        """SIGKILL to this one process, which has not been reaped."""
        os.kill(self.pid, signal.SIGKILL)

    def send(self, number: int) -> None:
        """Signal the whole process group; nobody left in it is no error."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass


class Children:
    """Starts processes and reaps every child this process has."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._running: dict[int, Child] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        # A handler is needed for the wake-up byte to be written at all; the work is done in `reap`.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    @property
    def running(self) -> int:
        """How many started processes have not ended."""
        return len(self._running)

    async def reap(self) -> None:
        """Collect the dead, for ever: our own children and, as PID 1, whoever was orphaned."""
        while True:
            self._collect()
            await self._loop.read(self._wake_read)

    async def spawn(self, launch: Launch) -> Child:
        """Start a program in its own session; SpawnError when it can't be."""
        report_read, report_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _become(launch, report_write)
        os.close(report_write)
        child = self._adopt(pid)
        try:
            report = await self._loop.read(report_read, _REPORT_BYTES)
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            os.close(report_read)
        if report:
            stage, _, number = report.decode().partition(" ")
            name = {"root": launch.tree, "workdir": launch.workdir}.get(stage, launch.argv[0])
            raise SpawnError(stage, name, int(number))
        return child

    def fork(self, work: Callable[[], None], keep: tuple[int, ...]) -> Child:
        """Run `work` in a forked copy of this process that has only the descriptors `keep`, and no console."""
        pid = os.fork()
        if pid == 0:
            try:
                signal.set_wakeup_fd(-1)
                os.setsid()
                # Whoever waits for the end of a pipe must not wait for this copy of its other end.
                for fd in map(int, os.listdir("/proc/self/fd")):
                    if fd not in keep:
                        _close(fd)
                work()
            finally:
                os._exit(0)
        return self._adopt(pid)

    def _adopt(self, pid: int) -> Child:
        child = self._running[pid] = Child(pid, Condition(self._loop))
        return child

    def _collect(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._running.pop(pid, None)
            if child is not None:
                child.ended(status)


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass  # the one that listed them


def _become(launch: Launch, report: int) -> None:
    """In the child: turn into the program, or write `stage errno` to `report` and exit. Never returns."""
    stage = "root"
    try:
        os.setsid()
        # Lifted above 0-2 first, so that placing one of them can't overwrite another.
        lifted = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in launch.stdio]
        for target, fd in enumerate(lifted):
            os.dup2(fd, target, inheritable=True)
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        if launch.tree != "/":
            os.chroot(launch.tree)
        stage = "terminal"
        if launch.terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        stage = "user"
        if launch.credentials is not None:
            os.setgroups(launch.credentials.groups)
            os.setgid(launch.credentials.gid)
            os.setuid(launch.credentials.uid)
        stage = "workdir"
        os.chdir(launch.workdir)
        stage = "exec"
        _exec(launch.argv, launch.env)
    except OSError as error:
        os.write(report, f"{stage} {error.errno}".encode())
    finally:
        os._exit(NOT_FOUND)


def _exec(argv: tuple[str, ...], env: dict[str, str]) -> None:
    """execve along PATH. Written out because `os.execvpe` imports a module, and after the chroot there are none."""
    if "/" in argv[0]:
        os.execve(argv[0], argv, env)  # noqa: S606
    denied: OSError | None = None
    for folder in env.get("PATH", DEFAULT_PATH).split(":"):
        try:
            os.execve(f"{folder or '.'}/{argv[0]}", argv, env)  # noqa: S606
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            denied = error
    raise denied or FileNotFoundError(errno.ENOENT, "not on PATH")
