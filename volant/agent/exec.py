"""`guest.exec` and `guest.signal`: programs run in the workload's tree, on pipes or on a terminal."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
from typing import Any

from volant.agent.children import Child, Children, Credentials, Launch, SpawnError
from volant.agent.loop import Loop, all_of
from volant.agent.session import Call
from volant.agent.users import credentials
from volant.agent.workload import BASE_ENV
from volant.proto.errors import GuestFailed, InvalidParams, NotFound, Timeout

STDIN, STDOUT, STDERR = 0, 1, 2
"""Channel numbers, as `proto/api/vm.py` declares them."""

LINGER_S = 0.2
"""How long more output is waited for once the program has ended: what it wrote is in the pipe by then, and a process that it
left behind may hold the pipe for ever."""

END_OF_INPUT = b"\x04"
"""What a terminal takes for the end of its input (VEOF)."""

MAX_TERMINAL = 10_000
"""Most rows or columns of a terminal."""


class Executor:
    """Runs programs for calls; knows the running ones by their number."""

    def __init__(self, loop: Loop, children: Children) -> None:
        self._loop, self._children = loop, children
        self._running: dict[int, _Running] = {}
        self._next = 1
        self.tree = "/"
        self.env: dict[str, str] = {}
        """The workload's environment, which an exec starts from."""
        self.workdir = "/"

    async def exec(self, call: Call) -> dict[str, Any]:
        """`guest.exec`."""
        params = call.params
        timeout_ms = params.number("timeout_ms", 0)
        running = _Running(self._loop, call, params.flag("tty"))
        launch = self._launch(call, running)
        try:
            try:
                child = await self._children.spawn(launch)
            except SpawnError as error:
                sentence = str(error).encode(errors="replace").decode()
                raise GuestFailed(sentence, hint=error.hint, exit_code=error.exit_code) from None
            finally:
                running.close_theirs()
            return await self._attend(call, running, child, timeout_ms)
        finally:
            running.close()

    async def signal(self, call: Call) -> dict[str, Any]:
        """`guest.signal`."""
        id = call.params.number("exec_id")
        running = self._running.get(id)
        if running is None or running.child is None:
            raise NotFound(f"no exec {id} is running", hint="it may have ended")
        rows = call.params.number("rows", 0, most=MAX_TERMINAL)
        cols = call.params.number("cols", 0, most=MAX_TERMINAL)
        number = call.params.number("signal", 0, most=signal.NSIG - 1)
        if rows and cols:
            running.resize(rows, cols)
        if number:
            running.child.send(number)
        return {"name": ""}

    def _launch(self, call: Call, running: _Running) -> Launch:
        params = call.params
        argv = params.words("argv")
        if not argv or not argv[0]:
            raise InvalidParams("argv is empty", hint="name the program to run")
        env = params.texts("env")
        if any("\0" in word for word in (*argv, *env, *env.values(), params.text("workdir", ""))) or any("=" in name for name in env):
            raise InvalidParams("a NUL byte, or a = in a variable's name, can't be passed to a program")
        user = params.text("user", "")
        who = credentials(self.tree, user) if user else None
        size = (params.number("rows", 24, least=1, most=MAX_TERMINAL), params.number("cols", 80, least=1, most=MAX_TERMINAL))
        base = BASE_ENV | self.env | _identity(who) | ({"TERM": "xterm-256color"} if running.terminal else {}) | env
        workdir = params.text("workdir", "") or self.workdir
        stdio = running.open(size)
        return Launch(argv, base, stdio, self.tree, workdir, who, running.terminal)

    async def _attend(self, call: Call, running: _Running, child: Child, timeout_ms: int) -> dict[str, Any]:
        running.child = child
        id, self._next = self._next, self._next + 1
        self._running[id] = running
        feeder = self._loop.spawn(running.feed(), "exec input")
        try:
            await call.item({"exec_id": id, "pid": child.pid})
            with self._loop.move_on_after(timeout_ms / 1000 if timeout_ms else _NEVER_S) as deadline:
                await all_of(self._loop, *running.pumps())
            if deadline.expired:
                raise Timeout(f"the program did not end within {timeout_ms} ms and was killed", hint="raise the timeout")
            return {"exit_code": child.exit_code, "signal": child.signal}
        finally:
            self._loop.cancel(feeder)
            del self._running[id]
            if child.status is None:
                # The caller is gone, or the time is up: nobody else would ever end it.
                child.send(signal.SIGKILL)


_NEVER_S = 10 * 365 * 86_400.0
"""In place of no limit."""


def _identity(who: Credentials | None) -> dict[str, str]:
    return {"HOME": who.home, "USER": who.name} if who else {}


class _Running:
    """One program's descriptors, and the pumps between them and its call."""

    def __init__(self, loop: Loop, call: Call, terminal: bool) -> None:
        self._loop, self._call = loop, call
        self.terminal = terminal
        self.child: Child | None = None
        self._theirs: list[int] = []
        self._ours: dict[int, int] = {}

    def open(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Make pipes or a terminal; the program's three descriptors."""
        if self.terminal:
            ours, theirs = os.openpty()
            self._theirs.append(theirs)
            self._ours = {STDOUT: ours}
            self.resize(*size)
            stdio = (theirs, theirs, theirs)
        else:
            ends = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
            stdio = (ends[0][0], ends[1][1], ends[2][1])
            self._theirs += stdio
            self._ours = {STDIN: ends[0][1], STDOUT: ends[1][0], STDERR: ends[2][0]}
        for fd in self._ours.values():
            os.set_blocking(fd, False)
        return stdio

    def resize(self, rows: int, cols: int) -> None:
        """Tell the terminal its size; without one, nothing."""
        if self.terminal and STDOUT in self._ours:
            fcntl.ioctl(self._ours[STDOUT], termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def close_theirs(self) -> None:
        """The program has its copies."""
        for fd in self._theirs:
            os.close(fd)
        self._theirs = []

    def close(self) -> None:
        self.close_theirs()
        for fd in self._ours.values():
            os.close(fd)
        self._ours = {}

    async def feed(self) -> None:
        """From the call to the program's input. Once that is closed, the rest is read and dropped, so that no sender hangs."""
        target = self._ours[STDOUT if self.terminal else STDIN]
        open_still = True
        while data := await self._call.receive(STDIN):
            try:
                if open_still:
                    await self._loop.write_all(target, data)
            except OSError:
                open_still = False
        if not self.terminal:
            os.close(self._ours.pop(STDIN))
        elif open_still:
            try:
                await self._loop.write_all(target, END_OF_INPUT)
            except OSError:
                pass  # the program has closed its terminal

    def pumps(self) -> list[Any]:
        """What has to end before the program's end is told: all output is out, and it has ended."""
        return [self._drain(number) for number in (STDOUT, STDERR) if number in self._ours] + [self._ended()]

    async def _ended(self) -> None:
        assert self.child is not None
        await self.child.wait()

    async def _drain(self, channel: int) -> None:
        """From the program to the call, until it has closed its end, or has ended and nothing more comes."""
        assert self.child is not None
        fd = self._ours[channel]
        while True:
            data = await self._next_output(fd)
            if data is None:
                continue
            if not data:
                self._call.end(channel)
                return
            await self._call.send(channel, data)

    async def _next_output(self, fd: int) -> bytes | None:
        """The next output, empty at its end; None when the program ended while we waited, so that the wait is bounded from now on."""
        assert self.child is not None
        ended = self.child.status is not None
        with self._loop.move_on_after(LINGER_S) as deadline:
            try:
                return await self._loop.read(fd)
            except OSError:
                return b""  # a terminal whose program has closed it gives EIO
        return b"" if ended and deadline.expired else None
