"""A guest that exists in memory only: its state, its serial line and its clock.

It costs no task and no thread. What it does by itself (getting ready) happens when somebody who waits on one of its pipes looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from signal import SIGTERM

import trio

from volant.daemon.host.clock import utc_now
from volant.daemon.hypervisors.fake.agent import FakeAgent
from volant.daemon.hypervisors.fake.shell import Shell
from volant.daemon.hypervisors.fake.stream import FakePipe
from volant.daemon.ports import ExitReport, LaunchPlan, ProcessIdentity
from volant.proto.api.guest import GuestStatus
from volant.proto.api.vm import LogLine
from volant.proto.errors import Fault
from volant.proto.messages import PROTOCOL

GREETING = "guest is up"
"""First line on the serial console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a guest will act; set it on `FakeHost` before the launch."""

    launch_fault: Fault | None = None
    """The launch fails with this."""
    ready_s: float = 0.0
    """From launch to ready; infinity: never."""
    ignores_shutdown: bool = False
    """Agrees to power off, and doesn't."""
    mute: bool = False
    """The agent never says anything."""
    dies_s: float = 0.0
    """From SIGKILL to its end: of a VMM that the kernel holds."""
    protocol: tuple[int, int] = PROTOCOL
    """Oldest and newest protocol that the agent speaks."""


class FakeGuest:
    """One guest and the VMM it would run in."""

    def __init__(self, identity: ProcessIdentity, plan: LaunchPlan, behaviour: Behaviour, on_exit: Callable[[FakeGuest], None]) -> None:
        self.identity = identity
        self.plan = plan
        self.behaviour = behaviour
        self._on_exit = on_exit
        self.exited = trio.Event()
        self.report: ExitReport | None = None
        self.status = GuestStatus(phase="starting", boot_id=f"{plan.vm_id}-{identity.start_time}")
        self.logs: list[LogLine] = []
        self._ready_at = trio.current_time() + behaviour.ready_s
        self._paused = False
        self._withheld: list[tuple[FakePipe, bytes]] = []
        """What came for a paused guest, by the pipe it came on."""
        self._agent: FakeAgent | None = None
        self._agent_pipe: FakePipe | None = None
        self._console_pipe: FakePipe | None = None
        self._shell = Shell(self.power_off, self.print)
        self.print(f"fake kernel: {GREETING}")
        self.log("workload started")

    # ------------------------------------------------------------------------------------------------- what tests may do

    def crash(self, cause: str = "guest-panic") -> None:
        """It ends now, unasked."""
        if cause == "guest-panic":
            self.print("Kernel panic - not syncing: asked for by a test")
        self.exit(ExitReport(cause=cause, exit_code=0 if cause.startswith("guest-") else 1))

    def turn(self, phase: str, *, health: str = "unknown", message: str = "", exit_code: int | None = None, signal: int = 0) -> None:
        """The agent reports another phase (see `GuestStatus`), for example `unhealthy` or `exited`."""
        self.status = replace(self.status, phase=phase, health=health, message=message, exit_code=exit_code, signal=signal)
        self.print(f"kestrel: {phase} {message}".rstrip())
        if self._agent is not None:
            self._agent.tell_status()

    @property
    def protocol(self) -> tuple[int, int]:
        return self.behaviour.protocol

    # ------------------------------------------------------------------------------------------------------ its own time

    def advance(self) -> None:
        """Do what is due."""
        if self.due() <= trio.current_time():
            self.turn("ready", health="healthy")

    def due(self) -> float:
        """trio time at which it gets ready; infinity when it won't, or is."""
        return self._ready_at if self.status.phase == "starting" and self.report is None and not self._paused else inf

    # ----------------------------------------------------------------------------------------------------- what a VMM does

    def open_agent(self) -> FakePipe:
        """Connect to the agent; an older connection ends."""
        if self._agent_pipe is not None:
            self._agent_pipe.end()
        self._agent_pipe = pipe = FakePipe(self, lambda data: self._deliver(pipe, data))
        self._agent = FakeAgent(self, pipe.put)
        return pipe

    def open_console(self) -> FakePipe:
        """Connect to the serial line; an older connection ends."""
        if self._console_pipe is not None:
            self._console_pipe.end()
        self._console_pipe = pipe = FakePipe(self, lambda data: self._deliver(pipe, data))
        return pipe

    def pause(self, paused: bool) -> None:
        """Stand still, or go on with what came meanwhile."""
        self._paused = paused
        if not paused:
            withheld, self._withheld = self._withheld, []
            for pipe, data in withheld:
                self._deliver(pipe, data)
            for open_pipe in (self._agent_pipe, self._console_pipe):
                if open_pipe is not None:
                    open_pipe.put(b"")

    def exit(self, report: ExitReport) -> None:
        """End; only the first end counts."""
        if self.report is not None:
            return
        self.report = report
        self._on_exit(self)
        self.exited.set()
        for pipe in (self._agent_pipe, self._console_pipe):
            if pipe is not None:
                pipe.end()

    def end_workload(self) -> None:
        """The workload is asked to end, and does as one that does not heed SIGTERM by itself."""
        if self.status.phase in ("starting", "ready", "unhealthy"):
            self.turn("exited", message="the workload was killed by signal 15 when asked to stop", exit_code=128 + SIGTERM, signal=SIGTERM)

    def power_off(self, *, reboot: bool = False) -> None:
        """The guest ends itself, as far as its behaviour lets it."""
        if not self.behaviour.ignores_shutdown:
            self.print("reboot: " + ("Restarting system" if reboot else "Power down"))
            self.exit(ExitReport(cause="guest-reset" if reboot else "guest-shutdown", exit_code=0))

    def print(self, line: str) -> None:
        """A line on the serial console: into the log, as a VMM does, and to whoever is connected."""
        data = line.encode() + b"\r\n"
        with self.plan.console_log.open("ab") as file:
            file.write(data)
        if self._console_pipe is not None and self._console_pipe.open:
            self._console_pipe.put(data)

    def log(self, text: str, stream: str = "stdout") -> None:
        """A line of the workload's output."""
        line = LogLine(len(self.logs) + 1, utc_now(), stream, text)
        self.logs.append(line)
        if self._agent is not None:
            self._agent.tell_line(line)

    def _deliver(self, pipe: FakePipe, data: bytes) -> None:
        if self._paused:
            self._withheld.append((pipe, data))
        elif pipe is self._console_pipe:
            self._shell.type(data)
        elif pipe is self._agent_pipe and self._agent is not None and not self.behaviour.mute:
            self._agent.take(data)
