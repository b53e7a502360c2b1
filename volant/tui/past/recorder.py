"""Writes what the UI hears into a recording, and reads one: the files behind `volant tui --record` and `--replay`.

Besides, it listens to what all VMs print, and is told what the consoles do that somebody opens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from volant.proto.errors import Fault, InvalidParams, NoSuchFile, Usage
from volant.tui.model import Changed, Heard
from volant.tui.past.overhearing import Consoles, Starts
from volant.tui.past.recording import MAX_BYTES, MAX_LINES, Head, head_line, news_line, output_line, read
from volant.tui.past.room import Room
from volant.tui.past.said import CONSOLE, LEFT_OUT, LOGS
from volant.tui.past.tape import Tape

if TYPE_CHECKING:
    from volant.client.aio import AsyncClient, AsyncStream


class Recorder:
    """A recording that grows. Once it is full, or can't be written, it ends there; the UI goes on."""

    def __init__(self, path: str, *, place: str, tell: Callable[[str], None]) -> None:
        """Makes the file, for this user's eyes. Usage where there is one already, or it can't be made; `tell` hears later why it ended, and
        what has no more room in it."""
        self._path, self._tell = path, tell
        self._room, self._consoles, self._starts = Room(), Consoles(), Starts()
        self._ids: dict[str, str] = {}
        """Of VMs by their names."""
        self._began = time.monotonic()
        try:
            self._file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", buffering=0)  # noqa: SIM115 - it lives as long as this
        except FileExistsError:
            raise Usage(f"{path} exists already", hint="name another file for the recording") from None
        except (OSError, ValueError) as error:
            raise Usage(f"{path} can't be made: {error}", hint="name a file in a folder that you may write to") from None
        self._bytes = self._lines = 0
        self._write(head_line(place, time.time()))

    def heard(self, news: Heard) -> None:
        """Record news."""
        if isinstance(news, Changed):
            self._ids.update((str(record["name"]), str(record["id"])) for record in news.items)
        if not self._file.closed:
            self._write(news_line(time.monotonic() - self._began, news))

    async def listen(self, client: AsyncClient) -> None:
        """Record what all VMs print, until the connection ends or there is no more room."""
        params: dict[str, Any] = {"filter": "", "after": {vm_id: list(place) for vm_id, place in self._starts.after.items()}}
        with suppress(Fault):  # the connection is gone, which others tell; or the daemon has no such call
            stream: AsyncStream[Any] = client.stream("vm.logs_watch", params)
            async with stream:
                async for item in stream:
                    self.printed(item)
                    if self._room.is_full or self._file.closed:
                        return
                await stream.result()

    def printed(self, item: Mapping[str, Any]) -> None:
        """Record a plain `VmLines`."""
        self._starts.take(item)
        if item["lines"]:
            self._output(LOGS, str(item["id"]), item, len(item["lines"]))

    def overheard(self, asked: Mapping[str, Any], items: Iterable[Any]) -> None:
        """Record what a console printed that is looked at: bytes and plain `ConsolePlace`s. `asked` are the parameters of `vm.console`;
        what is read of the past is none of this recording."""
        vm_id = self._ids.get(str(asked["name"]))
        if vm_id is not None and asked.get("follow", True):
            for told in self._consoles.take(vm_id, items):
                self._output(CONSOLE, vm_id, told, len(told["text"].encode()))

    def close(self) -> None:
        for (what, vm_id), count in self._room.left_out.items():
            self._leave_out(what, vm_id, count)
        self._file.close()

    def _output(self, what: str, vm_id: str, told: Mapping[str, Any], count: int) -> None:
        if self._file.closed or self._room.is_closed_to(what, vm_id, count):
            return
        line = output_line(time.monotonic() - self._began, what, told)
        if self._room.takes(what, vm_id, len(line), count):
            self._write(line)
            return
        # At once, for nobody knows how the recording will end; how much it was in all comes with its end.
        self._leave_out(what, vm_id, count)
        if len(self._room.left_out) == 1:
            self._tell(f"the recording {self._path} has no room for all output; what else happens is recorded as before")

    def _leave_out(self, what: str, vm_id: str, count: int) -> None:
        if not self._file.closed:
            self._write(output_line(time.monotonic() - self._began, LEFT_OUT, {"id": vm_id, "what": what, "count": count}))

    def _write(self, line: bytes) -> None:
        self._bytes += len(line)
        self._lines += 1
        if self._bytes > MAX_BYTES or self._lines > MAX_LINES:
            self._end(f"the recording {self._path} is full; what happens from now on is not in it")
            return
        try:
            written = self._file.write(line)
        except OSError as error:
            self._end(f"the recording {self._path} ended: {error.strerror}")
            return
        if written != len(line):
            self._end(f"the recording {self._path} ended: there is no room for it")

    def _end(self, why: str) -> None:
        self._file.close()
        self._tell(why)


def load(path: str) -> tuple[Head, Tape]:
    """A recording. NoSuchFile, InvalidParams."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # a FIFO would keep us waiting
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise NoSuchFile(f"{path} can't be read: {error}", hint="`volant tui --record FILE` makes a recording") from None
    head, tape = read(data or b"")
    if not len(tape):
        raise InvalidParams(f"{path} holds nothing but its beginning", hint="`volant tui --record FILE` makes a recording")
    return head, tape
