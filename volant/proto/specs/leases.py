"""Leases: who runs a VM, and what becomes of it when that program is gone.

A lease is held by one open call (`vm.hold`), so that it ends with its holder, however that ends. Each new holder gets a greater
fencing token, and a request that carries an older one is refused: a holder that was replaced can do no harm any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_ENGINE_ID, MAX_CURSOR = 64, 64
"""Characters: a UUID or a unit's name; and a boot, the name of an output and a 64-bit place in it."""


class OnEnd(StrEnum):
    """What becomes of a VM whose holder goes away without a word."""

    KEEP = "keep"
    """It runs on, and the next holder finds it."""
    DELETE = "delete"
    """It is deleted, with all that it had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLease:
    """The lease of a VM that is being made."""

    engine_id: str = ""
    on_end: OnEnd = OnEnd.KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class VmLease:
    """The latest lease of a VM."""

    token: int
    """The fencing token: greater with each new holder."""
    holder: str = ""
    """Who, as `uid:0(root), pid 4711 (volant)`; empty once it was released."""
    engine_id: str = ""
    """What the holder calls itself; empty when it said nothing."""
    on_end: OnEnd = OnEnd.KEEP
    connected: bool = False
    """The holder's call is open now."""
    since: str = ""
    """RFC 3339 instant at which it was taken."""
    cursor: str = ""
    """How far the holder has passed on the VM's output, in words of its own; kept for the next one."""

    @property
    def is_abandoned(self) -> bool:
        """The holder went away without releasing it."""
        return bool(self.holder) and not self.connected
