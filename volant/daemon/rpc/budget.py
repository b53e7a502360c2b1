"""What all connections together may make the daemon hold.

Each connection has limits of its own, but thousands of them at those limits would be more memory than a host has. So what they hold is
added up, and when it is too much, whoever holds most is cut off: who reads and is read holds next to nothing, and notices nothing.
"""

from __future__ import annotations

from typing import Protocol

from volant.proto.errors import ConnectionLost

MAX_HELD_BYTES = 512 * 1024 * 1024
"""Bytes that all connections together may make the daemon hold: twenty of the costliest calls that there can be, or the full windows of
two thousand channels; a host for VMs has that to spare."""

DECODED_BYTES = 100
"""What a byte of a call's parameters may cost once it is decoded, for as long as the call is open: short texts and small maps are the
worst (measured)."""


class Holder(Protocol):
    """A connection."""

    def held(self) -> int:
        """Bytes that it makes us hold now."""

    def cut_off(self, fault: ConnectionLost) -> None:
        """End it, and let go of everything."""


class Budget:
    """The sum over all connections, kept below a limit."""

    def __init__(self, limit: int = MAX_HELD_BYTES) -> None:
        self._limit = limit
        self._held: dict[Holder, int] = {}
        self._total = 0

    def note(self, holder: Holder, held: int) -> None:
        """`holder` holds so much now. What others have let go of since they said so counts only once it matters."""
        self._total += held - self._held.get(holder, 0)
        self._held[holder] = held
        if self._total > self._limit:
            self._relieve()

    def forget(self, holder: Holder) -> None:
        """It holds nothing any more."""
        self._total -= self._held.pop(holder, 0)

    def _relieve(self) -> None:
        self._held = {holder: holder.held() for holder in self._held}
        self._total = sum(self._held.values())
        while self._total > self._limit:
            greediest = max(self._held, key=lambda holder: self._held[holder])
            held = self._held[greediest]
            self.forget(greediest)
            greediest.cut_off(
                ConnectionLost(
                    f"clients make volantd hold too much ({self._limit} bytes in all), and you most of all ({held} bytes)",
                    hint="read what you asked for, and send less at once",
                )
            )
