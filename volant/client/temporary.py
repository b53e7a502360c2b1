"""A VM that lives as long as a block of code: `async with vm(...)` on asyncio, `with vm(...)` elsewhere.

Entering makes the VM and waits until it is ready. Leaving, on an exception and on cancelling too, returns once the VM and everything
that was its own is proven gone. A process that dies inside the block takes the VM along: its lease ends with its connection.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from volant.client.aio import AsyncClient
from volant.client.blocking import Client
from volant.client.leases import Lease
from volant.client.resuming import AGAIN_S
from volant.proto.api.vm import CREATE, DELETE, WAIT, CreateVm, DeleteVm, VmView, WaitVm
from volant.proto.errors import Fault, NoSuchVm, Timeout, Unreachable
from volant.proto.specs.leases import NewLease, OnEnd
from volant.proto.specs.states import WaitFor

if TYPE_CHECKING:
    from typing import Self

LEAVE_S = 60.0
"""How long leaving the block may take, whatever is cancelled meanwhile: killing a VM and removing what it had takes a second, a daemon
that restarts some more. The daemon removes the VM then, for its lease has ended."""

START_S = 5.0
"""How long a thread that was asked for may take to run, on a machine with much else to do."""

_NAME_BYTES = 4


class TemporaryVm:
    """One VM inside its block. Its verbs are those of `client.vms` without the name: `vm.exec(argv=("uname",))`."""

    def __init__(self, plugin: str, name: str = "", *, socket: str | None = None, timeout_ms: int = 120_000, **create: Any) -> None:
        """`name`: made from the plugin's when empty. `timeout_ms`: until ready. `create`: further fields of `CreateVm`; it is not started
        again by itself unless `restart` says so."""
        self.name = name or f"{plugin[:48].lower()}-{secrets.token_hex(_NAME_BYTES)}"
        self._path, self._timeout_ms = socket, timeout_ms
        self._asked = CreateVm(**({"restart": "no"} | create), name=self.name, plugin=plugin, lease=NewLease(on_end=OnEnd.DELETE))
        self._lease = Lease(socket, self.name, on_end=OnEnd.DELETE)
        self._keeping: asyncio.Task[None] | None = None
        self._thread: _LoopThread | None = None
        self._own = AsyncClient(socket)
        self._blocking: Client | None = None
        self.view: VmView
        """The VM as it was when it got ready."""

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        if verb.startswith("_") or verb == "view":
            raise AttributeError(verb)
        ask = getattr(self.client.vms, verb)
        return lambda **fields: ask(name=self.name, **fields)

    @property
    def client(self) -> Any:
        """A client for whatever else is to be done: an `AsyncClient` in `async with`, a `Client` in `with`."""
        return self._own if self._blocking is None else self._blocking

    async def __aenter__(self) -> Self:
        """Raises what the creating or the start ends with; then, too, the VM is gone."""
        await self._own.connect()
        try:
            await self._make()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._leave()

    def __enter__(self) -> Self:
        """As `__aenter__`; the lease is kept by a thread."""
        self._thread = _LoopThread()
        try:
            self._thread.start()
            self._thread.run(self._enter_apart())
            self._blocking = Client(self._path)
        except BaseException:
            self._leave_blocking()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave_blocking()

    async def _enter_apart(self) -> None:
        await self.__aenter__()

    def _leave_blocking(self) -> None:
        thread, self._thread = self._thread, None
        if self._blocking is not None:
            self._blocking.close()
        if thread is not None:
            try:
                thread.run(self._leave(), to_the_end=True)
            finally:
                thread.end()

    async def _make(self) -> None:
        async def create() -> None:
            made = await self._own.call(CREATE, self._asked)
            self._lease.token = made.lease.token if made.lease else 0

        # Cancelled or not, whether there is a VM has to be known before it can be removed.
        await _to_the_end(create(), LEAVE_S)
        self._keeping = asyncio.ensure_future(self._keep())
        self.view = await self._own.call(WAIT, WaitVm(name=self.name, until=WaitFor.READY, timeout_ms=self._timeout_ms))

    async def _keep(self) -> None:
        """Hold the lease, over restarts of the daemon, until it ends."""
        with suppress(Fault):  # what it ended with, leaving the block finds out
            async for _ in self._lease.news():
                pass

    async def _leave(self) -> None:
        try:
            if self._lease.token:
                await _to_the_end(self._remove(), LEAVE_S)
        except TimeoutError:
            raise Timeout(
                f"VM {self.name!r} is not proven gone after {LEAVE_S:g} s: volantd does not answer",
                hint=f"it removes the VM once it runs; `volant vm get {self.name}` shows whether it has",
            ) from None
        finally:
            self._lease.token = 0
            if self._keeping is not None:
                self._keeping.cancel()
                await asyncio.wait([self._keeping])
            self._own.close()
            await asyncio.sleep(0)  # the transport closes its socket in the loop's next round

    async def _remove(self) -> None:
        """Delete it, which is answered once nothing of it is left. Raises what the daemon refuses it with."""
        asked = DeleteVm(name=self.name, force=True, timeout_ms=int(LEAVE_S * 1000), lease_token=self._lease.token)
        while True:
            try:
                async with AsyncClient(self._path) as client:
                    await client.call(DELETE, asked)
                return
            except NoSuchVm:
                return
            except Unreachable:
                await asyncio.sleep(AGAIN_S)


async def _to_the_end(work: Coroutine[Any, Any, None], seconds: float) -> None:
    """Do `work`, which is not cancelled along with us: that takes effect once it is done, or the time is up. TimeoutError."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    cancelled: asyncio.CancelledError | None = None
    while not task.done() and loop.time() < deadline:
        try:
            await asyncio.wait([task], timeout=deadline - loop.time())
        except asyncio.CancelledError as error:
            cancelled = error
    if not task.done():
        task.cancel()
        raise TimeoutError
    failure = task.exception()
    if cancelled is not None:
        raise cancelled from failure
    if failure is not None:
        raise failure


class _LoopThread:
    """An event loop in a thread of its own, for a program that has none."""

    def __init__(self) -> None:
        """`start` it, and whatever comes of that, `end` it: a thread that is left to the interpreter's end may take that down."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="volant-lease")
        self._serving = threading.Event()

    def start(self) -> None:
        """An interrupt is raised once the thread is there."""
        try:
            self._thread.start()
        finally:
            self._serving.wait(START_S)

    def _serve(self) -> None:
        self._serving.set()
        self._loop.run_forever()

    def run(self, work: Coroutine[Any, Any, None], *, to_the_end: bool = False) -> None:
        """Do `work`; an interrupt cancels it, unless it is to be done `to_the_end`, and is raised once it has ended. Nothing is done
        where an interrupt kept the thread from starting."""
        if not self._serving.is_set():
            work.close()
            return
        over = threading.Event()
        tasks: list[asyncio.Task[None]] = []

        def begin() -> None:
            task = self._loop.create_task(work)
            tasks.append(task)
            task.add_done_callback(lambda _: over.set())

        def cancel() -> None:
            if not tasks:  # the interrupt came before that
                begin()
            if not to_the_end:
                tasks[0].cancel()

        # An interrupt comes at any place, between two words of a line too.
        try:
            self._loop.call_soon_threadsafe(begin)
            over.wait()
        except KeyboardInterrupt:
            self._loop.call_soon_threadsafe(cancel)
            over.wait(LEAVE_S)
            raise
        tasks[0].result()

    def end(self) -> None:
        if self._serving.is_set():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()
