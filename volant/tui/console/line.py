"""A call of `vm.console` on the loop: bytes to whoever shows them at a pace that leaves time for keys, and typed bytes to the guest.

The guest may print faster than anything can be shown. What is not taken stays with the daemon, which keeps the newest megabytes of the
line and says how many bytes are gone; so a flood needs no more memory here than the call's credit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from volant.client.aio import AsyncClient
from volant.client.aio_calls import AsyncBytesCall
from volant.proto.api.vm import STDIN
from volant.proto.errors import Fault
from volant.proto.messages import DataReceived, ItemReceived

PIECE_BYTES: Final = 8_192
"""Shown at a time, in 1 to 4 milliseconds: a key that comes meanwhile waits no longer."""
TURN_S, BUSY_S = 1 / 30, 0.020
"""Of each turn's time no more than this goes to a guest's output: the rest is for keys, drawing and everything else."""
MAX_UNSENT: Final = 1 << 20
"""Bytes typed, or pasted at once, that the guest has not taken yet; more are refused."""


class ConsoleLine:
    """`tell` hears bytes and plain `ConsolePlace`s, in order."""

    def __init__(self, params: Mapping[str, Any], tell: Callable[[list[Any]], None]) -> None:
        self._params, self._tell = dict(params), tell
        self._unsent = bytearray()
        self._over = False
        self._typed = asyncio.Event()
        self._turn_began = self._busy = 0.0

    def send(self, data: bytes) -> bool:
        """Type `data`, as soon as the guest takes it; False when too much waits, and none of it is sent."""
        if len(self._unsent) + len(data) > MAX_UNSENT:
            return False
        self._unsent += data
        self._typed.set()
        return True

    def end(self) -> None:
        """Give the keyboard back once everything that was typed is sent; what the guest prints comes as before."""
        self._over = True
        self._typed.set()

    async def run(self, client: AsyncClient) -> Any:
        """Until the call ends: its result. Raises its fault."""
        async with client.bytes_call("vm.console", self._params) as call:
            sending = asyncio.create_task(self._send(call))
            try:
                async for message in call:
                    if isinstance(message, ItemReceived):
                        self._tell([message.item])
                    elif isinstance(message, DataReceived):
                        for start in range(0, len(message.data), PIECE_BYTES):
                            await self._show(message.data[start : start + PIECE_BYTES])
                return await call.result()
            finally:
                sending.cancel()

    async def _show(self, data: bytes) -> None:
        """Hand `data` on, then rest when this turn's time is used up."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if began - self._turn_began >= TURN_S:
            self._turn_began, self._busy = began, 0.0
        self._tell([data])
        self._busy += loop.time() - began
        await asyncio.sleep(max(0.0, self._turn_began + TURN_S - loop.time()) if self._busy >= BUSY_S else 0)

    async def _send(self, call: AsyncBytesCall) -> None:
        try:
            while True:
                await self._typed.wait()
                self._typed.clear()
                data, self._unsent = bytes(self._unsent), bytearray()
                await call.send(STDIN, data)
                if self._over and not self._unsent:
                    await call.end(STDIN)
                    return
        except Fault:
            pass  # the call is over, and says why itself
