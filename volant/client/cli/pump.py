"""The loop of an interactive call: our input to the guest, its output to us, signals between, until the call ends.

One `select` over the input, the daemon's socket and the signals. Input is read only while the daemon takes it, and what came is
written before more is asked for, so that nobody holds more than a channel's credit. Nothing is lost at the end, because the
reply comes after the last byte.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Any

from volant.client.blocking_calls import BytesCall
from volant.client.cli.tty import Signals
from volant.proto.connection import MAX_DATA
from volant.proto.messages import DataReceived, ItemReceived

STDIN = 0
"""Channel of what flows to the guest."""


class Detached(Exception):
    """The person asked to leave: the call is cancelled, the VM runs on. `before` was typed before, and still goes to the guest."""

    def __init__(self, before: bytes = b"") -> None:
        super().__init__()
        self.before = before


class Pump:
    """One call and what is connected to it. `sink` takes (channel, bytes) and returns when they are written."""

    def __init__(self, call: BytesCall, *, sink: Callable[[int, bytes], None]) -> None:
        self._call, self._sink = call, sink
        self.feed: int | None = None
        """Descriptor whose bytes go to channel 0; None: none, and the guest sees the end of its input at once."""
        self.filter: Callable[[bytes], bytes] | None = None
        """Looks at each piece of input; what it returns is sent. May raise Detached."""
        self.on_item: Callable[[Any], None] = lambda item: None
        self.signals: Signals | None = None
        self.on_signal: Callable[[int], None] = lambda number: None
        self.beside: Callable[[], bool] = lambda: False
        """What else is said on the call's connection, asked whenever something came; whether anything was."""
        self._waiting = b""
        """Input that was read and that the daemon has not taken yet."""

    def run(self) -> Any:
        """Until the call ends: its result. Its fault is raised."""
        if self.feed is None:
            self._call.end(STDIN)
        while True:
            for message in self._call.receive_ready():
                if isinstance(message, DataReceived):
                    self._sink(message.channel, message.data)
                elif isinstance(message, ItemReceived):
                    self.on_item(message.item)
            if self._call.over:
                return self._call.result()
            if not self.beside():  # who speaks may also read, and what is for this call waits in it then
                self._wait()

    def _wait(self) -> None:
        """Until anything can be done, and do what is ours of it."""
        self._send_waiting()
        readers: list[Any] = [self._call]
        if self.feed is not None and not self._waiting:
            readers.append(self.feed)
        if self.signals is not None:
            readers.append(self.signals)
        ready, writable, _ = select.select(readers, [self._call] if self._call.wants_write else [], [])
        if writable:
            self._call.flush()
        if self.signals is not None and self.signals in ready:
            for number in self.signals.take():
                self.on_signal(number)
        if self.feed is not None and self.feed in ready:
            self._read_feed(self.feed)

    def _read_feed(self, feed: int) -> None:
        try:
            data = os.read(feed, MAX_DATA)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # a terminal that hung up, or a descriptor that can't be read: no more will come
        if not data:
            self.feed = None
            self._call.end(STDIN)
            return
        try:
            self._waiting = self.filter(data) if self.filter else data
        except Detached as leaving:
            self._call.try_send(STDIN, leaving.before)
            raise
        self._send_waiting()

    def _send_waiting(self) -> None:
        """Without credit the rest stays; credit makes the socket readable, and so comes back here."""
        if self._waiting:
            self._waiting = self._waiting[self._call.try_send(STDIN, self._waiting) :]
