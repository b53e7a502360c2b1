"""Who watches the list of VMs, and what each has still to be told. No I/O; nothing is queued, only noted which VMs changed.

A watcher that reads slowly is told less often, and then of the latest state; what it makes us hold is a reference for each VM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Protocol

import trio

from volant.daemon.ports import VmRecord
from volant.proto.api.vm import VmView
from volant.proto.plain import to_plain


class Watched(Protocol):
    """A VM as watchers need it: `vms.book.Book`."""

    gone: bool

    @property
    def record(self) -> VmRecord: ...
    @property
    def view(self) -> VmView: ...
    @property
    def listed(self) -> VmView:
        """The view as it is sent."""

    @property
    def encoded(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Changes:
    """Part of what a watcher has to be told."""

    encoded: tuple[bytes, ...]
    """Views of VMs that are new to it or have changed."""
    views: tuple[VmView, ...]
    """The same."""
    altered: tuple[dict[str, Any], ...]
    """Of VMs that it knows: first their ids, then what is different, where it asked for no more."""
    gone: tuple[str, ...]
    complete: bool
    """It has been told everything."""


class Watch:
    """One watcher."""

    def __init__(self, found: Iterable[Watched], takes: Callable[[VmView], bool], *, deltas: bool = False) -> None:
        self._untold = {book.record.id: book for book in found}
        self._told: dict[str, VmView] = {}
        """The VMs that it knows of, as it was told of them."""
        self.takes, self._deltas = takes, deltas
        self._news = trio.Event()
        self._news.set()  # an empty list is news, too

    def touch(self, book: Watched) -> None:
        self._untold[book.record.id] = book
        self._news.set()

    async def wait_news(self) -> None:
        await self._news.wait()

    def take_changed(self) -> list[Watched]:
        """All that changed since the last time, taken or not, or gone: for who tells something else of them than their records."""
        found, self._untold = list(self._untold.values()), {}
        self._news = trio.Event()
        return found

    def take(self, limit: int) -> Changes:
        """What of at most `limit` VMs it has to be told; from then on it counts as told."""
        encoded: list[bytes] = []
        views: list[VmView] = []
        altered: list[dict[str, Any]] = []
        gone: list[str] = []
        for vm_id in list(self._untold)[:limit]:
            book = self._untold.pop(vm_id)
            before = self._told.pop(vm_id, None)
            if not book.gone and self.takes(book.view):
                now = self._told[vm_id] = book.listed
                if before is None or not self._deltas:
                    encoded.append(book.encoded)
                    views.append(now)
                elif before != now:
                    altered.append({"id": vm_id, **difference(before, now)})
            elif before is not None:
                gone.append(vm_id)
        if not self._untold:
            self._news = trio.Event()
        return Changes(tuple(encoded), tuple(views), tuple(altered), tuple(gone), complete=not self._untold)


def difference(before: VmView, now: VmView) -> dict[str, Any]:
    """The fields of `now` that are not what they were, as plain values."""
    pairs = ((name, getattr(now, name), getattr(before, name)) for name in _FIELDS)
    return {name: to_plain(new) for name, new, old in pairs if new != old}


_FIELDS = tuple(field.name for field in fields(VmView))


class Watchers:
    """All who watch."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()

    def touch(self, book: Watched) -> None:
        """Note that `book` is not what it was."""
        for watch in self._watches:
            watch.touch(book)

    @contextmanager
    def watching(self, found: Iterable[Watched], takes: Callable[[VmView], bool], *, deltas: bool = False) -> Iterator[Watch]:
        """A watcher of what is `found` now and of all that changes while the block runs."""
        watch = Watch(found, takes, deltas=deltas)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.remove(watch)
