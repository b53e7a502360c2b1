"""What changes by itself, on a terminal: a stream read beside whoever waits for keys and time, and a picture drawn in place."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from volant.client.cli import terminal
from volant.client.cli.connect import open_client
from volant.client.cli.text import harmless
from volant.client.following import Following
from volant.client.resuming import Progress

T = TypeVar("T")

EVERY_S = 0.1
"""Least time between two drawings of what changes: as often as anybody can read, and next to no work. What comes meanwhile waits."""
AGES_EVERY_S = 1.0
"""Seconds after which a picture is drawn anew though nothing came, for the ages in it."""


class Feed(Generic[T]):
    """The newest of what a stream tells, read in a thread of its own. To select on: readable when there is news.

    The stream goes on when the daemon was away, for as long as `--reconnect` says; `note` tells a person about that.
    """

    def __init__(self, args: argparse.Namespace, progress: Progress, view: Callable[[Any], T | None], *, first: T | None = None) -> None:
        """Connect, with the faults of that. `view` makes of each item what is shown, in the thread; None for nothing new. `first` is what
        is known before anything comes."""
        self.note = ""
        self._latest = first
        self._fault: BaseException | None = None
        self._view = view
        self._following = Following(lambda: open_client(args), progress, patience_s=args.reconnect / 1000, say=self._say)
        self._news = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.over = False
        # A daemon thread: it ends with the process, which nothing of it outlives.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if first is not None:
            os.eventfd_write(self._news, 1)

    def fileno(self) -> int:
        return self._news

    def latest(self) -> T | None:
        """What is newest now; None when nothing came yet. Raises what the stream ended with."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._news)
        if self._fault is not None:
            raise self._fault
        return self._latest

    def close(self) -> None:
        """Give its descriptor back, once it is over."""
        self._reader.join()
        os.close(self._news)

    def _read(self) -> None:
        try:
            with self._following as items:
                for item in items:
                    shown = self._view(item)
                    if shown is not None:
                        self._latest, self.note = shown, ""
                        os.eventfd_write(self._news, 1)
        except BaseException as error:  # raised again where it is waited for
            self._fault = error
        self.over = True
        os.eventfd_write(self._news, 1)

    def _say(self, text: str) -> None:
        self.note = harmless(text)
        os.eventfd_write(self._news, 1)


class Picture:
    """Lines on a terminal that are drawn over those of before. What doesn't fit below each other is counted, and cut at the right."""

    def __init__(self) -> None:
        self._height = 0

    def draw(self, write: Callable[[], object], note: str = "") -> None:
        """Show what `write` prints, and below it the note."""
        with contextlib.redirect_stdout(io.StringIO()) as text:
            write()
        lines = [*text.getvalue().splitlines(), *([note] if note else [])]
        rows, _ = terminal.size(1)
        if len(lines) >= rows:
            kept = max(1, rows - 2)
            lines = [*lines[:kept], f"... and {len(lines) - kept} more"]
        # Without wrapping, so that a line of ours is a line of the terminal's however narrow that is.
        up = f"\x1b[{self._height}F" if self._height else ""
        sys.stdout.write(f"{up}\x1b[?7l" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J\x1b[?7h")
        sys.stdout.flush()
        self._height = len(lines)


def news(feed: Feed[T]) -> Iterator[T]:
    """What is newest, whenever there is news and for the ages, until the feed is over. Raises what it ended with."""
    while not feed.over:
        select.select([feed], [], [], AGES_EVERY_S)
        newest = feed.latest()
        if newest is not None:
            yield newest
        time.sleep(EVERY_S)
    feed.latest()
