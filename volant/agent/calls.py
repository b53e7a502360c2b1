"""The calls that need little: watch, sync, info, http, logs, shutdown. Exec and files have modules of their own."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from volant import __version__
from volant.agent import relay
from volant.agent.config import Workload
from volant.agent.exec import MAX_TERMINAL
from volant.agent.http1 import Headers
from volant.agent.logs import Logs, instant
from volant.agent.network import addresses
from volant.agent.session import Call
from volant.agent.status import LIVE, Status, since_boot_ms
from volant.proto.errors import GuestFailed

IN, OUT = 0, 1
"""Channel numbers, as `proto/api/vm.py` declares them."""

LOG_BATCH = 256
"""Lines taken from the ring at once."""

MAX_GRACE_MS = 3_600_000
"""An hour: longer than any workload should take to stop."""

DONE: dict[str, Any] = {"name": ""}
"""`Done` in plain form."""


class MachineControl(Protocol):
    """What a host may set; `machine.Machine` in a guest."""

    def set_clock(self, time_ns: int) -> None: ...
    def add_entropy(self, seed: bytes) -> None: ...
    def set_hostname(self, name: str) -> None: ...
    def set_console_size(self, rows: int, cols: int) -> None: ...
    def power_off(self, *, restart: bool) -> None: ...


class WorkloadCalls:
    """What is asked of the workload: HTTP, output, state."""

    def __init__(self, status: Status, logs: Logs, do_request: Callable[[relay.Request, relay.Sink], Awaitable[None]]) -> None:
        self._status, self._logs = status, logs
        self._do_request = do_request

    async def watch(self, call: Call) -> dict[str, Any]:
        """`guest.watch`: now, and at each change, until cancelled."""
        seen = -1
        while True:
            if seen == self._status.version:
                await self._status.changed.wait()
                continue
            seen = self._status.version
            await call.item(self._status.to_wire())

    async def logs(self, call: Call) -> dict[str, Any]:
        """`guest.logs`."""
        params = call.params
        since = params.text("since", "")
        follow = params.flag("follow")
        seq = self._logs.start_of(params.number("tail", 200, least=-1), instant(since) if since else None)
        seq = max(seq, min(params.number("after", 0), self._logs.newest))
        end = self._logs.newest
        while follow or seq < end:
            lines = self._logs.after(seq, LOG_BATCH)
            for line in lines:
                await call.item(line.to_wire())
                seq = line.seq
            if not lines:
                await self._logs.changed.wait()
        return DONE

    async def http(self, call: Call) -> dict[str, Any]:
        """`guest.http`."""
        params = call.params
        timeout_ms = params.number("timeout_ms", 30_000) or 30_000
        request = relay.Request(
            method=params.text("method"),
            path=params.text("path"),
            headers=params.pairs("headers"),
            timeout_s=timeout_ms / 1000,
            body=lambda: call.receive(IN),
        )
        await self._do_request(request, _CallSink(call))
        call.end(OUT)
        return DONE


class _CallSink:
    """A response as one item and bytes."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def head(self, status: int, reason: str, headers: Headers) -> None:
        await self._call.item({"status": status, "reason": reason, "headers": [list(pair) for pair in headers]})

    async def body(self, data: bytes) -> None:
        await self._call.send(OUT, data)


class GuestCalls:
    """What is asked of the guest itself."""

    def __init__(
        self, machine: MachineControl, workload_pid: Callable[[], int], begin_shutdown: Callable[[int, bool], Awaitable[None]]
    ) -> None:
        self._machine = machine
        self._workload_pid = workload_pid
        self._begin_shutdown = begin_shutdown
        self.boot = ""

    async def sync(self, call: Call) -> dict[str, Any]:
        """`guest.sync`."""
        params = call.params
        time_ns, entropy, hostname = params.number("time_ns"), params.data("entropy"), params.text("hostname", "")
        try:
            self._machine.set_clock(time_ns)
            if entropy:
                self._machine.add_entropy(entropy)
            if hostname:
                self._machine.set_hostname(hostname)
        except OSError as error:
            raise GuestFailed(f"the guest could not take over its clock, entropy or name: {error}") from None
        return DONE

    async def console_resize(self, call: Call) -> dict[str, Any]:
        """`guest.console_resize`."""
        rows, cols = call.params.number("rows", least=1, most=MAX_TERMINAL), call.params.number("cols", least=1, most=MAX_TERMINAL)
        try:
            self._machine.set_console_size(rows, cols)
        except OSError as error:
            raise GuestFailed(f"the guest's console can't be told its size: {error.strerror}") from None
        return DONE

    async def info(self, call: Call) -> dict[str, Any]:
        """`guest.info`."""
        total, available = _memory_mib()
        return {
            "version": __version__,
            "kernel": os.uname().release,
            "hostname": socket.gethostname(),
            "boot": self.boot,
            "addresses": list(addresses()),
            "memory_total_mib": total,
            "memory_available_mib": available,
            "workload_pid": self._workload_pid(),
            "uptime_ms": since_boot_ms(),
        }

    async def shutdown(self, call: Call) -> dict[str, Any]:
        """`guest.shutdown`: answers once the workload has stopped; the guest goes right after."""
        await self._begin_shutdown(call.params.number("grace_ms", 5_000, most=MAX_GRACE_MS), call.params.flag("reboot"))
        return DONE


def require_workload(workload: Workload | None, status: Status) -> Workload:
    """The workload, when it can be asked now; else GuestFailed says why not."""
    if workload is None:
        raise GuestFailed("this guest has no workload", hint="its plugin's manifest declares none")
    if status.phase not in LIVE and status.phase != "failed":
        raise GuestFailed(f"the workload is not running: {status.message or status.phase}", hint="see `volant vm logs`")
    return workload


def _memory_mib() -> tuple[int, int]:
    """Total and available memory, from /proc/meminfo (in KiB there)."""
    with open("/proc/meminfo") as file:
        fields = dict(line.split(":", 1) for line in file)
    total, available = (int(fields[name].split()[0]) // 1024 for name in ("MemTotal", "MemAvailable"))
    return total, available
