"""`guest.copy_in` and `guest.copy_out`: files as tar streams, done by a forked copy of the agent inside the workload's tree.

Forked, so that a slow disk or a hostile archive never holds up PID 1; changed-rooted first, so that the kernel itself keeps
every path and symbolic link inside the tree.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from volant.agent.children import Child, Children
from volant.agent.loop import READ_BYTES, Loop
from volant.agent.session import Call
from volant.proto import purecbor
from volant.proto.errors import Fault, GuestFailed, InvalidParams

IN, OUT = 0, 1
"""Channel numbers, as `proto/api/vm.py` declares them."""

MAX_REPORT = 65_536
"""Bytes of the copier's last word: two numbers or a fault."""


class Copier:
    """Answers the two calls."""

    def __init__(self, loop: Loop, children: Children) -> None:
        self._loop, self._children = loop, children
        self.tree = "/"

    async def copy_in(self, call: Call) -> dict[str, Any]:
        """`guest.copy_in`: unpack what comes on `in` below the path."""
        from volant.agent import tar

        path = _checked(call.params.text("path"))
        tree = self.tree
        job = _Job(self._loop, self._children, lambda fd: tar.unpack(tree, path, fd), child_reads=True)
        try:
            await self._feed(call, job)
            return await job.outcome()
        finally:
            job.close()

    async def copy_out(self, call: Call) -> dict[str, Any]:
        """`guest.copy_out`: pack the path onto `out`."""
        from volant.agent import tar

        path = _checked(call.params.text("path"))
        tree = self.tree
        job = _Job(self._loop, self._children, lambda fd: tar.pack(tree, path, fd), child_reads=False)
        try:
            while data := await self._loop.read(job.pipe, READ_BYTES):
                await call.send(OUT, data)
            outcome = await job.outcome()
            call.end(OUT)
            return outcome
        finally:
            job.close()

    async def _feed(self, call: Call, job: _Job) -> None:
        while data := await call.receive(IN):
            try:
                await self._loop.write_all(job.pipe, data)
            except BrokenPipeError:
                return  # it gave up, and its outcome says why
        job.end_input()


class _Job:
    """One forked copier: a pipe for the tar stream, and one for its last word."""

    def __init__(self, loop: Loop, children: Children, work: Callable[[int], dict[str, int]], *, child_reads: bool) -> None:
        self._loop = loop
        data_read, data_write = os.pipe2(os.O_CLOEXEC)
        self._report, report_write = os.pipe2(os.O_CLOEXEC)
        theirs, self.pipe = (data_read, data_write) if child_reads else (data_write, data_read)
        self._child: Child = children.fork(lambda: _report(report_write, lambda: work(theirs)), (theirs, report_write))
        os.close(theirs)
        os.close(report_write)
        os.set_blocking(self.pipe, False)
        os.set_blocking(self._report, False)

    def end_input(self) -> None:
        os.close(self.pipe)
        self.pipe = -1

    async def outcome(self) -> dict[str, Any]:
        """What the copier says in the end; its fault raised."""
        said = b""
        while len(said) < MAX_REPORT and (data := await self._loop.read(self._report)):
            said += data
        await self._child.wait()
        if not said:
            raise GuestFailed(f"copying ended unexpectedly (exit code {self._child.exit_code})", hint="the guest may be out of memory")
        told: dict[str, Any] = purecbor.loads(said)
        if "code" in told:
            raise Fault.from_wire(told)
        return told

    def close(self) -> None:
        """Also ends the copier, if it still works: nobody would hear of it."""
        for fd in (self.pipe, self._report):
            if fd >= 0:
                os.close(fd)
        if self._child.status is None:
            self._child.kill()


def _report(fd: int, work: Callable[[], dict[str, int]]) -> None:
    """In the copier: do the work and write what came of it."""
    try:
        told: dict[str, Any] = work()
    except Fault as fault:
        told = fault.to_wire()
    except OSError as error:
        hint = "make room in the guest, or give the VM more memory or a larger disk" if error.errno == errno.ENOSPC else ""
        told = GuestFailed(f"copying failed: {error.filename or 'the stream'}: {error.strerror or error}", hint=hint).to_wire()
    except Exception as error:
        told = GuestFailed(f"copying failed: {type(error).__name__}: {error}").to_wire()
    os.write(fd, purecbor.dumps(_printable(told)))


def _printable(told: dict[str, Any]) -> dict[str, Any]:
    """Names of files may be no UTF-8; the wire's text is."""
    return {key: value.encode(errors="replace").decode() if isinstance(value, str) else value for key, value in told.items()}


def _checked(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise InvalidParams(f"{path[:80]!r} is no absolute path in the guest", hint="begin it with /")
    return path
