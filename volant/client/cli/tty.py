"""A terminal in raw mode that is given back as it was, whatever happens: return, exception, SIGTERM or SIGHUP."""

from __future__ import annotations

import os
import re
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from volant.client.cli import terminal
from volant.proto.errors import Usage

_PRIVATE_MODE = re.compile(rb"\x1b\[\?([0-9;]{1,64})([hl])")
_MARGINS = re.compile(rb"\x1b\[[0-9]*;?[0-9]*r")
_LONGEST_SEQUENCE = 70
"""Bytes kept from one piece of output to the next, so that a sequence cut in two is seen."""

_LEFT_ON = frozenset({1, 6, 9, 47, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1049, 2004, 2026, 2048})
"""Private modes that must not outlive the guest's program: cursor keys and keypad, origin, alternate screens, reports of mouse, focus and
size, bracketed paste, updates held back."""
_LEFT_OFF = frozenset({7, 25})
"""Those that must not stay off: wrapping at the margin, the cursor."""
_PAIRS = ((b"\x1b=", b"\x1b>"), (b"\x1b[4h", b"\x1b[4l"), (b"\x1b(0", b"\x1b(B"))
"""What else must not stay on, and what ends it: the keypad's own keys, inserting, line drawing for letters."""
_PATTERNS = (
    (b"\x1b[>4", re.compile(rb"\x1b\[>4;[1-9]m"), re.compile(rb"\x1b\[>4(?:;0)?m"), b"\x1b[>4m"),
    (b"\x1b[>", re.compile(rb"\x1b\[>[0-9;]*u"), re.compile(rb"\x1b\[<[0-9;]*u"), b"\x1b[<u"),
    (b" q", re.compile(rb"\x1b\[0?[1-9] q"), re.compile(rb"\x1b\[0? q"), b"\x1b[ q"),
)
"""The same for what comes in several forms: xterm's and kitty's ways to tell keys apart, the cursor's shape. First what is in each form
that switches it on: most output lacks it."""


class Ended(BaseException):
    """A signal asks this process to end; raised where it arrives, so that every `finally` runs."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class ModeWatcher:
    """Remembers which terminal modes the output passing through has switched on, to switch off just those."""

    def __init__(self, last: bytes = b"") -> None:
        """`last` is written behind everything else when the terminal is put back."""
        self._last = last
        self._changed: set[int] = set()
        """Private modes that are not as they were."""
        self._others: set[bytes] = set()
        """What undoes what else was changed."""
        self._margins = False
        self._rest = b""

    def see(self, data: bytes) -> None:
        """Some output went by."""
        if not self._rest and b"\x1b" not in data:
            return
        seen = self._rest + data
        for match in _PRIVATE_MODE.finditer(seen):
            for number in match[1].split(b";"):
                self._note(int(number or 0), match[2] == b"h")
        for on, off in _PAIRS:
            on_at, off_at = seen.rfind(on), seen.rfind(off)
            if on_at != off_at:  # one of them is there
                self._keep(off, on_at > off_at)
        for part, switching_on, switching_off, undo in _PATTERNS:
            if part in seen or undo in self._others:
                on_at, off_at = _last(switching_on, seen), _last(switching_off, seen)
                if on_at != off_at:
                    self._keep(undo, on_at > off_at)
        self._margins = self._margins or _MARGINS.search(seen) is not None
        start = seen.rfind(b"\x1b", max(0, len(seen) - _LONGEST_SEQUENCE))
        self._rest = seen[start:] if start >= 0 else b""

    def _keep(self, undo: bytes, is_on: bool) -> None:
        (self._others.add if is_on else self._others.discard)(undo)

    def _note(self, mode: int, on: bool) -> None:
        if mode in _LEFT_ON | _LEFT_OFF:
            (self._changed.add if on == (mode in _LEFT_ON) else self._changed.discard)(mode)

    def undo(self) -> bytes:
        """What to write so that the terminal behaves as before."""
        sequences = [f"\x1b[?{mode}l" for mode in sorted(self._changed & _LEFT_ON)]
        if self._margins:
            sequences.append("\x1b7\x1b[r\x1b8")  # setting margins moves the cursor, so it is kept
        sequences += [f"\x1b[?{mode}h" for mode in sorted(self._changed & _LEFT_OFF)]
        sequences += [undo.decode() for undo in sorted(self._others)]
        return ("".join([*sequences, "\x1b[0m"]).encode() if sequences else b"") + self._last


def _last(pattern: re.Pattern[bytes], text: bytes) -> int:
    """Where it was found last; -1 when nowhere."""
    return max((match.start() for match in pattern.finditer(text)), default=-1)


class Title:
    """The title of the terminal's window while a guest has the terminal: `hint`, and behind it what the guest wants there.

    It is the one place that everybody sees all the time and no program draws on. The title of before is kept on the terminal's own stack
    (XTWINOPS 22 and 23).
    """

    _WITH_TITLES = ("xterm", "tmux", "screen", "rxvt", "alacritty", "foot", "konsole", "vte", "gnome", "wezterm", "st-")
    """Begin TERM of terminals that take an OSC 2 for a title; others might print it."""
    _SET = re.compile(rb"\x1b\]([02]);")

    def __init__(self, hint: str, term: str) -> None:
        self._works = term.startswith(self._WITH_TITLES)
        self._hint = hint.encode(errors="replace")

    def begin(self) -> bytes:
        """What to write first."""
        return b"\x1b[22;2t\x1b]2;" + self._hint + b"\x07" if self._works else b""

    def kept(self, output: bytes) -> bytes:
        """The guest's output, with `hint` in front of titles that it sets."""
        if not self._works or b"\x1b]" not in output:
            return output
        return self._SET.sub(lambda found: found[0] + self._hint + b" | ", output)

    def end(self) -> bytes:
        """What to write last."""
        return b"\x1b[23;2t" if self._works else b""


@contextmanager
def raw_terminal(descriptor: int, watcher: ModeWatcher) -> Iterator[None]:
    """`descriptor` in raw mode; SIGTERM and SIGHUP raise `Ended` in the body. Its settings and modes are put back on the way out."""
    saved = termios.tcgetattr(descriptor)
    handlers = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)
        yield
    finally:
        for number in handlers:
            signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the putting back
        _put_back(descriptor, saved, watcher.undo())
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _put_back(descriptor: int, saved: list[object], modes: bytes) -> None:
    try:
        termios.tcsetattr(descriptor, termios.TCSANOW, saved)  # type: ignore[arg-type]
        if modes and terminal.is_tty(1):
            terminal.write_all(1, modes)
    except (OSError, termios.error):
        pass  # the terminal itself went away; there is nobody left to put it back for


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended(number)


class Signals:
    """Signals as something to select on: while open, they are only noted, and `take` says which came."""

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self._numbers = numbers
        self._handlers: dict[int, object] = {}

    def __enter__(self) -> Signals:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in self._numbers:
            self._handlers[number] = signal.signal(number, _note_only)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        return self._reader

    def take(self) -> list[int]:
        """The signals that came since the last call."""
        try:
            return [number for number in os.read(self._reader, 4096) if number in self._numbers]
        except BlockingIOError:
            return []


def _note_only(number: int, frame: FrameType | None) -> None:
    """Python writes the number to the wakeup descriptor by itself, before this is called."""


def escape_byte(text: str) -> bytes | None:
    """`^]` as the byte that Ctrl-] sends; `none` for no escape at all."""
    if text.lower() == "none":
        return None
    if len(text) == 2 and text[0] == "^" and ("@" <= text[1].upper() <= "_" or text[1] == "?"):
        return b"\x7f" if text[1] == "?" else bytes((ord(text[1].upper()) - 64,))
    raise Usage(f"{text!r} is no escape key", hint="for example: ^] or ^X; none switches it off")


def escape_name(key: bytes) -> str:
    """How people call the byte: `Ctrl-]`."""
    return "Ctrl-?" if key == b"\x7f" else f"Ctrl-{chr(key[0] + 64)}"
