"""The agent's own words on the serial console. They are never waited for: PID 1 must not hang on a line nobody reads."""

from __future__ import annotations

import os

MAX_SENTENCE = 2_000
"""Characters of one line: a failure with the workload's last output fits."""


class Console:
    """Writes whole lines to a non-blocking descriptor; what doesn't fit now is lost, and counted."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.lost = 0

    def say(self, sentence: str) -> None:
        """One line, `kestrel: <sentence>`; line ends inside become spaces."""
        text = " ".join(sentence.split("\n"))[:MAX_SENTENCE]
        line = f"kestrel: {text}\r\n".encode(errors="replace")
        try:
            if os.write(self._fd, line) < len(line):
                self.lost += 1
        except OSError:
            self.lost += 1
