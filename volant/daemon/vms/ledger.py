"""Owner rows of a launch: written before the objects are made, dropped once each is proven gone."""

from __future__ import annotations

from collections.abc import Iterable

from volant.daemon.ports import DropObject, HostObject


class Claim:
    """Rows held for objects that are about to be made.

    An object that was made and that nobody has called gone keeps its row, so that the next sweep looks for it.
    """

    def __init__(self, objects: Iterable[HostObject], *, made: bool = False) -> None:
        self._held = {(item.kind, item.name) for item in objects}
        self._made = set(self._held) if made else set()
        self.left: list[str] = []
        """Why what could not be proven gone is still there, a sentence each."""

    def made(self, kind: str, name: str) -> None:
        """The object exists now."""
        self._made.add((kind, name))

    def gone(self, kind: str, name: str) -> None:
        """The object was proven gone."""
        self._made.discard((kind, name))

    def stays(self, why: str) -> None:
        """An object could not be proven gone: its row is kept."""
        self.left.append(why)

    def free(self) -> tuple[DropObject, ...]:
        """The changes that drop the rows of everything that is not there."""
        return tuple(DropObject(kind, name) for kind, name in sorted(self._held - self._made))
