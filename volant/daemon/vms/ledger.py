"""Owner rows of a launch: written before the objects are made, dropped after each is proven gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import trio

from volant.daemon.ports import DropObject, HostObject, PutObject, Store


class Claim:
    """Rows held for objects that are about to be made. What nobody has called gone keeps its row for the next sweep."""

    def __init__(self, objects: Iterable[HostObject]) -> None:
        self._held = {(item.kind, item.name): item for item in objects}
        self._gone: set[tuple[str, str]] = set()

    def gone(self, kind: str, name: str) -> None:
        """The object was proven gone, or was never made."""
        if (kind, name) in self._held:
            self._gone.add((kind, name))

    @property
    def proven(self) -> tuple[DropObject, ...]:
        """The changes that drop what is gone."""
        return tuple(DropObject(kind, name) for kind, name in sorted(self._gone))


@asynccontextmanager
async def claimed(store: Store, objects: tuple[HostObject, ...], *, written: bool = False) -> AsyncIterator[Claim]:
    """Hold rows for `objects` around their making. `written` says that the rows are in the store already."""
    claim = Claim(objects)
    if not written:
        await store.commit(*(PutObject(item) for item in objects))
    try:
        yield claim
    finally:
        if claim.proven:
            with trio.CancelScope(shield=True):
                await store.commit(*claim.proven)
