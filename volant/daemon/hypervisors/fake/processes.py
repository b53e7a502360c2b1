"""A launcher whose VMMs are real processes without guests (`fake.vmm`): they outlive the daemon and are adopted as QEMU's are.

It is what the fault matrix runs on; see `ports.Hypervisor`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import ClassVar

import trio

from volant import __version__
from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.host.processes import Process, Spawn, command_line_of, spawn
from volant.daemon.hypervisors import marks
from volant.daemon.hypervisors.endpoints import Sockets, connect, listener, opened
from volant.daemon.ports import Capabilities, ExitReport, HypervisorFacts, LaunchPlan, ProcessIdentity, Vmm
from volant.proto.errors import ConnectionLost, LaunchFailed

PROGRAM = "volant.daemon.hypervisors.fake.vmm"
_ROOT = Path(__file__).resolve().parents[4]
"""Where the package `volant` lies: a VMM gets no environment of ours that would say so."""

CONTROL_S = 20.0
"""How long the program may take to greet: 0.06 s when idle, some seconds when many start at once on few CPUs."""

LAST_WORDS_S = 1.0
"""How long, after the program's death, its last words may take to be read from the socket's buffer."""

READ_BYTES = 4_096


class ProcessVmm:
    """See `ports.Vmm`. `watch` has to be running as long as the handle is used."""

    def __init__(self, process: Process, plan: LaunchPlan, command_line: tuple[str, ...]) -> None:
        self.identity = process.identity
        self.command_line = command_line
        self._process = process
        self._sockets = Sockets.of(plan)
        self._stderr = _stderr_path(plan)
        self._control: trio.SocketStream | None = None
        self._answers: dict[str, trio.Event] = {}
        self._watching = trio.CancelScope()
        self._watch_ended: trio.Event | None = None
        """None while nobody watches: then there is nothing to wait for."""
        self._killed = False
        self._cause = ""
        self._report: ExitReport | None = None

    async def watch(self, *, adopted: bool = False, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read what the program says until it ends or the handle is released. Started once it has greeted; ConnectionLost when it
        does not. An adopted one is known to run, so for it this is started at once."""
        self._watch_ended = ended = trio.Event()
        try:
            with self._watching:
                if adopted:
                    task_status.started()
                async with await connect(self._sockets.control, "control socket") as stream:
                    await self._listen(stream, task_status if not adopted else trio.TASK_STATUS_IGNORED)
        except (ConnectionLost, trio.BrokenResourceError):
            if not adopted and self._control is None:
                raise ConnectionLost("the fake VMM did not greet", hint="its stderr may say why") from None
        finally:
            self._control = None
            ended.set()

    async def wait_exited(self) -> ExitReport:
        if self._report is None:
            await self._process.wait_dead()
            await self._wait_watch_ended()
        if self._report is None:
            self._sockets.remove()
            code = self._process.exit_code
            self._process.close()
            cause = "killed" if self._killed else self._cause or "host-signal"
            self._report = ExitReport(cause=cause, exit_code=code, stderr=self.stderr_tail())
        return self._report

    async def kill(self) -> ExitReport:
        if self._process.alive:
            self._killed = True
            await self._process.kill()
        return await self.wait_exited()

    async def pause(self) -> None:
        await self._say("pause")

    async def resume(self) -> None:
        await self._say("resume")

    async def wait_starved(self, starved: bool) -> None:
        if starved:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    async def open_agent(self) -> trio.abc.Stream:
        return await connect(self._sockets.agent, "agent channel")

    async def open_console(self) -> trio.abc.Stream:
        return await connect(self._sockets.console, "console")

    async def release(self) -> None:
        self._watching.cancel()
        await self._wait_watch_ended()
        self._process.close()

    async def _wait_watch_ended(self) -> None:
        if self._watch_ended is not None:
            with trio.move_on_after(LAST_WORDS_S):
                await self._watch_ended.wait()

    def stderr_tail(self) -> str:
        try:
            return self._stderr.read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    async def _listen(self, stream: trio.SocketStream, task_status: trio.TaskStatus[None]) -> None:
        rest = b""
        while data := await stream.receive_some(READ_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                word, _, detail = line.decode().partition(" ")
                if word == "up":
                    self._control = stream
                    task_status.started()
                elif word == "ended":
                    self._cause = detail
                elif word in self._answers:
                    self._answers.pop(word).set()

    async def _say(self, word: str) -> None:
        if self._control is None or not self._process.alive:
            raise ConnectionLost("the fake VMM has ended", hint="start the VM")
        answered = self._answers[word] = trio.Event()
        await self._control.send_all(word.encode() + b"\n")
        await answered.wait()


class FakeProcessHypervisor:
    """See `ports.Hypervisor`. `nursery` carries one watching task per VMM; cancelling it leaves the VMs running."""

    name: ClassVar[str] = "fake-process"

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

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

    async def launch(self, plan: LaunchPlan, *, tap_fd: int | None = None) -> Vmm:
        process, argv = await _spawn(plan, tap_fd)
        vmm = ProcessVmm(process, plan, argv)
        try:
            await passed(FaultPoint.VMM_SPAWNED, plan.vm_id)
            with trio.fail_after(CONTROL_S):
                await self._nursery.start(vmm.watch)
            await passed(FaultPoint.CONTROL_ANSWERS, plan.vm_id)
        except BaseException as error:
            with trio.CancelScope(shield=True):
                report = await vmm.kill()
                await vmm.release()
            if isinstance(error, (ConnectionLost, trio.TooSlowError)):
                raise LaunchFailed(
                    f"VM {plan.name!r} can't start: the fake VMM did not greet",
                    hint="its stderr may say why",
                    stderr=report.stderr,
                    command_line=list(argv),
                ) from None
            raise
        return vmm

    async def adopt(self, identity: ProcessIdentity, plan: LaunchPlan) -> Vmm | None:
        process = Process.open(identity)
        if process is None:
            Sockets.of(plan).remove()
            return None
        vmm = ProcessVmm(process, plan, command_line_of(identity.pid))
        await self._nursery.start(partial(vmm.watch, adopted=True))
        return vmm

    async def find(self, plan: LaunchPlan) -> ProcessIdentity | None:
        return marks.find(plan.vm_id, _is_vmm)

    async def running(self, within: Path) -> Mapping[str, ProcessIdentity]:
        return await marks.running(within, _is_vmm)

    def sockets(self, plan: LaunchPlan) -> tuple[Path, ...]:
        return Sockets.of(plan).all()


async def _spawn(plan: LaunchPlan, tap_fd: int | None) -> tuple[Process, tuple[str, ...]]:
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


def _is_vmm(identity: ProcessIdentity, vm_id: str) -> bool:
    words = command_line_of(identity.pid)
    return PROGRAM in words and vm_id in words


def _stderr_path(plan: LaunchPlan) -> Path:
    return plan.runtime_dir / "vmm.stderr"
