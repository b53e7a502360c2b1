"""What the guest is doing, as its watchers are told.

booting -> starting -> ready <-> unhealthy
              |          |          |
              +----------+----------+--> exited     (the workload ended)
              +--> failed                           (could not be started, or never got healthy)
"""

from __future__ import annotations

import time
from typing import Any

from volant.agent.console import Console
from volant.agent.logs import Logs
from volant.agent.loop import Condition

LIVE = ("starting", "ready", "unhealthy")
"""Phases in which the workload runs."""


def since_boot_ms() -> int:
    """Milliseconds since the kernel started, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boot_id() -> str:
    """This boot's random id; empty where the kernel doesn't tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


class Status:
    """The present phase; each change is said on the console and wakes the watchers."""

    def __init__(self, console: Console, logs: Logs, changed: Condition) -> None:
        self._console = console
        self._logs = logs
        self.changed = changed
        self.version = 0
        """Grows with each change."""
        self.phase = "booting"
        self.health = "unknown"
        self.message = ""
        self.exit_code: int | None = None
        self.signal = 0
        self.timings: dict[str, int] = {}

    def reached(self, step: str) -> None:
        """Note when a step of the boot was first reached."""
        self.timings.setdefault(step, since_boot_ms())

    def enter(self, phase: str, message: str = "", *, health: str | None = None, exit_code: int | None = None, signal: int = 0) -> None:
        """Change to `phase`; code and signal are those of a workload that ended."""
        self.phase, self.message = phase, message
        self.health = self.health if health is None else health
        self.exit_code, self.signal = exit_code, signal
        self.version += 1
        if phase == "ready":
            self.reached("ready")
        self._console.say(f"{phase}: {message}" if message else phase)
        self._logs.say(f"{phase}: {message}" if message else phase)
        self.changed.notify()

    def to_wire(self) -> dict[str, Any]:
        """As `GuestStatus` travels."""
        return {
            "phase": self.phase,
            "health": self.health,
            "message": self.message,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "boot_id": boot_id(),
            "uptime_ms": since_boot_ms(),
            "timings": dict(self.timings),
        }
