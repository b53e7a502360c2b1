"""Places for guests that boot at once: what a person asked for goes before what the daemon starts by itself."""

from __future__ import annotations

from enum import IntEnum

import trio


class Urgency(IntEnum):
    """Who waits for a start; the smaller, the sooner."""

    ASKED = 0
    """Somebody asked for it just now."""
    BY_ITSELF = 1
    """A restart policy, an autostart, a deployment, or an earlier daemon's start that was cut short."""


class BootPlaces:
    """So many guests boot at once, for booting is bound by the CPU. Equal urgency is served in order."""

    def __init__(self, count: int) -> None:
        self.free = count
        self._queues = {urgency: trio.lowlevel.ParkingLot() for urgency in Urgency}

    async def acquire(self, urgency: Urgency) -> None:
        """Wait for a place, and take it."""
        if self.free:
            await trio.lowlevel.checkpoint_if_cancelled()
            self.free -= 1
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            # Whoever lets go hands the place over, so nobody can slip in between.
            await self._queues[urgency].park()

    def release(self) -> None:
        """Hand the place on."""
        for _, queue in sorted(self._queues.items()):
            if queue:
                queue.unpark()
                return
        self.free += 1
