"""Where a daemon reaches one VMM: Unix sockets in the VM's runtime folder, bound here and handed to the VMM as descriptors."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import trio

from volant.daemon.ports import LaunchPlan
from volant.proto.errors import ConnectionLost, LaunchFailed


@dataclass(frozen=True, slots=True)
class Sockets:
    """The three sockets of one VMM."""

    control: Path
    console: Path
    agent: Path

    @classmethod
    def of(cls, plan: LaunchPlan) -> Sockets:
        folder = plan.runtime_dir
        return cls(folder / "qmp.sock", folder / "console.sock", folder / "agent.sock")

    def all(self) -> tuple[Path, ...]:
        return (self.control, self.console, self.agent)

    def remove(self) -> None:
        """Take the names away; nobody listens on them any more."""
        for path in self.all():
            path.unlink(missing_ok=True)


def listener(path: Path) -> socket.socket:
    """A Unix socket that listens at `path`, whatever a dead VMM left there. LaunchFailed."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(str(path))
        path.chmod(0o600)
        made.listen(1)
    except OSError as error:
        made.close()
        raise LaunchFailed(
            f"can't listen at {path}: {error}", hint="choose a runtime folder with a short path that the daemon may write"
        ) from None
    return made


def opened(path: Path, flags: int) -> int:
    """A descriptor of a file that the VMM is to write. LaunchFailed."""
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LaunchFailed(f"can't write {path}: {error.strerror}", hint="let the daemon write its state and runtime folders") from None


async def connect(path: Path, what: str) -> trio.SocketStream:
    """Connect to one of them. ConnectionLost names `what` it is."""
    try:
        return await trio.open_unix_socket(path)
    except OSError as error:
        raise ConnectionLost(f"the VM's {what} can't be reached: {error.strerror}", hint="see whether the VM still runs") from None
