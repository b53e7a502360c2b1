"""One VM as a foreground process: made or found, its output passed on, stopped when we are, and its workload's exit code ours.

    take --> hold, show output --> over | signal | detached --> stop --> last output --> remove or give back

The VM's lease (`specs.leases`) is what makes it ours: killed, we leave the VM to the next runner; replaced, we leave it alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from math import inf
from traceback import extract_tb
from typing import Any

from volant.client.aio import AsyncClient
from volant.client.cli.commands.console import typed
from volant.client.cli.pump import Detached
from volant.client.cli.running.held import DAEMON_AGAIN_S, HeldVm
from volant.client.cli.running.notifier import Notifier
from volant.client.cli.running.outcome import FENCED, Outcome
from volant.client.cli.running.outlet import Outlet
from volant.client.cli.running.sources import SerialLine, Source, WorkloadLines
from volant.client.cli.tty import raw_terminal
from volant.client.leases import Lease
from volant.proto.api import vm as api
from volant.proto.api.vm_lease import MARK, RELEASE, MarkVm, ReleaseVm
from volant.proto.errors import Failed, Fault, Fenced, NameTaken, NoSuchVm, Unreachable
from volant.proto.plain import from_plain

MARK_EVERY_S = 0.2
"""How often the daemon is told how far the output has got: so much of it comes twice when the next runner goes on."""

WORKLOAD_ENDED_GRACE_MS = 5_000
"""For a guest whose workload has ended: what is left of it writes its disks and powers off."""

LAST_OUTPUT_S = 5.0
"""How long a reader who takes nothing may hold up the end of a runner that was told to stop."""

LAST_WORDS_S = 0.5
"""How long our own last sentences may take."""

CLEAN_UP_S = 30.0
"""How long a daemon that is away is waited for when the VM is to be removed or given back."""

HUNG_UP = 128 + signal.SIGHUP
"""The terminal was closed: as a shell says it."""

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What `volant run` was told."""

    name: str
    create: dict[str, Any] | None
    """Parameters of `vm.create`; None: the VM has to exist."""
    reattach: bool
    engine_id: str
    grace_ms: int
    remove: bool
    wait_daemon_s: float
    console: bool
    """Show the serial line, not the workload's output."""
    interactive: bool
    """Type on the serial line, in a terminal in raw mode."""
    escape: bytes | None
    quiet: bool


class Runner:
    """Looks after one VM. `run` returns how it ended; Fault for what kept us from running it, or from stopping it."""

    def __init__(self, path: str | None, orders: Orders, notifier: Notifier) -> None:
        self._path, self._orders, self._notifier = path, orders, notifier
        self._outlet = Outlet()
        self._vm = HeldVm(Lease(path, orders.name, engine_id=orders.engine_id), notifier, self._note)
        self._tasks: set[asyncio.Task[None]] = set()
        self._left: Outcome | None = None
        """How we end because whoever sat at the terminal left, by the key or by closing it."""
        self._marked = ""

    async def run(self) -> Outcome:
        loop = asyncio.get_running_loop()
        for number in _ENDING_SIGNALS:
            loop.add_signal_handler(number, self._vm.signalled)
        try:
            await self._take()
            _ = self._begin(self._vm.follow())
            await self._vm.until(lambda: self._vm.known)
            return await self._look_after()
        except Fenced as fault:
            return Outcome(FENCED, fault)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_S):
                    await self._outlet.wait_empty(2)
            for task in self._tasks:
                task.cancel()
            # What is left needs no orderly end: from here on a signal ends us at once.
            for number in _ENDING_SIGNALS:
                loop.remove_signal_handler(number)

    # ------------------------------------------------------------------------------------------------------------- the VM's life

    async def _take(self) -> None:
        """Make the VM, unless it is there and we may go on with it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._orders.wait_daemon_s
        while True:
            try:
                async with AsyncClient(self._path) as client:
                    return await self._take_from(client)
            except Unreachable:
                if loop.time() >= deadline or self._vm.signals:
                    raise
            await asyncio.sleep(DAEMON_AGAIN_S)

    async def _take_from(self, client: AsyncClient) -> None:
        orders = self._orders
        while True:
            if orders.reattach:
                try:
                    await client.call(api.GET, api.VmName(name=orders.name))
                    return
                except NoSuchVm:
                    if orders.create is None:
                        raise
            try:
                made = await client.call(api.CREATE, from_plain(api.CreateVm, orders.create))
            except NameTaken:
                if not orders.reattach:
                    raise
                continue  # somebody was faster: now it is found
            self._vm.lease.token = made.lease.token if made.lease else 0
            return

    async def _look_after(self) -> Outcome:
        """From the first word of the VM to the last."""
        vm = self._vm
        await self._start_if_idle()
        with ExitStack() as terminal:
            source = self._source(terminal)
            showing = self._begin(source.follow())
            _ = self._begin(self._keep_mark())
            await vm.until(lambda: vm.outcome() is not None or vm.signals > 0 or self._left is not None)
            outcome = vm.outcome()
            if outcome is not None:
                await self._wind_down(source, showing)
            elif self._left is None:
                outcome = await self._stop()
            if outcome is not None:
                await self._show_last(showing)
        if outcome is None:
            return await self._leave()
        await self._clean_up()
        return outcome

    async def _start_if_idle(self) -> None:
        """A VM that was found at rest runs again; unless it ended while its runner was away, which is still to be told."""
        if self._vm.is_up or (self._vm.abandoned and self._vm.view.boot > 0):
            return

        async def start(client: AsyncClient) -> None:
            self._vm.see(await client.call(api.START, api.StartVm(name=self._vm.name, lease_token=self._vm.lease.token)))

        await self._vm.told(start, within_s=CLEAN_UP_S)

    async def _stop(self) -> Outcome:
        """Let the VM power off within the grace, or at the next signal at once. Unreachable when there is no daemon to do it."""
        vm, grace_ms = self._vm, self._orders.grace_ms
        self._notifier.tell(STOPPING="1", STATUS=f"stopping {vm.name}")
        signals = vm.signals
        asked = await self._ask_to_stop(grace_ms, within_s=grace_ms / 1000)
        if asked:
            await vm.until(lambda: not vm.is_up or vm.signals > signals)
            if vm.is_up:
                asked = await self._ask_to_stop(0, within_s=0)
        if not asked:
            raise Unreachable(
                f"VM {vm.name!r} was not stopped, because volantd is away: it runs on",
                hint="start the daemon, then run it with --reattach, or stop it with `volant vm stop`",
            )
        await vm.until(lambda: not vm.is_up)
        return vm.outcome(asked=True) or Outcome(0)

    async def _wind_down(self, source: Source, showing: asyncio.Task[None]) -> None:
        """The workload has ended: its last output, then the guest's own end."""
        vm = self._vm
        if not vm.is_up:
            return
        if not self._orders.console:
            showing.cancel()
            await self._unless_pressed(source.rest())
        if await self._ask_to_stop(WORKLOAD_ENDED_GRACE_MS, within_s=inf):
            signals = vm.signals
            await vm.until(lambda: not vm.is_up or vm.signals > signals)
            if vm.outcome(asked=True) is None and await self._ask_to_stop(0, within_s=0):
                await vm.until(lambda: not vm.is_up)

    async def _ask_to_stop(self, grace_ms: int, *, within_s: float) -> bool:
        """Whether the daemon was told: a grace of 0 means at once. A further signal ends the waiting for one that is away."""
        vm = self._vm
        signals = vm.signals
        order = api.StopVm(name=vm.name, grace_ms=grace_ms, force=grace_ms == 0, wait=False, lease_token=vm.lease.token)
        return await vm.told(lambda client: client.call(api.STOP, order), within_s=within_s, unless=lambda: vm.signals > signals)

    async def _leave(self) -> Outcome:
        """The VM runs on, and is nobody's."""
        await self._give_back()
        self._note(f"\nleft {self._vm.name}; it runs on: `volant run --reattach --name {self._vm.name}` goes on with it")
        assert self._left is not None  # else it was stopped
        return self._left

    async def _clean_up(self) -> None:
        """Remove the VM, or give it back."""
        if not self._orders.remove:
            await self._give_back()
            return
        order = api.DeleteVm(name=self._vm.name, force=True, lease_token=self._vm.lease.token)
        if not await self._vm.told(lambda client: client.call(api.DELETE, order), within_s=CLEAN_UP_S):
            self._outlet.say(f"VM {self._vm.name} was not removed, because volantd is away")

    async def _give_back(self) -> None:
        async def release(client: AsyncClient) -> None:
            await self._mark(client)
            await client.call(RELEASE, ReleaseVm(name=self._vm.name, token=self._vm.lease.token))

        await self._vm.told(release, within_s=CLEAN_UP_S)

    # -------------------------------------------------------------------------------------------------------------------- output

    def _source(self, terminal: ExitStack) -> Source:
        lease = self._vm.view.lease
        cursor = lease.cursor if lease else ""
        if not self._orders.console:
            return WorkloadLines(self._path, self._vm.name, self._vm, self._outlet, cursor=cursor)
        line = SerialLine(self._path, self._vm.name, self._vm, self._outlet, cursor=cursor, typing=self._orders.interactive)
        if self._orders.interactive:
            self._take_terminal(terminal, line)
        return line

    def _take_terminal(self, terminal: ExitStack, line: SerialLine) -> None:
        """Send what is typed here to the serial line, until the stack is left."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            try:
                data = os.read(0, 4_096)
            except OSError:
                data = b""
            if not data:
                leave(HUNG_UP)
                return
            try:
                line.type(typed(data, self._orders.escape, typing=True))
            except Detached as leaving:
                line.type(leaving.before)
                leave(0)

        def leave(code: int) -> None:
            loop.remove_reader(0)
            self._left = Outcome(code)
            self._vm.wake()

        terminal.enter_context(raw_terminal(0, line.modes))
        for number in _ENDING_SIGNALS:  # the terminal has taken them
            loop.add_signal_handler(number, self._vm.signalled)
        loop.add_signal_handler(signal.SIGHUP, leave, HUNG_UP)
        terminal.callback(loop.remove_signal_handler, signal.SIGHUP)
        self._outlet.newline = "\r\n"
        terminal.callback(setattr, self._outlet, "newline", "\n")
        loop.add_reader(0, read)
        terminal.callback(loop.remove_reader, 0)

    async def _show_last(self, showing: asyncio.Task[None]) -> None:
        async def all_of_it() -> None:
            await asyncio.wait([showing])
            await self._outlet.wait_empty()

        await self._unless_pressed(all_of_it())

    async def _unless_pressed(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`; after a signal for LAST_OUTPUT_S more, and not at all after a second one."""
        task = self._begin(work)
        limits = [self._begin(self._after_signals(1, LAST_OUTPUT_S)), self._begin(self._after_signals(2, 0))]
        await asyncio.wait([task, *limits], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            self._outlet.say("the rest of the output is lost: nobody reads it")
            task.cancel()
        for limit in limits:
            limit.cancel()

    async def _after_signals(self, count: int, seconds: float) -> None:
        """Return so long after we were asked to end so often."""
        while self._vm.signals < count:
            await self._vm.wait_news()
        await asyncio.sleep(seconds)

    async def _keep_mark(self) -> None:
        while True:
            await asyncio.sleep(MARK_EVERY_S)
            if self._vm.lease.client is not None:
                with suppress(Fault):  # whether the VM is ours, the lease itself says
                    await self._mark(self._vm.lease.client)

    async def _mark(self, client: AsyncClient) -> None:
        cursor = self._outlet.cursor
        if cursor != self._marked:
            await client.call(MARK, MarkVm(name=self._vm.name, token=self._vm.lease.token, cursor=cursor))
            self._marked = cursor

    def _note(self, text: str) -> None:
        if not self._orders.quiet:
            self._outlet.say(text)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do `work` beside all else, until the end at the latest."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._look_at)
        return task

    def _look_at(self, ended: asyncio.Task[None]) -> None:
        """A defect ends us, as whoever waits for the work of that task would wait for ever."""
        defect = None if ended.cancelled() else ended.exception()
        if defect is not None:
            place = extract_tb(defect.__traceback__)[-1]
            self._vm.fail(
                Failed(
                    f"`volant run` has a defect ({defect!r} at {place.filename}:{place.lineno}) and can't go on; the VM does",
                    hint=f"report this; `volant run --reattach --name {self._vm.name}` goes on with it",
                )
            )
