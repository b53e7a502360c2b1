"""The agent without the machine around it: workload, calls and channel on one loop. PID 1 is this plus `guest`; tests run it
as an ordinary process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from volant.agent import relay, surface
from volant.agent.calls import GuestCalls, MachineControl, WorkloadCalls, require_workload
from volant.agent.channel import Channel
from volant.agent.children import Children
from volant.agent.config import Config, Workload
from volant.agent.console import Console
from volant.agent.exec import Executor
from volant.agent.files import Copier
from volant.agent.logs import Logs
from volant.agent.loop import Condition, Loop, Task
from volant.agent.session import Handler, describe
from volant.agent.status import Status
from volant.agent.workload import Supervisor

FLUSH_S = 0.5
"""How long the answer to a shutdown may take to get out."""


class Agent:
    """Everything that lives as long as the guest does."""

    def __init__(self, console: Console, machine: MachineControl) -> None:
        self.console = console
        self.loop = Loop(self._on_task_failure)
        self.logs = Logs(Condition(self.loop))
        self.status = Status(console, self.logs, Condition(self.loop))
        self.children = Children(self.loop)
        self.supervisor = Supervisor(self.loop, self.children, self.logs, self.status)
        self._machine = machine
        self._workload: Workload | None = None
        self._executor = Executor(self.loop, self.children)
        self._copier = Copier(self.loop, self.children)
        self._guest_calls = GuestCalls(machine, lambda: self.supervisor.pid, self._begin_shutdown)
        self._channel = Channel(self.loop, self._handlers(), self._on_defect)
        self._ending: Task | None = None
        self._stopped = Condition(self.loop)

    def start(self, open_pipe: Callable[[Loop], Awaitable[int]]) -> None:
        """Begin to reap and to answer calls."""
        self.loop.spawn(self.children.reap(), "reaper")
        self.loop.spawn(self._channel.run(open_pipe), "channel")
        self.status.reached("agent")

    def begin(self, config: Config, tree: str, boot: str) -> None:
        """Run the workload in `tree`; from now on exec and files work there too."""
        self._workload = config.workload
        self._executor.tree = self._copier.tree = tree
        self._guest_calls.boot = boot
        if config.workload is None:
            self.status.enter("failed", "no workload was configured for this guest")
            return
        self._executor.env = config.workload.env
        self.loop.spawn(self.supervisor.run(config.workload, tree), "workload")
        if config.network is not None:
            self._open_surface(config)

    def _open_surface(self, config: Config) -> None:
        """The HTTP surface, unless its port is the workload's own."""
        assert config.workload is not None
        if f":{surface.PORT}" in config.workload.base_url:
            return
        try:
            listener = surface.listen()
        except OSError as error:
            self.console.say(f"port {surface.PORT} can't be served: {error.strerror}")
            return
        served = surface.Surface(self.loop, self.status, config.actions, self._do_request)
        self.loop.spawn(served.run(listener), "http surface")

    def _handlers(self) -> dict[str, Handler]:
        workload, guest = WorkloadCalls(self.status, self.logs, self._do_request), self._guest_calls
        return {
            "guest.watch": workload.watch,
            "guest.logs": workload.logs,
            "guest.http": workload.http,
            "guest.sync": guest.sync,
            "guest.info": guest.info,
            "guest.shutdown": guest.shutdown,
            "guest.console_resize": guest.console_resize,
            "guest.exec": self._executor.exec,
            "guest.signal": self._executor.signal,
            "guest.copy_in": self._copier.copy_in,
            "guest.copy_out": self._copier.copy_out,
        }

    async def _do_request(self, request: relay.Request, sink: relay.Sink) -> None:
        workload = require_workload(self._workload, self.status)
        await relay.relay(self.loop, relay.parse_base_url(workload.base_url), request, sink)

    async def _begin_shutdown(self, grace_ms: int, restart: bool) -> None:
        """Start to end the guest, once, and return when the workload has stopped. Goes on when its caller is gone."""
        if self._ending is None:
            self._ending = self.loop.spawn(self._end(grace_ms / 1000, restart), "shutdown")
        await self._stopped.wait()

    async def _end(self, grace_s: float, restart: bool) -> None:
        self.console.say("restarting" if restart else "powering off")
        await self.supervisor.stop(grace_s)
        self._stopped.notify()
        with self.loop.move_on_after(FLUSH_S):
            # The callers woken just now answer first.
            await self.loop.sleep(0)
            await self.loop.sleep(0)
            await self._channel.outbox.wait_empty()
        self._machine.power_off(restart=restart)

    def _on_task_failure(self, task: Task, failure: BaseException) -> None:
        self._on_defect(f"{task.name}: {describe(failure)}")

    def _on_defect(self, trace: str) -> None:
        """A defect of the agent: its last line on the console, all of it in the log."""
        self.console.say(f"defect: {trace.strip().rpartition(chr(10))[2]}")
        self.logs.say(trace)
