"""Completing the words behind a command's own as a shell does: its arguments, flags and their values.

The command's own completion says what may stand there. What it wants to know of the daemon it is told at once from what the UI has;
the rest is asked for beside the typing, and offered from the answer on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from volant.client.cli.completing.candidates import offers_at
from volant.client.cli.text import harmless
from volant.proto.errors import Fault

if TYPE_CHECKING:
    from volant.tui.desk import Desk

_NAMED = "name:"
"""Begins the only filter by which completion narrows a list down: `name:web*`."""


class Completer:
    """What one command bar knows; a new one begins anew, so that nothing it offers is older than the bar."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._replies: dict[str, dict[str, Any] | None] = {}

    def offers(self, before: Sequence[str], typed: str) -> dict[str, str]:
        """The words that may follow these where `typed` is there already, and their help."""
        return {offer.word: harmless(offer.help) for offer in offers_at(before, typed, self._ask).words}

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """A call's plain result as far as it is known; what is not known is asked for."""
        if method == "vm.list":
            beginning = str(params.get("filter", "")).removeprefix(_NAMED).rstrip("*")
            meant = (vm for vm in self._desk.snapshot.vms.values() if str(vm["name"]).startswith(beginning))
            return {"items": list(islice(meant, params["limit"]))}
        key = f"{method} {params}"
        if key not in self._replies and self._desk.snapshot.is_live:
            self._replies[key] = None
            self._desk.pending.call(method, params, partial(self._heard, key))
        return self._replies.get(key)

    def _heard(self, key: str, result: Any) -> None:
        self._replies[key] = None if isinstance(result, Fault) else result
