"""VMMs as processes of this host, looked for without the daemon's help."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from volant.daemon.host.processes import all_marked
from volant.daemon.hypervisors.marks import FOLDER_MARKER, MARKER

DEATH_S = 5.0
"""How long a killed process may take to be dead; the kernel needs a millisecond unless the host is very busy."""


def vmms(runtime_dir: Path, vm_id: str = "") -> list[int]:
    """Pids of the VMMs whose runtime folders lie in `runtime_dir`, or of the one of `vm_id` alone."""
    return [
        identity.pid
        for identity, environ in all_marked(FOLDER_MARKER)
        if Path(environ[FOLDER_MARKER]).parent == runtime_dir / "vms" and vm_id in ("", environ.get(MARKER))
    ]


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
