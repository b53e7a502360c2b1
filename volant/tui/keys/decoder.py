"""From what a terminal sends to keys, pastes and reports. Sans-IO: bytes in, tokens out; nothing that was typed is ever lost.

Textual's own parser takes `ESC :` within a tenth of a second for Alt and a colon, and drops the ESC; over ssh, in tmux and in pastes
keys come that fast. Here ESC before anything that is no known sequence is the key Escape, and what follows are keys as well. The price
is that there is no Alt.

While a console has the keyboard, `raw` is set: then bytes pass as they are; pastes and the terminal's own reports are told apart.

Sequences: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from dataclasses import dataclass

MAX_PASTE_BYTES = 1 << 20
"""A longer paste comes in several pieces: memory is bounded, whatever is pasted."""
MAX_SEQUENCE_BYTES = 128
"""Longest sequence that is waited for; none that terminals send to programs has half of it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: a character as itself, `space`, or a name such as `enter`, `ctrl+d`, `shift+tab`, `pageup`, `f5`."""

    name: str


@dataclass(frozen=True, slots=True)
class Pasted:
    """Pasted text, where the terminal brackets it."""

    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the terminal itself says: mouse, focus, size, answers to questions. As it came, for Textual to read."""

    text: str


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes for whoever has the keyboard, untouched."""

    data: bytes


Token = Key | Pasted | Report | Raw

_ESC = b"\x1b"
_PASTE_BEGINS, _PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"
_CSI = re.compile(rb"\x1b\[([0-?]*)([ -/]*)([@-~])")
_CSI_BEGUN = re.compile(rb"\x1b(?:\[(?:M.{0,2}|[0-?]*[ -/]*))?", re.DOTALL)
_OLD_MOUSE = re.compile(rb"\x1b\[M[\s\S]{3}")
_STRING = re.compile(rb"\x1b[]P_^X][^\x07\x1b]*(?:\x07|\x1b\\)")
_STRING_BEGUN = re.compile(rb"\x1b[]P_^X][^\x07\x1b]*\x1b?")
_REPORT = re.compile(
    rb"\x1b\[(?:[IO]"  # focus
    rb"|<[0-9;]+[Mm]"  # mouse
    rb"|\?[0-9;]*(?:\$y|[cnuhl])"  # modes, what the terminal is
    rb"|>[0-9;]*c"
    rb"|[0-9]+;[0-9]+R"  # the cursor's place
    rb"|[0-9;:]*t"  # size
    rb"|[0-9;:]*u)"  # keys of a protocol that we don't ask for
)

_LETTERS = {b"A": "up", b"B": "down", b"C": "right", b"D": "left", b"H": "home", b"F": "end",
            b"P": "f1", b"Q": "f2", b"R": "f3", b"S": "f4", b"E": "center"}  # fmt: skip
_NUMBERS = {1: "home", 2: "insert", 3: "delete", 4: "end", 5: "pageup", 6: "pagedown", 7: "home", 8: "end",
            11: "f1", 12: "f2", 13: "f3", 14: "f4", 15: "f5", 17: "f6", 18: "f7", 19: "f8", 20: "f9", 21: "f10",
            23: "f11", 24: "f12"}  # fmt: skip
_CONTROLS = {0x00: "ctrl+@", 0x08: "backspace", 0x09: "tab", 0x0A: "enter", 0x0D: "enter", 0x1C: "ctrl+\\", 0x1D: "ctrl+]", 0x1E: "ctrl+^",
             0x1F: "ctrl+_", 0x7F: "backspace"}  # fmt: skip


def key_of(char: str) -> str:
    """The key's name for one character."""
    code = ord(char)
    if char == " ":
        return "space"
    if code in _CONTROLS:
        return _CONTROLS[code]
    if code < 0x20:
        return f"ctrl+{chr(code + 0x60)}"
    return char


class Decoder:
    """Feed it what was read; when `waiting`, and nothing more has come for a while, `flush` it."""

    def __init__(self) -> None:
        self.raw = False
        """Bytes pass as they are; what was fed before the change counts by the old setting."""
        self._buffer = b""
        self._pasting = False
        self._utf8 = getincrementaldecoder("utf-8")("replace")

    @property
    def waiting(self) -> bool:
        """Something is held back that may be the beginning of a sequence."""
        return bool(self._buffer) and not self._pasting

    def feed(self, data: bytes) -> list[Token]:
        self._buffer += data
        return self._read(final=False)

    def flush(self) -> list[Token]:
        """Nothing more comes: what was held back is what it looks like."""
        return self._read(final=True)

    def _read(self, *, final: bool) -> list[Token]:
        tokens: list[Token] = []
        while self._buffer:
            if self._pasting:
                done = self._paste(tokens)
            elif self.raw:
                done = self._pass(tokens, final=final)
            else:
                done = self._keys(tokens, final=final)
            if not done:
                break
        return tokens

    def _paste(self, tokens: list[Token]) -> bool:
        """Inside a paste; whether to read on."""
        end = self._buffer.find(_PASTE_ENDS)
        if end < 0 and len(self._buffer) < MAX_PASTE_BYTES:
            return False
        cut = end if end >= 0 else MAX_PASTE_BYTES
        text, self._buffer = self._buffer[:cut], self._buffer[cut + (len(_PASTE_ENDS) if end >= 0 else 0) :]
        self._pasting = end < 0
        tokens.append(Pasted(text.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")))
        return True

    def _pass(self, tokens: list[Token], *, final: bool) -> bool:
        """Raw mode: everything but reports and pastes goes on as it is, a control sequence in one piece."""
        at = self._buffer.find(b"\x1b[")
        if at < 0:
            # An ESC at the end may begin a sequence that the next bytes bring.
            at = len(self._buffer) - (self._buffer.endswith(_ESC) and not final)
            if not at:
                return False
        if at:
            tokens.append(Raw(self._buffer[:at]))
            self._buffer = self._buffer[at:]
            return True
        if found := (_REPORT.match(self._buffer) or _OLD_MOUSE.match(self._buffer)):
            tokens.append(Report(found[0].decode("latin-1")))
            self._buffer = self._buffer[found.end() :]
            return True
        if self._buffer.startswith(_PASTE_BEGINS):
            self._buffer, self._pasting = self._buffer[len(_PASTE_BEGINS) :], True
            return True
        if found := _CSI.match(self._buffer, 0, MAX_SEQUENCE_BYTES):
            tokens.append(Raw(found[0]))
            self._buffer = self._buffer[found.end() :]
            return True
        begun = _CSI_BEGUN.fullmatch(self._buffer[:MAX_SEQUENCE_BYTES])
        if begun and not final and len(self._buffer) < MAX_SEQUENCE_BYTES:
            return False
        tokens.append(Raw(self._buffer[:2]))
        self._buffer = self._buffer[2:]
        return True

    def _keys(self, tokens: list[Token], *, final: bool) -> bool:
        at = self._buffer.find(_ESC)
        if at != 0:
            text, self._buffer = (self._buffer, b"") if at < 0 else (self._buffer[:at], self._buffer[at:])
            tokens += (Key(key_of(char)) for char in self._utf8.decode(text))
            return True
        if self._buffer.startswith(_PASTE_BEGINS):
            self._buffer, self._pasting = self._buffer[len(_PASTE_BEGINS) :], True
            return True
        if taken := self._sequence(tokens):
            self._buffer = self._buffer[taken:]
            return True
        short = len(self._buffer) < MAX_SEQUENCE_BYTES
        begun = _CSI_BEGUN.fullmatch(self._buffer) or _STRING_BEGUN.fullmatch(self._buffer) or self._buffer == b"\x1bO"
        if begun and short and not final:
            return False
        tokens.append(Key("escape"))
        self._buffer = self._buffer[1:]
        return True

    def _sequence(self, tokens: list[Token]) -> int:
        """The whole sequence that the buffer begins with, if it is one: its length."""
        buffer = self._buffer
        if buffer[1:2] == b"O" and (name := _LETTERS.get(buffer[2:3])):
            tokens.append(Key(name))
            return 3
        if found := (_REPORT.match(buffer) or _OLD_MOUSE.match(buffer) or _STRING.match(buffer)):
            tokens.append(Report(found[0].decode("latin-1")))
            return found.end()
        found = _CSI.match(buffer)
        name = _csi_key(found[1], found[3]) if found and not found[2] else ""
        if not found or not name:
            return 0
        tokens.append(Key(name))
        return found.end()


def _csi_key(parameters: bytes, last: bytes) -> str:
    """The key of a control sequence; empty when it is none."""
    numbers = parameters.split(b";")
    if not all(number.isdigit() or not number for number in numbers) or len(numbers) > 2:
        return ""
    first, modifier = int(numbers[0] or 1), int(numbers[1] or 1) if len(numbers) == 2 else 1
    name = _NUMBERS.get(first, "") if last == b"~" else "tab" if last == b"Z" else _LETTERS.get(last, "") if first == 1 else ""
    if not name or not 1 <= modifier <= 8:
        return ""
    held = modifier - 1 | (1 if last == b"Z" else 0)
    return "".join(word for bit, word in ((4, "ctrl+"), (2, "alt+"), (1, "shift+")) if held & bit) + name
