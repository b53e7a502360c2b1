"""Running `volant` commands from the UI: in the foreground with the terminal, or with their output as lines."""

from __future__ import annotations

import asyncio
import os
import signal
import termios
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from volant.proto.errors import Fault

KEPT_WORDS_BYTES = 4 * 1024
"""Of what a command says on standard error: its last sentences."""
MAX_LINE_BYTES = 64 * 1024
"""A longer line comes in pieces."""


async def foreground(command: Sequence[str], *, said: bytearray | None = None) -> int:
    """Run it on our terminal until it ends: its exit code. Keys that send signals are its own. With `said`, what it writes on standard
    error goes through us, and its last KEPT_WORDS_BYTES are there at the end."""
    held = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        listening = None if said is None else asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stderr=listening, preexec_fn=_as_usual)
        try:
            if said is not None and process.stderr is not None:
                await _pass_on(process.stderr, said)
            code = await process.wait()
        finally:
            await _end(process)
        if code:  # what was typed for it, and not read any more, must not become keys of the UI
            with suppress(termios.error):  # no terminal: nobody typed
                termios.tcflush(0, termios.TCIFLUSH)
        return code
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)


async def _pass_on(stream: asyncio.StreamReader, said: bytearray) -> None:
    """Show what comes on our standard error, and keep its end."""
    while data := await stream.read(MAX_LINE_BYTES):
        os.write(2, data)
        said += data
        del said[:-KEPT_WORDS_BYTES]


def complaint(said: bytes) -> Fault | None:
    """The last failure that a command of ours told of, as `failures.report` writes it."""
    found: Fault | None = None
    for line in said.decode(errors="replace").splitlines():
        word, _, rest = line.partition(": ")
        if word == "error":
            found = Fault(rest)
        elif word == "hint" and found is not None:
            found.hint = rest
    return found


def _as_usual() -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


async def lines_of(command: Sequence[str], *, columns: int, most: int) -> AsyncIterator[list[str] | int]:
    """Its output and its complaints, at most so many lines at a time; at last its exit code. It ends when nobody listens any more.
    `columns` is how wide it will be shown."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=MAX_LINE_BYTES,
        env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "VOLANT_OUTPUT": "table", "COLUMNS": str(columns)},
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
