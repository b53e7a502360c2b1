"""What a key, a paste or the mouse is in bytes for the guest's program, by the modes that it has set.

Sequences: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html ("PC-Style Function Keys", "Mouse Tracking"). Keys of a protocol that
tells more of them apart (modifyOtherKeys, kitty's) are never sent: the viewer's own terminal doesn't tell them apart either, and programs
that ask for such a protocol understand the plain keys as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from volant.tui.vt.modes import Modes, MouseEncoding, MouseTracking

_CURSOR_KEYS: Final = {"up": "A", "down": "B", "right": "C", "left": "D", "center": "E", "home": "H", "end": "F"}
_FUNCTION_KEYS: Final = {"f1": "P", "f2": "Q", "f3": "R", "f4": "S"}
_NUMBERED: Final = {
    "insert": 2, "delete": 3, "pageup": 5, "pagedown": 6,
    "f5": 15, "f6": 17, "f7": 18, "f8": 19, "f9": 20, "f10": 21, "f11": 23, "f12": 24,
}  # fmt: skip
_PLAIN: Final = {"enter": "\r", "tab": "\t", "backspace": "\x7f", "escape": "\x1b", "space": " "}
_MODIFIERS: Final = {"shift": 1, "alt": 2, "ctrl": 4}
_CURSOR_SEQUENCE: Final = re.compile(rb"\x1b\[([A-FH])")
_UNPASTED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""Control characters that a paste must not bring: among them ESC, with which it could end its own brackets."""


def encode_key(name: str, modes: Modes) -> bytes:
    """The bytes of a key, named as `keys.decoder` does; nothing for one that terminals have no bytes for."""
    *held, key = name.rsplit("+", 1) if not name.endswith("++") and name != "+" else [*name[:-2].split("+"), "+"]
    modifier = sum(bit for word, bit in _MODIFIERS.items() if word in "+".join(held).split("+"))
    if key in _CURSOR_KEYS or key in _FUNCTION_KEYS:
        letter = _CURSOR_KEYS.get(key) or _FUNCTION_KEYS[key]
        if modifier:
            return f"\x1b[1;{modifier + 1}{letter}".encode()
        return f"\x1b{'O' if modes.application_cursor or key in _FUNCTION_KEYS else '['}{letter}".encode()
    if key in _NUMBERED:
        return f"\x1b[{_NUMBERED[key]}{f';{modifier + 1}' if modifier else ''}~".encode()
    if key == "tab" and modifier & 1:
        return b"\x1b[Z"
    text = _PLAIN.get(key, key)
    if len(text) != 1:
        return b""
    if modifier & 4 and key not in _PLAIN:
        if not ("?" <= text.upper() <= "_"):
            return b""
        text = "\x7f" if text == "?" else chr(ord(text.upper()) - 64)
    return (b"\x1b" if modifier & 2 else b"") + text.encode(errors="replace")


def adapt_typed(data: bytes, modes: Modes) -> bytes:
    """What was typed into a terminal whose cursor keys are in their normal mode, for a guest that may have set the other one."""
    return _CURSOR_SEQUENCE.sub(lambda found: b"\x1bO" + found[1], data) if modes.application_cursor else data


def encode_paste(text: str, modes: Modes) -> bytes:
    """Pasted text: line ends as the Enter key sends them, in brackets where the guest's program asked for them."""
    plain = _UNPASTED.sub("", text.replace("\r\n", "\r").replace("\n", "\r")).encode(errors="replace")
    return b"\x1b[200~" + plain + b"\x1b[201~" if modes.bracketed_paste else plain


def encode_focus(gained: bool, modes: Modes) -> bytes:
    """The viewer's terminal gained or lost the focus."""
    return (b"\x1b[I" if gained else b"\x1b[O") if modes.focus_events else b""


class MouseAction(Enum):
    """What the mouse did."""

    PRESS = "press"
    RELEASE = "release"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Mouse:
    """One mouse event, in cells of the guest's screen from 0."""

    action: MouseAction
    column: int
    row: int
    button: int = 0
    """1 left, 2 middle, 3 right, 4 wheel up, 5 wheel down, 6 and 7 wheel left and right; 0 for motion with none held."""
    modifiers: int = 0
    """4 shift, 8 meta, 16 control, added up."""


_MOTION, _NO_BUTTON, _WHEEL = 32, 3, 64


def encode_mouse(mouse: Mouse, modes: Modes) -> bytes:
    """The bytes of a mouse event; nothing when the guest's program didn't ask for it, or can't be told so far to the right or below."""
    if not _is_wanted(mouse, modes.mouse):
        return b""
    code = _NO_BUTTON if not mouse.button else mouse.button - 1 if mouse.button < 4 else _WHEEL + mouse.button - 4
    code += mouse.modifiers + (_MOTION if mouse.action is MouseAction.MOVE else 0)
    if modes.mouse_encoding is MouseEncoding.SGR:
        return f"\x1b[<{code};{mouse.column + 1};{mouse.row + 1}{'m' if mouse.action is MouseAction.RELEASE else 'M'}".encode()
    if mouse.action is MouseAction.RELEASE:
        code = _NO_BUTTON + mouse.modifiers
    values = (code + 32, mouse.column + 33, mouse.row + 33)
    if modes.mouse_encoding is MouseEncoding.UTF8:
        return b"\x1b[M" + "".join(map(chr, values)).encode() if max(values) < 0x800 else b""
    return b"\x1b[M" + bytes(values) if max(values) < 0x100 else b""


def _is_wanted(mouse: Mouse, tracking: MouseTracking) -> bool:
    if tracking is MouseTracking.OFF or (mouse.button >= 4 and mouse.action is not MouseAction.PRESS):
        return False  # a wheel has no release
    if mouse.action is not MouseAction.MOVE:
        return True
    return tracking is MouseTracking.MOTION or (tracking is MouseTracking.DRAG and mouse.button > 0)
