"""Running `volant` commands from the UI: in the foreground with the terminal, or with their output as lines."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

MAX_LINE_BYTES = 64 * 1024
"""A longer line comes in pieces."""


async def foreground(command: Sequence[str]) -> int:
    """Run it on our terminal until it ends: its exit code. Keys that send signals are its own."""
    held = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        process = await asyncio.create_subprocess_exec(*command, preexec_fn=_as_usual)
        try:
            return await process.wait()
        finally:
            await _end(process)
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)


def _as_usual() -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


async def lines_of(command: Sequence[str], *, most: int) -> AsyncIterator[list[str] | int]:
    """Its output and its complaints, at most so many lines at a time; at last its exit code. It ends when nobody listens any more."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=MAX_LINE_BYTES,
        env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "VOLANT_OUTPUT": "table"},
    )
    assert process.stdout is not None  # a pipe was asked for
    rest = b""
    try:
        while data := await process.stdout.read(MAX_LINE_BYTES):
            *whole, rest = (rest + data).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                whole, rest = [*whole, rest], b""
            for start in range(0, len(whole), most):
                yield [line.decode(errors="replace").rstrip("\r") for line in whole[start : start + most]]
                await asyncio.sleep(0)
        if rest:
            yield [rest.decode(errors="replace")]
        yield await process.wait()
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to end, if it runs, and wait for that: commands put the terminal back on SIGTERM."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
