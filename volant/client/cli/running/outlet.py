"""Output that may get stuck: a thread for each descriptor writes, so that who reads nothing holds up the output alone."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue

from volant.client.cli import terminal

MAX_BACKLOG = 65_536
"""Bytes that wait to be written, above which no more are asked for: what a pipe holds."""

_NAMES = {1: "standard output", 2: "standard error"}


@dataclass(eq=False, slots=True)
class _Piece:
    descriptor: int
    data: bytes
    cursor: str
    written: bool = False


class Outlet:
    """Writes pieces, those of one descriptor in order. What it refuses is dropped and told of once: a VM lives on when nobody hears it."""

    def __init__(self) -> None:
        self.cursor = ""
        """Of the last piece that was written, as all before it were."""
        self.newline = "\n"
        """How a line of ours ends; a terminal in raw mode needs a carriage return too."""
        self._loop = asyncio.get_running_loop()
        self._queues: dict[int, SimpleQueue[_Piece]] = {}
        self._unwritten: deque[_Piece] = deque()
        self._backlog = {1: 0, 2: 0}
        self._moved = asyncio.Event()
        for descriptor in self._backlog:
            queue = self._queues[descriptor] = SimpleQueue()
            threading.Thread(target=self._write_all, args=(queue,), daemon=True, name=_NAMES[descriptor]).start()

    @property
    def is_full(self) -> bool:
        return sum(self._backlog.values()) > MAX_BACKLOG

    def put(self, descriptor: int, data: bytes, cursor: str = "") -> None:
        """Write `data` to descriptor 1 or 2 when its turn comes."""
        piece = _Piece(descriptor, data, cursor)
        self._backlog[descriptor] += len(data)
        self._unwritten.append(piece)
        self._queues[descriptor].put(piece)

    def say(self, text: str) -> None:
        """A line of our own, on stderr."""
        self.put(2, f"{text}{self.newline}".encode(errors="backslashreplace"))

    async def wait_room(self) -> None:
        """Until it is no longer full."""
        while self.is_full:
            await self._wait_moved()

    async def wait_empty(self, *descriptors: int) -> None:
        """Until all for these descriptors (none: any) is written."""
        while any(self._backlog[descriptor] for descriptor in descriptors or self._backlog):
            await self._wait_moved()

    async def _wait_moved(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    def _write_all(self, queue: SimpleQueue[_Piece]) -> None:
        refused = 0
        while True:
            piece = queue.get()
            refused = self._write(piece, refused)
            try:
                self._loop.call_soon_threadsafe(self._written, piece)
            except RuntimeError:  # the loop is closed, and with it all that wants to know
                return

    def _written(self, piece: _Piece) -> None:
        self._backlog[piece.descriptor] -= len(piece.data)
        piece.written = True
        while self._unwritten and self._unwritten[0].written:
            self.cursor = self._unwritten.popleft().cursor or self.cursor
        self._moved.set()

    def _write(self, piece: _Piece, refused: int) -> int:
        """The errno of the refusal, 0 for none; `refused` is that of the piece before."""
        try:
            terminal.write_all(piece.descriptor, piece.data)
        except OSError as error:
            if error.errno != refused:
                self._complain(piece.descriptor, error)
            return error.errno or 0
        return 0

    def _complain(self, descriptor: int, error: OSError) -> None:
        if descriptor != 2:
            sentence = f"{_NAMES[descriptor]} can't be written ({(error.strerror or '').lower()}): output is lost, the VM goes on"
            with suppress(OSError):
                os.write(2, f"{sentence}{self.newline}".encode())
