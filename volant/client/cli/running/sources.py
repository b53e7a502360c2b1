"""What of a VM goes to stdout: the lines of its workload, or its serial line. Each knows how far it has got, and goes on there.

A cursor is what it has passed on, in words: `logs BOOT NUMBER` or `console OFFSET`.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from volant.client.aio import AsyncBytesCall, AsyncClient
from volant.client.cli import terminal
from volant.client.cli.running.outlet import Outlet
from volant.client.cli.text import harmless_log_line, lines_lost
from volant.client.cli.tty import ModeWatcher
from volant.proto.api import vm as api
from volant.proto.api import vm_console
from volant.proto.errors import Fault, WriterTaken
from volant.proto.messages import DataReceived, ItemReceived

AGAIN_S = 0.1
"""Pause before a source that ended is asked again: an agent that is not there yet, a daemon that is away."""


class Seen(Protocol):
    """The VM as its runner sees it."""

    @property
    def view(self) -> api.VmView: ...
    @property
    def is_up(self) -> bool:
        """A VMM may run, or is about to."""

    @property
    def is_over(self) -> bool:
        """Nothing runs, and its policy starts nothing again."""


class Source(Protocol):
    """Where output comes from."""

    async def follow(self) -> None:
        """Pass it on until the VM is over."""

    async def rest(self) -> None:
        """Pass on what there is now, of a VM whose workload has ended."""


class WorkloadLines:
    """The workload's output: its stdout goes to ours, its stderr to ours."""

    def __init__(self, path: str | None, name: str, vm: Seen, outlet: Outlet, *, cursor: str) -> None:
        self._path, self._name, self._vm, self._outlet = path, name, vm, outlet
        self._boot = self._seq = 0
        match cursor.split():
            case ["logs", boot, seq] if boot.isdecimal() and seq.isdecimal():
                self._boot, self._seq = int(boot), int(seq)

    async def follow(self) -> None:
        while not self._vm.is_over:
            await self._read(follow=True)
            await asyncio.sleep(AGAIN_S)

    async def rest(self) -> None:
        await self._read(follow=False)

    async def _read(self, *, follow: bool) -> None:
        """One call, from where the last one ended. The numbers begin anew with each boot."""
        view = self._vm.view
        if not view.status.is_live:
            return
        if self._boot != view.boot:
            self._boot, self._seq = view.boot, 0
        asked = api.LogsVm(name=self._name, tail=-1, after=self._seq, follow=follow)
        try:
            async with AsyncClient(self._path, reconnect=False) as client:
                is_first = True
                async for line in client.stream(api.LOGS, asked):
                    # It may have been started anew since it was seen, and these be the numbers of another boot.
                    if is_first and (await client.call(api.GET, api.VmName(name=self._name))).boot != self._boot:
                        return
                    is_first = False
                    if line.seq > self._seq:
                        self._pass_on(line)
                    if self._outlet.is_full:
                        client.pause_reading()
                        await self._outlet.wait_room()
                        client.resume_reading()
        except Fault:
            pass  # no agent yet or any more, or no daemon: whether that is the end, the VM's state says

    def _pass_on(self, line: api.LogLine) -> None:
        missed = line.seq - self._seq - 1
        if missed:
            self._outlet.say(lines_lost(missed))
        self._seq = line.seq
        if line.stream != "agent":
            target = 2 if line.stream == "stderr" else 1
            text = harmless_log_line(line.text, colour=terminal.wants_colour(target)) if terminal.is_tty(target) else line.text
            self._outlet.put(target, text.encode() + b"\n", f"logs {self._boot} {self._seq}")


class SerialLine:
    """The serial console, all of it, over all boots; and what is typed to it."""

    def __init__(self, path: str | None, name: str, vm: Seen, outlet: Outlet, *, cursor: str, typing: bool) -> None:
        self._path, self._name, self._vm, self._outlet = path, name, vm, outlet
        self._typing = typing
        self._call: AsyncBytesCall | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self.modes = ModeWatcher()
        """What the output has switched on at the terminal."""
        self._offset = 0
        match cursor.split():
            case ["console", offset] if offset.isdecimal():
                self._offset = int(offset)

    async def follow(self) -> None:
        ended = False
        while True:
            if self._vm.is_up or not ended:  # one that waits for its next start says nothing new
                ended = await self._read()
            if ended and self._vm.is_over:
                return
            await asyncio.sleep(AGAIN_S)

    async def rest(self) -> None:
        """Nothing: the line says more until the VM is down, and then `follow` ends."""

    def type(self, data: bytes) -> None:
        """Send what was typed; while there is nobody to send it to, it is lost."""
        if self._call is not None:
            sending = asyncio.ensure_future(self._send(self._call, data))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def _send(self, call: AsyncBytesCall, data: bytes) -> None:
        try:
            await call.send(api.STDIN, data)
        except Fault:
            pass

    async def _read(self) -> bool:
        """One call, from where the last one ended; whether the daemon said that no more comes."""
        asked = vm_console.ConsoleVm(name=self._name, write=self._typing, from_offset=self._offset)
        try:
            async with AsyncClient(self._path, reconnect=False) as client, client.bytes_call(vm_console.CONSOLE, asked) as call:
                self._call = call
                async for message in call:
                    if isinstance(message, ItemReceived):
                        self._move_to(message.item.offset)
                    elif isinstance(message, DataReceived):
                        self._pass_on(message.data)
                        await self._outlet.wait_room()
            return True
        except WriterTaken as fault:
            self._typing = False
            self._outlet.say(f"{fault.message}: you can only watch")
            return False
        except Fault:
            return not self._vm.is_up
        finally:
            self._call = None

    def _move_to(self, offset: int) -> None:
        if 0 < self._offset < offset:
            self._outlet.say(f"{offset - self._offset} bytes of the console are lost: it keeps the newest ones only")
        self._offset = offset

    def _pass_on(self, data: bytes) -> None:
        self._offset += len(data)
        self.modes.see(data)
        self._outlet.put(1, data, f"console {self._offset}")
