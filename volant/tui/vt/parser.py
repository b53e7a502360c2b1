"""Cuts what a guest prints into text and control functions.

Nearly everything is cut by one regular expression, whatever its length. Only a sequence that isn't well-formed, or isn't there to its end
yet, goes character by character through a state machine (after Paul Williams' for the VT500 series, as far as terminals agree on it):

    ground -ESC-> escape -[-> sequence -final character-> ground
                  escape -P X ] ^ _ k-> string -ESC, CAN, SUB, for OSC also BEL-> ground
    In all of them CAN and SUB lead to the ground, and ESC to a new escape. C0 controls inside of an escape or a sequence are done at once.
"""

from __future__ import annotations

import codecs
import re
from enum import Enum
from typing import Final

from volant.tui.vt.interpreter import MAX_CONTROL, Interpreter

MAX_STRING: Final = 65_536
"""Characters of one control string. What follows is text again, so that stray bytes can't silence a console for good."""
_PIECE: Final = 16_384
"""Bytes cut at a time: bounds the memory that the cutting takes. Less than MAX_STRING, which only the state machine looks at."""

_CONTROL: Final = re.compile(
    r"""(
    \r\n
    | \x1b \[ [^@-~\x18\x1a\x1b]* (?: [@-~\x18\x1a] | (?=\x1b) | \Z )
    | \x1b \] [^\x07\x18\x1a\x1b]* (?: [\x07\x18\x1a] | (?=\x1b) | \Z )
    | \x1b [PX^_k] [^\x18\x1a\x1b]* (?: [\x18\x1a] | (?=\x1b) | \Z )
    | \x1b [^0-~\x18\x1a\x1b]* (?: [0-~\x18\x1a] | (?=\x1b) | \Z )
    | [\x00-\x1a\x1c-\x1f\x7f]
    )""",
    re.VERBOSE,
)
_WELL_FORMED: Final = re.compile(r"[^\x1b]|\r\n|\x1b\[[ -?]*[@-~]|\x1b[ -/]*[0-OQ-WYZ`-jl-~\\]|\x1b[ -/]+[0-~]")
"""The sequences of two characters leave out those that open a longer one."""
_STRING_END: Final = {"]": re.compile("[\x07\x18\x1a\x1b]")}
_ANY_STRING_END: Final = re.compile("[\x18\x1a\x1b]")
_STRING_KINDS: Final = "P]X^_k"
"""After ESC: DCS, OSC, SOS, PM, APC, and the title of screen's own making."""
_CANCEL: Final = "\x18\x1a"


class State(Enum):
    """Where in a control function the text ended."""

    GROUND = "ground"
    ESCAPE = "escape"
    SEQUENCE = "sequence"
    STRING = "string"


class Parser:
    """Feeds a screen and its interpreter with bytes, cut anywhere."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._screen = interpreter.screen
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._state = State.GROUND
        self._collected = ""
        """The control function so far, from ESC on; of a string the two characters that opened it."""
        self._string: list[str] = []
        self._string_length = 0

    def feed(self, data: bytes) -> None:
        """Take the guest's next bytes. Bytes that aren't UTF-8 are shown as U+FFFD."""
        for start in range(0, len(data), _PIECE):
            text = self._decoder.decode(data[start : start + _PIECE])
            if self._state is not State.GROUND:
                text = text[self._resume(text) :]
            if text:
                self._cut(text)
            if self._screen.grid.styles.full:
                self._screen.collect_styles()
                self._interpreter.forget_marks()

    def _cut(self, text: str) -> None:
        escape = text.rfind("\x1b")
        rest = ""
        if escape >= 0:
            # Only the last control function can lack its end: any earlier one ends where the next begins.
            last = _CONTROL.match(text, escape)
            if last is None or last.end() == len(text):
                text, rest = text[:escape], text[escape:]
        screen, known = self._screen, self._interpreter.actions
        parts = iter(_CONTROL.split(text))
        run = next(parts)
        if run:
            screen.write(run)
        else:
            run = screen.preceding
        for control, following in zip(parts, parts, strict=True):
            screen.preceding = run
            action = known.get(control)
            if action is not None:
                action()
            elif _WELL_FORMED.fullmatch(control):
                self._interpreter.action(control)()
            else:
                self._resume(control)
                self._abort()
            run = following
            if run:
                screen.write(run)
        screen.preceding = run
        if rest:
            self._resume(rest)

    def _resume(self, text: str) -> int:
        """Go on character by character, to the ground or the end of the text; returns how far that is."""
        at = 0
        while at < len(text):
            if self._state is State.STRING:
                at = self._swallow(text, at)
            else:
                self._step(text[at])
                at += 1
            if self._state is State.GROUND:
                break
        return at

    def _step(self, character: str) -> None:
        """One character that isn't inside of a control string."""
        if character == "\x1b":
            self._state, self._collected = State.ESCAPE, character
        elif character in _CANCEL:
            self._state = State.GROUND
        elif character < " ":
            self._interpreter.action(character)()
            self._screen.preceding = ""
        elif character >= "\x7f":
            pass  # no part of any control function; ignored as VT500 does
        elif self._state is State.ESCAPE and self._collected == "\x1b" and character in _STRING_KINDS:
            self._state, self._collected = State.STRING, "\x1b" + character
            self._string, self._string_length = [], 0
        elif self._state is State.ESCAPE and self._collected == "\x1b" and character == "[":
            self._state, self._collected = State.SEQUENCE, "\x1b["
        else:
            # One character more than is allowed is kept, so that what is too long is known to be.
            self._collected += character if len(self._collected) <= MAX_CONTROL else ""
            if character >= ("@" if self._state is State.SEQUENCE else "0"):
                self._state = State.GROUND
                self._interpreter.action(self._collected)()
                self._screen.preceding = ""

    def _swallow(self, text: str, at: int) -> int:
        """Take the control string's characters from `at` on; returns where they end."""
        kind = self._collected[1]
        found = _STRING_END.get(kind, _ANY_STRING_END).search(text, at, at + MAX_STRING - self._string_length)
        end = found.start() if found else min(len(text), at + MAX_STRING - self._string_length)
        self._string.append(text[at:end])
        self._string_length += end - at
        if found is None:
            if self._string_length >= MAX_STRING:
                self._state = State.GROUND
            return end
        if found[0] in _CANCEL:
            self._state = State.GROUND
            return found.end()
        self._abort()
        if found[0] == "\x1b":
            self._state, self._collected = State.ESCAPE, "\x1b"
        return found.end()

    def _abort(self) -> None:
        """End the control function at hand, because the next begins or its terminator was met: a control string is whole then."""
        if self._state is State.STRING:
            self._interpreter.string(self._collected[1], "".join(self._string))
            self._string = []
        self._state = State.GROUND
