"""How much of what VMs print has room in a recording, so that the host's states and events always have some. Pure."""

from __future__ import annotations

OUTPUT_BYTES = 8 * 1024 * 1024
"""Of all output: half of a recording."""
VM_BYTES = 1024 * 1024
"""Of one VM's log, and of one VM's console: ten thousand lines. One that prints without a pause leaves room for the others."""
OUTPUT_LINES = 50_000
"""Of the recording, half of which are others': so many pieces of output, however short."""


class Room:
    """What is left of it."""

    def __init__(self) -> None:
        self._left, self._lines = OUTPUT_BYTES, OUTPUT_LINES
        self._taken: dict[tuple[str, str], int] = {}
        self.left_out: dict[tuple[str, str], int] = {}
        """How much had none: by what it is of (the kind of the line, the VM's id). Of what had none once, nothing more has."""

    @property
    def is_full(self) -> bool:
        """Nothing more fits, whoever prints it."""
        return self._left <= 0 or self._lines <= 0

    def is_closed_to(self, what: str, vm_id: str, count: int) -> bool:
        """Whether some of this had no room before; then these are left out, too."""
        key = (what, vm_id)
        if key in self.left_out:
            self.left_out[key] += count
        return key in self.left_out

    def takes(self, what: str, vm_id: str, size: int, count: int) -> bool:
        """Whether a line of so many bytes has room, and takes it; else its `count` is left out."""
        key = (what, vm_id)
        taken = self._taken.get(key, 0) + size
        if taken > VM_BYTES or size > self._left or self._lines <= 0:
            self.left_out[key] = count
            return False
        self._taken[key] = taken
        self._left -= size
        self._lines -= 1
        return True
