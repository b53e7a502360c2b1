"""Output that may get stuck: a thread writes, so that a reader who takes nothing holds up the output and nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import NamedTuple

from volant.client.cli import terminal

MAX_BACKLOG = 65_536
"""Bytes that wait to be written, above which no more are asked for: what a pipe holds."""

_NAMES = {1: "standard output", 2: "standard error"}


class _Piece(NamedTuple):
    descriptor: int
    data: bytes
    cursor: str


class Outlet:
    """Writes pieces in order. What a descriptor refuses is dropped and told of once: a VM lives on when nobody hears it."""

    def __init__(self) -> None:
        self.cursor = ""
        """Of the last piece that was written."""
        self.newline = "\n"
        """How a line of ours ends; a terminal in raw mode needs a carriage return too."""
        self._loop = asyncio.get_running_loop()
        self._pieces: SimpleQueue[_Piece] = SimpleQueue()
        self._backlog = 0
        self._moved = asyncio.Event()
        self._refused: dict[int, int] = {}
        """By descriptor the errno of its last refusal."""
        threading.Thread(target=self._write_all, daemon=True, name="output").start()

    @property
    def is_full(self) -> bool:
        return self._backlog > MAX_BACKLOG

    def put(self, descriptor: int, data: bytes, cursor: str = "") -> None:
        """Write `data` when its turn comes."""
        self._backlog += len(data)
        self._pieces.put(_Piece(descriptor, data, cursor))

    def say(self, text: str) -> None:
        """A line of our own, on stderr."""
        self.put(2, f"{text}{self.newline}".encode(errors="backslashreplace"))

    async def wait_room(self) -> None:
        """Until it is no longer full."""
        while self.is_full:
            await self._wait_moved()

    async def wait_empty(self) -> None:
        """Until all is written."""
        while self._backlog:
            await self._wait_moved()

    async def _wait_moved(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    def _write_all(self) -> None:
        while True:
            piece = self._pieces.get()
            self._write(piece)
            try:
                self._loop.call_soon_threadsafe(self._written, piece)
            except RuntimeError:  # the loop is closed, and with it all that wants to know
                return

    def _written(self, piece: _Piece) -> None:
        self._backlog -= len(piece.data)
        self.cursor = piece.cursor or self.cursor
        self._moved.set()

    def _write(self, piece: _Piece) -> None:
        try:
            terminal.write_all(piece.descriptor, piece.data)
            self._refused.pop(piece.descriptor, None)
        except OSError as error:
            if self._refused.get(piece.descriptor) != error.errno:
                self._refused[piece.descriptor] = error.errno or 0
                self._complain(piece.descriptor, error)

    def _complain(self, descriptor: int, error: OSError) -> None:
        if descriptor != 2:
            sentence = f"{_NAMES[descriptor]} can't be written ({(error.strerror or '').lower()}): output is lost, the VM goes on"
            with suppress(OSError):
                os.write(2, f"{sentence}{self.newline}".encode())


def occupy_standard_descriptors() -> None:
    """Open what is closed of 0 to 2 on nothing: else the next socket would get the number, and the guest's output with it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
