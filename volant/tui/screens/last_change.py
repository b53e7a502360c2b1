"""What the newest revision of a deployment changed, who made it and when: asked once for each revision that is looked at. No I/O."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.differing import difference
from volant.tui.lines import Line
from volant.tui.model import Record
from volant.tui.screens.vm_pane import section

if TYPE_CHECKING:
    from volant.tui.desk import Desk

MOST_KNOWN = 100
"""Revisions whose histories are kept: more than anybody looks at in a sitting; then they are asked for again."""
MOST_LINES = 8
"""Of what is different; the page of the deployment's history has all."""


class LastChange:
    """Of all deployments of the list."""

    def __init__(self) -> None:
        self._revisions: dict[tuple[str, int], list[Record]] = {}
        """By name and number, newest first; empty while they are asked for, and where they can't be had."""

    def lines(self, desk: Desk, record: Record, width: int) -> list[Line]:
        """Nothing for a deployment that was never updated."""
        key = str(record["name"]), int(record["revision"])
        if key not in self._revisions and desk.snapshot.is_live:
            if len(self._revisions) >= MOST_KNOWN:
                self._revisions.clear()
            self._revisions[key] = []
            desk.pending.call("deployment.history", {"name": key[0]}, partial(self._heard, key))
        known = self._revisions.get(key, [])
        if len(known) < 2:
            return []
        newest, before = known[0], known[1]
        head = f"revision {newest['revision']}, {human.age(str(newest['created_at']), now=desk.wall())} ago"
        lines = [section(desk, head, width), ((f"  {harmless(str(newest['note']))} by {harmless(str(newest['author']))}", "dim"),)]
        return [*lines, *difference(before["template"], newest["template"], width)[:MOST_LINES]]

    def _heard(self, key: tuple[str, int], result: Any) -> None:
        if not isinstance(result, Fault):
            self._revisions[key] = result["items"]
