"""The workload: started in its tree, its output kept, its health watched, its end noticed.

An ended workload does not end the guest: the agent stays, and the daemon decides.
"""

from __future__ import annotations

import os
import signal

from volant.agent import relay
from volant.agent.children import DEFAULT_PATH, Child, Children, Launch, SpawnError
from volant.agent.config import Workload
from volant.agent.http1 import Headers
from volant.agent.logs import Logs
from volant.agent.loop import Condition, Loop, Task
from volant.agent.status import Status
from volant.proto.errors import Fault

SETTLE_S = 0.05
"""Without a health check, a workload that lives this long counts as running: one that can't start ends sooner."""

PROBE_FIRST_S, PROBE_GROWTH, PROBE_MOST_S = 0.01, 1.25, 0.5
"""Pause between probes until the first healthy answer: it grows by this factor from the first to the most, so that a workload is
found healthy a fifth later than it was, at most."""

PROBE_EVERY_S = 5.0
"""Pause between probes of a workload that was ready."""

PROBE_TIMEOUT_S = 5.0
"""How long one probe may take."""

UNHEALTHY_AFTER = 3
"""Failed probes in a row that make a ready workload unhealthy; one good one makes it ready again."""

OUTPUT_READ_BYTES = 16_384
"""One read of output: at two bytes a line, what the ring can keep."""

DRAIN_S = 0.5
"""How long output is waited for after the workload's end; a process it left behind may hold the pipe for ever."""

LAST_LINES = 5
"""Lines of output in the message about a workload's early end."""

BASE_ENV = {"PATH": DEFAULT_PATH, "HOME": "/root", "LANG": "C.UTF-8"}
"""What every program in the guest gets unless told otherwise."""


class Supervisor:
    """Runs one workload, once."""

    def __init__(self, loop: Loop, children: Children, logs: Logs, status: Status) -> None:
        self._loop, self._children = loop, children
        self._logs, self._status = logs, status
        self.child: Child | None = None
        self._stopping = False
        self._ended = Condition(loop)
        """Notified once the end of the workload, and all that it had put out, is with the watchers."""
        self._is_over = False

    @property
    def pid(self) -> int:
        """The running workload's; 0 when there is none."""
        return self.child.pid if self.child is not None and self.child.status is None else 0

    async def run(self, workload: Workload, tree: str) -> None:
        """From the start to the end; each step is told to the status."""
        self._status.reached("workload")
        try:
            child, pumps = await self._start(workload, tree)
        except SpawnError as error:
            self._status.enter("failed", f"the workload could not be started: {error}", exit_code=error.exit_code)
            return
        try:
            await self._follow(workload, child, pumps)
        finally:
            self._is_over = True
            self._ended.notify()

    async def _follow(self, workload: Workload, child: Child, pumps: list[Task]) -> None:
        self._status.enter("starting")
        health = self._loop.spawn(self._watch_health(workload), "health")
        try:
            await child.wait()
        finally:
            self._loop.cancel(health)
        with self._loop.move_on_after(DRAIN_S):
            for pump in pumps:
                await pump.wait()
        self._report_end(child)

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to the workload's group, SIGKILL after the grace; returns once it has ended, and its end was told."""
        self._stopping = True
        child = self.child
        if child is None or self._is_over:
            return
        if child.status is None:
            child.send(signal.SIGTERM)
            with self._loop.move_on_after(grace_s) as deadline:
                await child.wait()
            if deadline.expired:
                child.send(signal.SIGKILL)
        while not self._is_over:
            await self._ended.wait()

    async def _start(self, workload: Workload, tree: str) -> tuple[Child, list[Task]]:
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        env = BASE_ENV | workload.env
        launch = Launch(workload.entrypoint, env, (null, out_write, err_write), tree=tree, workdir=workload.workdir)
        try:
            self.child = await self._children.spawn(launch)
        except BaseException:
            os.close(out_read)
            os.close(err_read)
            raise
        finally:
            for fd in (null, out_write, err_write):
                os.close(fd)
        pumps = [self._loop.spawn(self._pump(fd, name), name) for fd, name in ((out_read, "stdout"), (err_read, "stderr"))]
        return self.child, pumps

    async def _pump(self, fd: int, stream: str) -> None:
        os.set_blocking(fd, False)
        try:
            while data := await self._loop.read(fd, OUTPUT_READ_BYTES):
                self._logs.feed(stream, data)
            self._logs.finish(stream)
        finally:
            os.close(fd)

    def _report_end(self, child: Child) -> None:
        how = f"was killed by signal {child.signal}" if child.signal else f"exited with code {child.exit_code}"
        if self._stopping:
            health, message = "unknown", f"the workload {how} when asked to stop"
        else:
            when = "" if "ready" in self._status.timings else " before it was ready"
            said = self._logs.last(LAST_LINES)
            tail = f"; its last output: {' | '.join(said)}" if said else ""
            health, message = "unhealthy", f"the workload {how}{when}{tail}"
        self._status.enter("exited", message, health=health, exit_code=child.exit_code, signal=child.signal)

    async def _watch_health(self, workload: Workload) -> None:
        if not workload.health_path:
            await self._loop.sleep(SETTLE_S)
            self._status.enter("ready")
            return
        seconds = workload.health_timeout_ms / 1000
        last = "it did not answer the first probe"
        with self._loop.move_on_after(seconds) as deadline:
            pause = PROBE_FIRST_S
            while problem := await self._probe(workload):
                last = problem
                await self._loop.sleep(pause)
                pause = min(pause * PROBE_GROWTH, PROBE_MOST_S)
        if deadline.expired:
            self._status.enter("failed", f"the workload never became healthy within {seconds:g} s: {last}", health="unhealthy")
            return
        self._status.enter("ready", health="healthy")
        await self._keep_probing(workload)

    async def _keep_probing(self, workload: Workload) -> None:
        failures = 0
        while True:
            await self._loop.sleep(PROBE_EVERY_S)
            problem = await self._probe(workload)
            failures = failures + 1 if problem else 0
            if not problem and self._status.phase == "unhealthy":
                self._status.enter("ready", health="healthy")
            elif failures == UNHEALTHY_AFTER:
                self._status.enter("unhealthy", f"{failures} health checks in a row failed: {problem}", health="unhealthy")

    async def _probe(self, workload: Workload) -> str:
        """One request to the health endpoint; empty when it answered 2xx or 3xx, else what was wrong."""
        answer = _Answer()
        try:
            base = relay.parse_base_url(workload.base_url)
            request = relay.Request("GET", workload.health_path, [], PROBE_TIMEOUT_S)
            await relay.relay(self._loop, base, request, answer)
        except Fault as fault:
            return fault.message
        return "" if 200 <= answer.status < 400 else f"GET {workload.health_path} answered {answer.status}"


class _Answer:
    """A sink that keeps the status alone."""

    def __init__(self) -> None:
        self.status = 0

    async def head(self, status: int, reason: str, headers: Headers) -> None:
        self.status = status

    async def body(self, data: bytes) -> None:
        pass
