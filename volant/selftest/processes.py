"""Processes of a trial host, looked for without the daemon's help: by network namespace, and VMMs by their marks too."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from volant.daemon.host.processes import all_marked, command_line_of
from volant.daemon.hypervisors.marks import FOLDER_MARKER, MARKER

SABOTEUR = "volant.selftest.saboteur"
"""The program of daemons under test."""

DEATH_S = 5.0
"""How long a killed process may take to be dead; the kernel needs a millisecond unless the host is very busy."""


def vmms(runtime_dir: Path, vm_id: str = "") -> list[int]:
    """Pids of the VMMs whose runtime folders lie in `runtime_dir`, or of the one of `vm_id` alone."""
    return [
        identity.pid
        for identity, environ in all_marked(FOLDER_MARKER)
        if Path(environ[FOLDER_MARKER]).parent == runtime_dir / "vms" and vm_id in ("", environ.get(MARKER))
    ]


def saboteurs(root: Path) -> list[int]:
    """Pids of the daemons under test whose folders lie in `root`."""
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        words = command_line_of(pid)
        if SABOTEUR in words and any(root in Path(word).parents for word in words):
            found.append(pid)
    return found


def inside(netns: int) -> list[int]:
    """Pids of all that runs in the network namespace with this inode: whatever is started there stays in it, before and after its exec."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}/ns/net").st_ino == netns:
                found.append(int(pid))
        except OSError:
            continue  # it ended, or is none of ours
    return found


def kill_inside(netns: int) -> None:
    """Kill all that runs in that namespace but ourselves, and what it starts meanwhile. TimeoutError when something does not die."""
    while pids := [pid for pid in inside(netns) if pid != os.getpid()]:
        for pid in pids:
            kill_and_wait(pid)


def kill_and_wait(pid: int) -> None:
    """SIGKILL, and return once nothing of the process runs. TimeoutError when it does not die."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        if not poller.poll(DEATH_S * 1000):
            raise TimeoutError(f"process {pid} was killed and does not die")
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)
