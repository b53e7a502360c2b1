"""Who watches the list of VMs, and what each has still to be told. No I/O; nothing is queued, only noted which VMs changed.

A watcher that reads slowly is told less often, and then of the latest state; what it makes us hold is a reference for each VM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import trio

from volant.daemon.ports import VmRecord
from volant.proto.api.vm import VmView


class Watched(Protocol):
    """A VM as watchers need it: `vms.book.Book`."""

    gone: bool

    @property
    def record(self) -> VmRecord: ...
    @property
    def view(self) -> VmView: ...
    @property
    def encoded(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Changes:
    """Part of what a watcher has to be told."""

    encoded: tuple[bytes, ...]
    """Views of VMs that are new to it or have changed."""
    gone: tuple[str, ...]
    complete: bool
    """It has been told everything."""


class Watch:
    """One watcher."""

    def __init__(self, found: Iterable[Watched], takes: Callable[[VmView], bool]) -> None:
        self._untold = {book.record.id: book for book in found}
        self._told: set[str] = set()
        """Ids of the VMs that it knows of."""
        self._takes = takes
        self._news = trio.Event()
        self._news.set()  # an empty list is news, too

    def touch(self, book: Watched) -> None:
        self._untold[book.record.id] = book
        self._news.set()

    async def wait_news(self) -> None:
        await self._news.wait()

    def take(self, limit: int) -> Changes:
        """What of at most `limit` VMs it has to be told; from then on it counts as told."""
        encoded: list[bytes] = []
        gone: list[str] = []
        for vm_id in list(self._untold)[:limit]:
            book = self._untold.pop(vm_id)
            if not book.gone and self._takes(book.view):
                encoded.append(book.encoded)
                self._told.add(vm_id)
            elif vm_id in self._told:
                gone.append(vm_id)
                self._told.remove(vm_id)
        if not self._untold:
            self._news = trio.Event()
        return Changes(tuple(encoded), tuple(gone), complete=not self._untold)


class Watchers:
    """All who watch."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()

    def touch(self, book: Watched) -> None:
        """Note that `book` is not what it was."""
        for watch in self._watches:
            watch.touch(book)

    @contextmanager
    def watching(self, found: Iterable[Watched], takes: Callable[[VmView], bool]) -> Iterator[Watch]:
        """A watcher of what is `found` now and of all that changes while the block runs."""
        watch = Watch(found, takes)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)
