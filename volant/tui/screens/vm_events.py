"""What happened to one VM: asked once, and kept up by what the desk hears anyway. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from volant.proto.errors import Fault
from volant.tui.model import Record

if TYPE_CHECKING:
    from volant.tui.desk import Desk


class VmEvents:
    """`ask`, and `listed` has them. Known by the VM's id, so that they are not those of another one of its name."""

    def __init__(self) -> None:
        self._id = ""
        self._tag = 0
        self._asked: Sequence[Record] | None = None
        """What the daemon answered; None: nothing yet."""
        self.fault: Fault | None = None
        """Why there are none from before the UI began to listen."""

    def ask(self, desk: Desk, vm_id: str, last: int) -> None:
        """Ask for the newest `last` of this VM; those of another one are forgotten."""
        self.forget(desk)
        if vm_id != self._id:
            self._id, self._asked, self.fault = vm_id, None, None
        self._tag = desk.pending.call("event.list", {"vm": vm_id, "last": last}, self._answered)

    def forget(self, desk: Desk) -> None:
        """Nobody waits for the answer any more."""
        if self._tag:
            desk.pending.forget(self._tag)
        self._tag = 0

    def _answered(self, result: Any) -> None:
        self._tag = 0
        if isinstance(result, Fault):
            self.fault = result
        else:
            self._asked, self.fault = result["items"], None

    @property
    def known(self) -> bool:
        """There was an answer."""
        return self._asked is not None

    def listed(self, desk: Desk) -> list[Record]:
        """All that is known, the newest first."""
        asked = self._asked or ()
        newest = asked[-1]["seq"] if asked else 0
        heard = [event for event in desk.snapshot.events if event["seq"] > newest and event.get("vm_id") == self._id]
        return [*asked, *heard][::-1]
