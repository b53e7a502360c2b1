"""What a fake guest makes of what is typed on its serial line."""

from __future__ import annotations

from collections.abc import Callable


class Shell:
    """`poweroff` ends the guest; any other line is said back."""

    def __init__(self, power_off: Callable[[], None], say: Callable[[str], None]) -> None:
        self._power_off, self._say = power_off, say
        self._typed = b""

    def type(self, data: bytes) -> None:
        """Take what was typed, of which a line may come in pieces."""
        *lines, self._typed = (self._typed + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line == b"poweroff":
                self._power_off()
            elif line:
                self._say(f"you said {line.decode('utf-8', 'replace')}")
