"""What launchers have in common whose VMMs are processes that outlive the daemon: handles by pidfd, and finding them by their marks."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.host.processes import Process, command_line_of
from volant.daemon.hypervisors import marks
from volant.daemon.hypervisors.endpoints import Sockets, connect
from volant.daemon.ports import ExitReport, LaunchPlan, ProcessIdentity
from volant.proto.errors import MAX_EXCERPT_CHARS, AgentMissing, Fault

CONTROL_S = 20.0
"""How long a VMM may take to greet: 0.05 s when idle, some seconds when many start at once on few CPUs."""

OWN_EXIT_S = 2.0
"""How long a VMM that hung up at start gets to end by itself, so that its exit code is its own."""

LAST_EVENTS_S = 1.0
"""How long, after a VMM's death, its last words may take to be read from the control socket's buffer."""


class VmmProcess(ABC):
    """The part of a handle (`ports.Vmm`) that is the same for every such VMM. `watch` has to be running as long as it is used."""

    def __init__(self, process: Process, plan: LaunchPlan, command_line: tuple[str, ...], stderr: Path) -> None:
        self.identity = process.identity
        self.command_line = command_line
        self._process = process
        self._sockets = Sockets.of(plan)
        self._stderr = stderr
        self._watching = trio.CancelScope()
        self._watch_ended: trio.Event | None = None
        """None while nobody watches: then there is nothing to wait for."""
        self._killed = False
        self._report: ExitReport | None = None

    @abstractmethod
    async def watch(self, *, adopted: bool = False, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen to the VMM until it is dead or the handle released; its body is in `_listening`. Started once the VMM has greeted. An
        adopted VMM is known to run, so for it this is started at once."""

    @abstractmethod
    def _conclude(self) -> ExitReport:
        """How it ended, told once it is dead and its last words are read. The process is closed afterwards."""

    @abstractmethod
    async def pause(self) -> None: ...
    @abstractmethod
    async def resume(self) -> None: ...
    @abstractmethod
    async def wait_starved(self, starved: bool) -> None: ...

    async def wait_exited(self) -> ExitReport:
        if self._report is None:
            await self._process.wait_dead()
            await self._wait_watch_ended()
        if self._report is None:
            self._remove_endpoints()
            self._report = self._conclude()
            self._process.close()
        return self._report

    async def kill(self) -> ExitReport:
        if self._process.alive:
            self._killed = True
            await self._process.kill()
        return await self.wait_exited()

    async def open_agent(self) -> trio.abc.Stream:
        # In this order: what led to a VMM is taken away once it is dead.
        if not self._sockets.agent.exists() and self._process.alive:
            raise AgentMissing(f"somebody removed {self._sockets.agent}, by which its agent is reached", hint="restart the VM")
        return await connect(self._sockets.agent, "agent channel")

    async def open_console(self) -> trio.abc.Stream:
        return await connect(self._sockets.console, "console")

    async def release(self) -> None:
        self._watching.cancel()
        await self._wait_watch_ended()
        self._process.close()

    def stderr_tail(self) -> str:
        return read_end(self._stderr, MAX_EXCERPT_CHARS).decode("utf-8", "replace")

    def _remove_endpoints(self) -> None:
        """Take away what led to the VMM, which is dead."""
        self._sockets.remove()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """The body listens; `release` ends it."""
        self._watch_ended = ended = trio.Event()
        try:
            with self._watching:
                yield
        finally:
            ended.set()

    async def _wait_watch_ended(self) -> None:
        if self._watch_ended is not None:
            with trio.move_on_after(LAST_EVENTS_S):
                await self._watch_ended.wait()


class ProcessLauncher(ABC):
    """The part of a launcher (`ports.Hypervisor`) that needs no more than its VMMs' marks. `nursery` carries one watching task per VMM;
    cancelling it leaves the VMs running."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    @abstractmethod
    async def _spawn(self, plan: LaunchPlan, tap_fd: int | None) -> tuple[Process, tuple[str, ...]]:
        """Start the process, with its sockets; its command line. Whatever was made for one that can't be started is gone again."""

    @abstractmethod
    def _handle(self, process: Process, plan: LaunchPlan, command_line: tuple[str, ...]) -> VmmProcess:
        """A handle of this launcher's own kind."""

    @abstractmethod
    def _explained(self, error: BaseException, name: str, report: ExitReport, command_line: tuple[str, ...]) -> Fault | None:
        """The fault of a VMM that did not greet, after its end; None for what says nothing about it, as a cancellation."""

    @staticmethod
    @abstractmethod
    def _is_vmm(identity: ProcessIdentity, vm_id: str) -> bool:
        """Whether this marked process is the VMM of that VM, by its command line."""

    @staticmethod
    def _is_ending(error: BaseException) -> bool:
        """Whether a VMM that did not greet in this way ends by itself, with an exit code that tells why."""
        return False

    async def launch(self, plan: LaunchPlan, *, tap_fd: int | None = None) -> VmmProcess:
        process, command_line = await self._spawn(plan, tap_fd)
        vmm = self._handle(process, plan, command_line)
        try:
            await passed(FaultPoint.VMM_SPAWNED, plan.vm_id)
            with trio.fail_after(CONTROL_S):
                await self._nursery.start(vmm.watch)
            await passed(FaultPoint.CONTROL_ANSWERS, plan.vm_id)
        except BaseException as error:
            with trio.CancelScope(shield=True):
                if self._is_ending(error):
                    with trio.move_on_after(OWN_EXIT_S):
                        await vmm.wait_exited()
                report = await vmm.kill()
                await vmm.release()
            fault = self._explained(error, plan.name, report, command_line)
            if fault is not None:
                raise fault from None
            raise
        return vmm

    async def adopt(self, identity: ProcessIdentity, plan: LaunchPlan) -> VmmProcess | None:
        process = Process.open(identity)
        if process is None:
            Sockets.of(plan).remove()
            return None
        vmm = self._handle(process, plan, command_line_of(identity.pid))
        await self._nursery.start(partial(vmm.watch, adopted=True))
        return vmm

    async def find(self, plan: LaunchPlan) -> ProcessIdentity | None:
        return marks.find(plan, self._is_vmm)

    async def running(self, within: Path) -> Mapping[str, ProcessIdentity]:
        return await marks.running(within, self._is_vmm)

    def sockets(self, plan: LaunchPlan) -> tuple[Path, ...]:
        return Sockets.of(plan).all()


def read_end(path: Path, length: int) -> bytes:
    """The last `length` bytes of a file; empty when there is none."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - length))
            return file.read(length)
    except FileNotFoundError:
        return b""
