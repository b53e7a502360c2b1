"""A launcher whose VMMs are real processes without guests (`fake.vmm`): they outlive the daemon and are adopted as QEMU's are.

It is what the fault matrix runs on; see `ports.Hypervisor`.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import trio

from volant import __version__
from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.host.processes import Process, Spawn, command_line_of, spawn
from volant.daemon.hypervisors import marks
from volant.daemon.hypervisors.endpoints import Sockets, connect, listener, opened
from volant.daemon.hypervisors.vmm_process import ProcessLauncher, VmmProcess
from volant.daemon.ports import Capabilities, ExitReport, HypervisorFacts, LaunchPlan, ProcessIdentity
from volant.proto.errors import ConnectionLost, LaunchFailed

PROGRAM = "volant.daemon.hypervisors.fake.vmm"
_ROOT = Path(__file__).resolve().parents[4]
"""Where the package `volant` lies: a VMM gets no environment of ours that would say so."""

READ_BYTES = 4_096


class ProcessVmm(VmmProcess):
    """See `ports.Vmm`."""

    def __init__(self, process: Process, plan: LaunchPlan, command_line: tuple[str, ...]) -> None:
        super().__init__(process, plan, command_line, _stderr_path(plan))
        self._control: trio.SocketStream | None = None
        self._answers: dict[str, trio.Event] = {}
        self._greeted = False
        self._cause = ""

    async def watch(self, *, adopted: bool = False, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read what the program says. ConnectionLost when it does not greet; an adopted one that does not is about to end."""
        try:
            with self._listening():
                async with await connect(self._sockets.control, "control socket") as stream:
                    await self._hear(stream, task_status)
        except (ConnectionLost, trio.BrokenResourceError):
            if self._greeted:
                return  # it has ended, or somebody else is heard now
            if not adopted:
                raise ConnectionLost("the fake VMM did not greet", hint="its stderr may say why") from None
            # It is ending, which `wait_exited` finds out.
            task_status.started()
        finally:
            self._control = None

    async def pause(self) -> None:
        await self._say("pause")

    async def resume(self) -> None:
        await self._say("resume")

    def _conclude(self) -> ExitReport:
        cause = "killed" if self._killed else self._cause or "host-signal"
        return ExitReport(cause=cause, exit_code=self._process.exit_code, stderr=self.stderr_tail())

    async def wait_starved(self, starved: bool) -> None:
        if starved:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    async def _hear(self, stream: trio.SocketStream, task_status: trio.TaskStatus[None]) -> None:
        rest = b""
        while data := await stream.receive_some(READ_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                word, _, detail = line.decode().partition(" ")
                if word == "up":
                    self._control, self._greeted = stream, True
                    task_status.started()
                elif word == "ended":
                    self._cause = detail
                elif word in self._answers:
                    self._answers.pop(word).set()
        raise ConnectionLost("the fake VMM hung up")

    async def _say(self, word: str) -> None:
        if self._control is None or not self._process.alive:
            raise ConnectionLost("the fake VMM has ended", hint="start the VM")
        answered = self._answers[word] = trio.Event()
        await self._control.send_all(word.encode() + b"\n")
        await answered.wait()


class FakeProcessHypervisor(ProcessLauncher):
    """See `ports.Hypervisor`."""

    name: ClassVar[str] = "fake-process"

    async def facts(self) -> HypervisorFacts:
        await trio.lowlevel.checkpoint()
        return HypervisorFacts(
            name=self.name,
            version=__version__,
            binary=sys.executable,
            accel="none",
            accel_reason="VMMs are processes without guests",
            capabilities=Capabilities(boots_kernel=False),
            kernel_words="console=ttyS0",
        )

    async def _spawn(self, plan: LaunchPlan, tap_fd: int | None) -> tuple[Process, tuple[str, ...]]:
        plan.runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        sockets = Sockets.of(plan)
        # If it can't even be started, nobody will listen on the sockets.
        with ExitStack() as stack, ExitStack() as on_failure:
            fds = [stack.enter_context(listener(path)).fileno() for path in (sockets.control, sockets.console, sockets.agent)]
            on_failure.callback(sockets.remove)
            fds.append(opened(plan.console_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
            stack.callback(os.close, fds[-1])
            stderr = opened(_stderr_path(plan), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC)
            stack.callback(os.close, stderr)
            argv = (sys.executable, "-m", PROGRAM, plan.vm_id, *map(str, fds))
            environ = marks.environment(plan) | {"PYTHONPATH": str(_ROOT)}
            kept = (*fds, tap_fd) if tap_fd is not None else tuple(fds)
            await passed(FaultPoint.SOCKETS_BOUND, plan.vm_id)
            process = spawn(Spawn(argv=argv, env=environ, stderr=stderr, pass_fds=kept))
            on_failure.pop_all()
        return process, argv

    def _handle(self, process: Process, plan: LaunchPlan, command_line: tuple[str, ...]) -> ProcessVmm:
        return ProcessVmm(process, plan, command_line)

    def _explained(self, error: BaseException, name: str, report: ExitReport, command_line: tuple[str, ...]) -> LaunchFailed | None:
        if not isinstance(error, (ConnectionLost, trio.TooSlowError)):
            return None
        return LaunchFailed(
            f"VM {name!r} can't start: the fake VMM did not greet",
            hint="its stderr may say why",
            stderr=report.stderr,
            command_line=list(command_line),
        )

    @staticmethod
    def _is_vmm(identity: ProcessIdentity, vm_id: str) -> bool:
        words = command_line_of(identity.pid)
        return PROGRAM in words and vm_id in words


def _stderr_path(plan: LaunchPlan) -> Path:
    return plan.runtime_dir / "vmm.stderr"
