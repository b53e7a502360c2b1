"""A loop of coroutines on epoll: the whole concurrency of the agent, in one thread.

asyncio costs more to import in an emulated guest (half a second) than everything else the agent does until it is ready;
what the agent needs of it is small. A task parks by awaiting one of the loop's waiting functions. Cancelling throws
`Cancelled` into the task where it is parked; its `finally` blocks run at once.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator
from heapq import heappop, heappush
from time import monotonic
from types import TracebackType
from typing import Any

READ_BYTES = 65_536
"""One read from any descriptor: a pipe's capacity, and one data message."""

MAX_WAIT_S = 3_600.0
"""Longest single wait in the kernel: epoll counts its patience in 32 bits of milliseconds."""

READABLE, WRITABLE, HUNG_UP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR


class Cancelled(BaseException):
    """Thrown into a task that is to end; nothing but clean-up may follow."""


class _Expired(BaseException):
    """Thrown into a task whose `Deadline` passed; that deadline swallows it."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline


class _Park:
    """Awaited to hand control to the loop; what the loop sends back is the result."""

    __slots__ = ()

    def __await__(self) -> Generator[None, int, int]:
        return (yield)


_PARK = _Park()


class Task:
    """One coroutine under way."""

    __slots__ = ("_coroutine", "_ended", "_interrupt", "_parked", "_running", "done", "failure", "name")

    def __init__(self, coroutine: Coroutine[Any, Any, None], name: str, ended: Condition) -> None:
        self._coroutine = coroutine
        self._ended = ended
        self._parked = False
        self._running = False
        self._interrupt: BaseException | None = None
        self.name = name
        self.done = False
        self.failure: BaseException | None = None
        """What ended it, when it was not its own return."""

    async def wait(self) -> None:
        """Return once the task has ended, however it did."""
        while not self.done:
            await self._ended.wait()


class Timer:
    """A callback at a moment of the loop's clock."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when

    def cancel(self) -> None:
        self.callback = None


class Condition:
    """Something that changes: `notify` wakes everyone who waits now; it keeps no memory."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._waiting: list[Task] = []

    def notify(self) -> None:
        for task in self._waiting:
            self._loop.wake(task)

    async def wait(self) -> None:
        task = self._loop.current
        self._waiting.append(task)
        try:
            await _PARK
        finally:
            self._waiting.remove(task)


class Deadline:
    """`with loop.move_on_after(s) as deadline:` leaves the block when the time is up; `expired` tells."""

    __slots__ = ("_loop", "_task", "_timer", "expired")

    def __init__(self, loop: Loop, seconds: float) -> None:
        self._loop = loop
        self._task = loop.current
        self._timer = loop.call_at(loop.now() + seconds, self._fire)
        self.expired = False

    def _fire(self) -> None:
        self._loop.interrupt(self._task, _Expired(self))

    def __enter__(self) -> Deadline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self._timer.cancel()
        self._loop.forget_interrupt(self._task, self)
        if isinstance(error, _Expired) and error.deadline is self:
            self.expired = True
            return True
        return False


class Loop:
    """Runs tasks until the main one ends. A task that fails is reported to `on_failure` and ends alone."""

    def __init__(
        self,
        on_failure: Callable[[Task, BaseException], None],
        clock: Callable[[], float] = monotonic,
        poll: Callable[[select.epoll, float | None], list[tuple[int, int]]] = select.epoll.poll,
    ) -> None:
        self._on_failure = on_failure
        self.now = clock
        self._poll = poll
        self._epoll = select.epoll()
        self._watched: dict[int, dict[int, Task]] = {}
        self._ready: deque[tuple[Task, int | None]] = deque()
        self._timers: list[Timer] = []
        self._current: Task | None = None

    @property
    def current(self) -> Task:
        """The task that runs now; waiting functions may be called by tasks only."""
        assert self._current is not None
        return self._current

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> Task:
        """Start a task; it first runs in the next round."""
        task = Task(coroutine, name, Condition(self))
        self._ready.append((task, None))
        return task

    def cancel(self, task: Task) -> None:
        """Throw Cancelled into `task` now, where it waits; into the running task, at its next wait.

        At once, because whoever cancels closes next what the task was waiting for.
        """
        if task.done:
            return
        task._interrupt = Cancelled()
        if not task._running:
            task._parked = False
            self._ready = deque(entry for entry in self._ready if entry[0] is not task)
            self._step(task, None)

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(when, callback)
        heappush(self._timers, timer)
        return timer

    def move_on_after(self, seconds: float) -> Deadline:
        """A block that is left after `seconds`, wherever it waits."""
        return Deadline(self, seconds)

    # Waiting: only tasks may call these.

    async def sleep(self, seconds: float) -> None:
        task = self.current
        timer = self.call_at(self.now() + seconds, lambda: self.wake(task))
        try:
            await _PARK
        finally:
            timer.cancel()

    async def wait_ready(self, fd: int, mask: int) -> int:
        """Wait until `fd` is READABLE or WRITABLE (or hung up); the bits that epoll reported."""
        self._watch(fd, mask, self.current)
        try:
            return await _PARK
        finally:
            self._unwatch(fd, mask)

    async def read(self, fd: int, size: int = READ_BYTES) -> bytes:
        """Up to `size` bytes of a non-blocking descriptor; empty at its end. Waits first, so that no writer can starve the others."""
        while True:
            await self.wait_ready(fd, READABLE)
            try:
                return os.read(fd, size)
            except BlockingIOError:
                continue

    async def write_all(self, fd: int, data: bytes) -> None:
        """Write all of `data` to a non-blocking descriptor."""
        view = memoryview(data)
        while view:
            await self.wait_ready(fd, WRITABLE)
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                continue

    # For the primitives above.

    def wake(self, task: Task, value: int = 0) -> None:
        """Let a parked task go on with `value`."""
        if task._parked:
            task._parked = False
            self._ready.append((task, value))

    def interrupt(self, task: Task, error: BaseException) -> None:
        """Throw `error` into `task` where it waits, or at its next wait. Being cancelled outranks a deadline."""
        if not isinstance(task._interrupt, Cancelled):
            task._interrupt = error
        self.wake(task)

    def forget_interrupt(self, task: Task, deadline: Deadline) -> None:
        """The block of `deadline` was left before its interrupt was delivered."""
        if isinstance(task._interrupt, _Expired) and task._interrupt.deadline is deadline:
            task._interrupt = None

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run until `main` has ended; other tasks stay where they are. Raises what ended `main`."""
        first = self.spawn(main, "main")
        while True:
            for task, value in self._taken():
                self._step(task, value)
            if first.done:
                break
            self._wait()
        if first.failure is not None:
            raise first.failure

    def _wait(self) -> None:
        """Until a descriptor or a timer wakes somebody."""
        for fd, events in self._poll(self._epoll, self._patience()):
            for mask, task in tuple(self._watched.get(fd, {}).items()):
                if events & (mask | HUNG_UP):
                    self.wake(task, events)
        now = self.now()
        while self._timers and self._timers[0].when <= now:
            callback = heappop(self._timers).callback
            if callback is not None:
                callback()

    def _taken(self) -> Iterator[tuple[Task, int | None]]:
        """What was ready when the round began, less what is cancelled during it."""
        for _ in range(len(self._ready)):
            if not self._ready:
                return
            yield self._ready.popleft()

    def _patience(self) -> float | None:
        """How long epoll may wait: None means for ever."""
        while self._timers and self._timers[0].callback is None:
            heappop(self._timers)
        if self._ready:
            return 0
        if not self._timers:
            return None
        return min(max(0.0, self._timers[0].when - self.now()), MAX_WAIT_S)

    def _step(self, task: Task, value: int | None) -> None:
        caller, self._current = self._current, task
        task._running = True
        try:
            if task._interrupt is not None:
                error, task._interrupt = task._interrupt, None
                task._coroutine.throw(error)
            else:
                task._coroutine.send(value)
        except StopIteration:
            self._end(task, None)
        except BaseException as failure:
            self._end(task, failure)
        else:
            task._parked = True
            if task._interrupt is not None:
                self.wake(task)
        finally:
            task._running = False
            self._current = caller

    def _end(self, task: Task, failure: BaseException | None) -> None:
        task.done, task.failure = True, failure
        task._ended.notify()
        if failure is not None and not isinstance(failure, Cancelled):
            self._on_failure(task, failure)

    def _watch(self, fd: int, mask: int, task: Task) -> None:
        tasks = self._watched.setdefault(fd, {})
        assert mask not in tasks, "two tasks wait for the same end of one descriptor"
        tasks[mask] = task
        if len(tasks) == 1:
            self._epoll.register(fd, mask)
        else:
            self._epoll.modify(fd, READABLE | WRITABLE)

    def _unwatch(self, fd: int, mask: int) -> None:
        tasks = self._watched[fd]
        del tasks[mask]
        try:
            if tasks:
                self._epoll.modify(fd, next(iter(tasks)))
            else:
                del self._watched[fd]
                self._epoll.unregister(fd)
        except OSError:
            pass  # closed meanwhile: the kernel has forgotten it already


async def all_of(loop: Loop, *waits: Coroutine[Any, Any, None]) -> None:
    """Run several waits side by side; when one fails, or the caller is interrupted, the others are cancelled."""
    changed = Condition(loop)
    failures: list[Exception] = []

    async def part(wait: Coroutine[Any, Any, None]) -> None:
        try:
            await wait
        except Exception as failure:
            failures.append(failure)
        finally:
            changed.notify()

    tasks = [loop.spawn(part(wait), "part") for wait in waits]
    try:
        while not failures and not all(task.done for task in tasks):
            await changed.wait()
    finally:
        for task in tasks:
            loop.cancel(task)
    if failures:
        raise failures[0]
