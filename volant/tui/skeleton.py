"""What is on the screen before anything slow is imported, so that the terminal answers at once. Standard library only.

It switches to the alternate screen itself; Textual does so again, which changes nothing, and switches back at the end. Should the
import fail, `undo` switches back.
"""

from __future__ import annotations

import os

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J\x1b[H"
_LEAVE = "\x1b[?1049l\x1b[?25h"


def paint(place: str) -> None:
    """Draw the frame of the first screen. stdout must be a terminal."""
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        columns, rows = 80, 24
    top = "\x1b[1;7m volant \x1b[0m connecting"[: columns + 12]
    bottom = f" {place}"[: max(0, columns - 1)]
    _write(f"{_ENTER}{top}\x1b[2;2Hvms\x1b[{rows};1H\x1b[2m{bottom}\x1b[0m")


def undo() -> None:
    """Give the terminal back as it was."""
    _write(_LEAVE)


def _write(text: str) -> None:
    os.write(1, text.encode(errors="replace"))
