"""What a guest's program may switch on in its terminal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class MouseTracking(Enum):
    """Which mouse events the guest asked for."""

    OFF = 0
    CLICKS = 1000
    """Presses and releases."""
    DRAG = 1002
    """Those, and motion while a button is down."""
    MOTION = 1003
    """Those, and all motion."""


class MouseEncoding(Enum):
    """How it wants them written."""

    BYTES = 0
    """`CSI M` and three bytes; columns and rows up to 223."""
    UTF8 = 1005
    """The same with characters instead of bytes; up to 2,015."""
    SGR = 1006
    """`CSI <` and decimal numbers."""


class CursorShape(Enum):
    """How the guest wants its cursor drawn (DECSCUSR)."""

    DEFAULT = "default"
    BLOCK = "block"
    UNDERLINE = "underline"
    BAR = "bar"


@dataclass(slots=True)
class Modes:
    """The modes in force. The viewer draws by some, and needs others to know what bytes a key stands for."""

    autowrap: bool = True
    """DECAWM: text goes on in the next line at the margin."""
    insert: bool = False
    """IRM: text shifts what is to the right of it."""
    origin: bool = False
    """DECOM: row 1 is the scrolling region's first."""
    cursor_visible: bool = True
    """DECTCEM."""
    cursor_shape: CursorShape = CursorShape.DEFAULT
    cursor_blinking: bool = False
    application_cursor: bool = False
    """DECCKM: arrow keys send SS3 instead of CSI."""
    application_keypad: bool = False
    """DECKPAM: the keypad's keys send sequences of their own."""
    bracketed_paste: bool = False
    focus_events: bool = False
    """The guest wants to know when the viewer gains or loses focus."""
    mouse: MouseTracking = MouseTracking.OFF
    mouse_encoding: MouseEncoding = MouseEncoding.BYTES

    def reset_softly(self) -> None:
        """DECSTR: what VT510's manual lists for it; the modes of xterm's own making stay."""
        self.autowrap, self.insert, self.origin = True, False, False
        self.cursor_visible = True
        self.application_cursor = self.application_keypad = False
