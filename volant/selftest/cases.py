"""The matrix: each place where a daemon may suffer, with each harm that can happen there. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from volant.daemon.host.faultpoints import FaultPoint

HANG_S = 5.0
"""How long a hang takes: longer than anybody who waits believes that it still works, and shorter than every limit of the daemon's."""


class Harm(Enum):
    """What happens at a place."""

    KILL_DAEMON = "kill-daemon", "SIGKILL of the daemon"
    KILL_VMM = "kill-vmm", "SIGKILL of the VMM"
    EXCEPTION = "exception", "an exception that nobody foresaw"
    HANG = "hang", "the step hangs"
    ENOSPC = "enospc", "the disk is full"
    EIO = "eio", "the disk fails"
    REBOOT = "reboot", "the host goes down and comes back: another boot id, no process, no network, an empty runtime folder"

    def __init__(self, id: str, text: str) -> None:
        self.id, self.text = id, text

    @property
    def ends_daemon(self) -> bool:
        """Whether another daemon has to be started after it."""
        return self in (Harm.KILL_DAEMON, Harm.REBOOT)


@dataclass(frozen=True, slots=True)
class Case:
    """One harm at one place."""

    point: FaultPoint
    harm: Harm

    @property
    def id(self) -> str:
        return f"{self.point.id}-{self.harm.id}"


def matrix(points: Collection[str] = (), harms: Collection[str] = ()) -> tuple[Case, ...]:
    """All cases of the points and harms with these ids; empty: all of them. A VMM is killed only where there is one."""
    return tuple(
        Case(point, harm)
        for point in FaultPoint
        for harm in Harm
        if (not points or point.id in points) and (not harms or harm.id in harms) and (point.has_vmm or harm is not Harm.KILL_VMM)
    )
