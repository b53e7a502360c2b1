"""A list that is asked anew whenever events say that it may be different: two calls of it are never under way at once. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.lines import Line

if TYPE_CHECKING:
    from volant.tui.desk import Desk


class Relisting:
    """`method` is asked while its screen is looked at, page by page where it has pages; `heard` gets all `items` of each answer. `concerns`
    says of an event's kind whether it matters."""

    def __init__(self, method: str, params: Mapping[str, Any], concerns: Callable[[str], bool], heard: Callable[[list[Any]], None]) -> None:
        self._method, self._params, self._concerns, self._heard = method, params, concerns, heard
        self._seen = 0
        """Number of the newest event that was looked at."""
        self._tag = 0
        self._items: list[Any] = []
        """Of the pages that came so far."""
        self._again = False
        self._live = False
        self.fault: Fault | None = None
        """Why there is no list."""
        self.known = False
        """There was an answer."""

    def shown(self, desk: Desk) -> None:
        """Its screen is looked at from now on."""
        self._live = False
        self.refreshed(desk)

    def hidden(self, desk: Desk) -> None:
        if self._tag:
            desk.pending.forget(self._tag)
        self._tag, self._again = 0, False

    def refreshed(self, desk: Desk) -> None:
        """The desk's snapshot is another: ask when the connection is there again, or when something happened that matters."""
        snapshot = desk.snapshot
        came_back = snapshot.is_live and not self._live
        self._live = snapshot.is_live
        fresh = [event for event in snapshot.events if event["seq"] > self._seen]
        if fresh:
            self._seen = fresh[-1]["seq"]
        if came_back or (self._live and any(self._concerns(str(event["kind"])) for event in fresh)):
            self.ask(desk)

    def missing(self, desk: Desk) -> list[Line]:
        """Why there is no list yet; nothing once there was an answer."""
        if self.known:
            return []
        why = self.fault.message if self.fault is not None else "asking ..." if desk.snapshot.is_live else "not connected"
        return [((f"  {harmless(why)}", "dim"),)]

    def ask(self, desk: Desk) -> None:
        """Ask now, or, while an answer is on its way that may be too old, right after it."""
        if self._tag:
            self._again = True
            return
        self._items.clear()
        self._tag = self._call(desk)

    def _call(self, desk: Desk) -> int:
        """Ask for the page behind what has come."""
        offset = {"offset": len(self._items)} if self._items else {}
        return desk.pending.call(self._method, {**self._params, **offset}, lambda result: self._answered(desk, result))

    def _answered(self, desk: Desk, result: Any) -> None:
        self._tag = 0
        if isinstance(result, Fault):
            self.fault, self._items = result, []
        else:
            self._items += result["items"]
            if result["items"] and len(self._items) < result.get("total", 0):
                self._tag = self._call(desk)
                return
            items, self._items = self._items, []
            self.fault, self.known = None, True
            self._heard(items)
        if self._again:
            self._again = False
            self.ask(desk)
