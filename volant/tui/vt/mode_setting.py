"""Setting, resetting and reporting modes by their numbers (SM, RM, DECSET, DECRST, DECRQM)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from volant.tui.vt import editing
from volant.tui.vt.modes import CursorShape, Modes, MouseEncoding, MouseTracking
from volant.tui.vt.screen import Screen

_ATTRIBUTES: Final[dict[str, str]] = {
    "4": "insert",
    "?1": "application_cursor",
    "?7": "autowrap",
    "?12": "cursor_blinking",
    "?25": "cursor_visible",
    "?66": "application_keypad",
    "?1004": "focus_events",
    "?2004": "bracketed_paste",
}
"""Mode, written with `?` when it is a private one, to the attribute of `Modes` that it is."""
_TRACKING: Final = {"?1000": MouseTracking.CLICKS, "?1002": MouseTracking.DRAG, "?1003": MouseTracking.MOTION}
_ENCODING: Final = {"?1005": MouseEncoding.UTF8, "?1006": MouseEncoding.SGR}

_SHAPES: Final = (CursorShape.DEFAULT, CursorShape.BLOCK, CursorShape.UNDERLINE, CursorShape.BAR)


def set_mode(screen: Screen, mode: str, on: bool) -> None:
    """Set or reset one mode; an unknown one is ignored."""
    modes = screen.modes
    if mode in _ATTRIBUTES:
        setattr(modes, _ATTRIBUTES[mode], on)
    elif mode in _TRACKING:
        modes.mouse = _TRACKING[mode] if on else MouseTracking.OFF
    elif mode in _ENCODING:
        modes.mouse_encoding = _ENCODING[mode] if on else MouseEncoding.BYTES
    elif mode in _ACTIONS:
        _ACTIONS[mode](screen, on)
    screen.refresh_writing()


def report(screen: Screen, mode: str) -> int:
    """DECRPM's answer: 1 is set, 2 is reset, 0 is not known."""
    known: dict[str, bool] = {
        **{name: getattr(screen.modes, attribute) for name, attribute in _ATTRIBUTES.items()},
        **{name: screen.modes.mouse is tracking for name, tracking in _TRACKING.items()},
        **{name: screen.modes.mouse_encoding is encoding for name, encoding in _ENCODING.items()},
        **dict.fromkeys(("?47", "?1047", "?1049"), screen.grid.alternate),
        "?6": screen.modes.origin,
    }
    return 0 if mode not in known else 1 if known[mode] else 2


def set_cursor_shape(modes: Modes, number: int) -> None:
    """DECSCUSR: 0 the default, then blinking and steady block, underline and bar."""
    if number <= 6:
        modes.cursor_shape = _SHAPES[(number + 1) // 2]
        modes.cursor_blinking = number % 2 == 1


def _columns(screen: Screen, _on: bool) -> None:
    """DECCOLM: the width is the viewer's to choose, so only the clearing that goes with it is done."""
    screen.move_to(0, 0)
    editing.erase_in_display(screen, editing.Extent.ALL)


def _alternate(screen: Screen, on: bool) -> None:
    if on:
        screen.show_alternate(save_cursor=False)
    else:
        screen.show_primary(restore_cursor=False)


def _alternate_with_cursor(screen: Screen, on: bool) -> None:
    if on:
        screen.show_alternate(save_cursor=True)
    else:
        screen.show_primary(restore_cursor=True)


_ACTIONS: Final[dict[str, Callable[[Screen, bool], None]]] = {
    "?3": _columns,
    "?6": Screen.set_origin,
    "?47": _alternate,
    "?1047": _alternate,
    "?1049": _alternate_with_cursor,
}
