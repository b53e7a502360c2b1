"""One running QEMU, launched or adopted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio

from volant.daemon.host.growth import GrowthWatch
from volant.daemon.host.nurseries import helpers
from volant.daemon.host.oom import OomWatch
from volant.daemon.host.processes import Process
from volant.daemon.hypervisors.qemu.failures import exit_cause
from volant.daemon.hypervisors.qemu.monitor import Monitor, MonitorGone, open_monitor
from volant.daemon.hypervisors.qemu.qmp import Happened, QmpBroken
from volant.daemon.hypervisors.qemu.serial import SerialFiles, SerialLine
from volant.daemon.hypervisors.vmm_process import VmmProcess, read_end
from volant.daemon.ports import ExitReport, LaunchPlan
from volant.proto.errors import MAX_EXCERPT_CHARS, ConnectionLost, GuestFailed

RECONNECT_S = 5.0
"""Between attempts to get a lost monitor back; it is only needed for pause, resume and the cause of an exit."""

COMMAND_S = 10.0
"""How long QEMU may take over one command: its main loop answers in a millisecond unless a disk hangs."""

MAX_STDERR = 1_048_576
"""Bytes of stderr kept on disk: a guest can make QEMU complain for ever."""

STDERR_CHECK_S = 60.0
"""Between looks at stderr's size; QEMU's complaints are rate-limited, so little happens in between."""

CONSOLE_END = 8_192
"""Bytes at the console's end in which a kernel panic's first line still stands, its trace after it."""


REPEAT_WRITES_S = 2.0
"""Between two tries to let a guest go on that waits for space: soon enough for a person who has just made some."""

WRITES_SETTLE_S = 0.5
"""How long a repeated write may take to fail again."""


class QemuVmm(VmmProcess):
    """See `ports.Vmm`."""

    def __init__(self, process: Process, plan: LaunchPlan, command_line: tuple[str, ...], growth: GrowthWatch) -> None:
        super().__init__(process, plan, command_line, stderr_path(plan))
        self._console_log = plan.console_log
        self._serial = SerialFiles.of(plan.runtime_dir)
        self._growth = growth
        self._line: SerialLine | None = None
        self._monitor: Monitor | None = None
        self._connected = trio.Event()
        self._shutdown_reason = ""
        self._panicked = False
        self._oom = OomWatch(process.identity)
        self._starved = False
        self._starved_changed = trio.Event()

    async def watch(self, *, adopted: bool = False, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a monitor connected and read its events until QEMU is dead or the handle released.

        Started once the first monitor is there; when there is none, OSError, MonitorGone or QmpBroken. An adopted QEMU is
        known to run, so for it this is started at once and goes on trying.
        """
        try:
            with self._listening():
                if adopted:
                    task_status.started()
                await self._stay_connected(adopted, task_status)
        finally:
            if self._line is not None:
                self._line.end()

    async def open_console(self) -> trio.abc.Stream:
        if self._process.alive and not self._serial.folder.exists():
            return await super().open_console()  # started by a daemon that gave its QEMUs a socket for this
        await trio.lowlevel.checkpoint()
        try:
            self._line = SerialLine(self._serial, self._console_log, self._growth)
        except OSError as error:
            raise ConnectionLost(f"the VM's console can't be reached: {error.strerror}", hint="see whether the VM still runs") from None
        return self._line

    async def pause(self) -> None:
        await self._execute("stop")

    async def resume(self) -> None:
        await self._execute("cont")

    async def wait_starved(self, starved: bool) -> None:
        while self._starved is not starved:
            await self._starved_changed.wait()

    async def _stay_connected(self, patient: bool, task_status: trio.TaskStatus[None]) -> None:
        while self._process.alive or not patient:
            try:
                await self._converse(trio.TASK_STATUS_IGNORED if patient else task_status)
            except (OSError, MonitorGone, QmpBroken):
                if not patient:
                    raise
            patient = True
            with trio.move_on_after(RECONNECT_S):
                await self._process.wait_dead()

    async def _converse(self, task_status: trio.TaskStatus[None]) -> None:
        async with open_monitor(self._sockets.control, self._note) as monitor:
            self._monitor = monitor
            self._connected.set()
            task_status.started()
            try:
                async with helpers() as nursery:
                    nursery.start_soon(self._keep_stderr_small)
                    nursery.start_soon(self._repeat_writes, monitor)
                    await monitor.run()
            finally:
                self._monitor = None
                self._connected = trio.Event()

    async def _execute(self, command: str) -> Any:
        if not self._process.alive:
            raise GuestFailed(f"QEMU can't be told to `{command}`: it has ended", hint="start the VM")
        with trio.move_on_after(COMMAND_S):
            if self._monitor is None:
                await self._connected.wait()
            assert self._monitor is not None
            return await self._monitor.execute(command)
        raise GuestFailed(f"QEMU did not answer `{command}` within {COMMAND_S:.0f} s", hint="stop the VM with --force if it stays so")

    async def _keep_stderr_small(self) -> None:
        while True:
            await trio.sleep(STDERR_CHECK_S)
            end = read_end(self._stderr, MAX_EXCERPT_CHARS)
            try:
                if self._stderr.stat().st_size > MAX_STDERR:
                    # QEMU appends, so it goes on after whatever the file ends with.
                    self._stderr.write_bytes(end)
            except OSError:
                pass  # too long, or gone with the VM's folder: neither is worth a VM

    async def _repeat_writes(self, monitor: Monitor) -> None:
        """QEMU stops a guest whose write found the host's disk full, and repeats the write when told to go on: do that now and then."""
        try:
            self._set_starved(await _is_starved(monitor))
            while True:
                await self.wait_starved(True)
                await trio.sleep(REPEAT_WRITES_S)
                if await _is_starved(monitor):  # it may also have been paused on purpose
                    await monitor.execute("cont")
                    await trio.sleep(WRITES_SETTLE_S)
                self._set_starved(await _is_starved(monitor))
        except GuestFailed:
            pass  # QEMU went away, which whoever reads its events finds out

    def _set_starved(self, starved: bool) -> None:
        if self._starved is not starved:
            self._starved = starved
            self._starved_changed.set()
            self._starved_changed = trio.Event()

    def _note(self, event: Happened) -> None:
        if event.name == "SHUTDOWN":
            self._shutdown_reason = str(event.data.get("reason", ""))
        elif event.name == "GUEST_PANICKED":
            self._panicked = True
        elif event.name == "BLOCK_IO_ERROR" and event.data.get("action") == "stop":
            self._set_starved(True)

    def _remove_endpoints(self) -> None:
        super()._remove_endpoints()
        self._serial.remove()

    def _conclude(self) -> ExitReport:
        code = self._process.exit_code
        cause = exit_cause(
            shutdown_reason=self._shutdown_reason,
            panicked=self._panicked,
            killed=self._killed,
            exit_code=code,
            console_end=read_end(self._console_log, CONSOLE_END),
        )
        detail = ""
        if not self._killed and cause in ("killed", "unknown"):
            detail = self._oom.evidence()
            cause = "host-oom" if detail else cause
            if cause == "killed":
                detail = self._oom.perhaps()
        return ExitReport(cause=cause, exit_code=code, stderr=self.stderr_tail(), detail=detail)


async def _is_starved(monitor: Monitor) -> bool:
    """Whether QEMU stopped the guest because of a write (qapi/run-state.json: RunState io-error)."""
    answer = await monitor.execute("query-status")
    return isinstance(answer, dict) and answer.get("status") == "io-error"


def stderr_path(plan: LaunchPlan) -> Path:
    """Where QEMU's own words are kept."""
    return plan.runtime_dir / "qemu.stderr"
