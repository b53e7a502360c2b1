"""What the three standard streams are, and writing to them: only here is a terminal asked about."""

from __future__ import annotations

import io
import os
import sys

DEFAULT_WIDTH = 80
"""When a terminal doesn't say how wide it is."""


def is_tty(descriptor: int) -> bool:
    """Whether descriptor 0, 1 or 2 (or another) is a terminal; a closed one is none."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def wants_colour(descriptor: int) -> bool:
    """Colour only on a terminal that can, and never against NO_COLOR (https://no-color.org)."""
    return is_tty(descriptor) and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def width(descriptor: int) -> int:
    """The terminal's columns; `COLUMNS` overrules, as in a shell."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isascii() and asked.isdigit() and 0 < int(asked) < 10_000:
        return int(asked)
    try:
        return os.get_terminal_size(descriptor).columns or DEFAULT_WIDTH
    except OSError:
        return DEFAULT_WIDTH


def size(descriptor: int) -> tuple[int, int]:
    """Rows and columns of a terminal; 24 by 80 when it doesn't say."""
    try:
        found = os.get_terminal_size(descriptor)
    except OSError:
        return 24, DEFAULT_WIDTH
    return found.lines or 24, found.columns or DEFAULT_WIDTH


def prepare_streams() -> None:
    """Text that the locale can't show is escaped; it never ends a command with a UnicodeEncodeError.

    With PYTHONUNBUFFERED Python writes straight to the descriptor, and drops in silence what a full disk or a closed pipe did not
    take; a buffer between them raises.
    """
    _open_closed()
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.FileIO):
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding=sys.stdout.encoding, line_buffering=is_tty(1))
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # None when Python was started with the descriptor closed
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _open_closed() -> None:
    """Open what we were started without, on nothing: else the next socket would get its number, and what is meant for a person with it."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process lives


def say(line: str) -> None:
    """One line of narration on stderr."""
    print(line, file=sys.stderr, flush=True)


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """All of `data` to a blocking (or, by its other users' choice, non-blocking) descriptor."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            import select

            select.select([], [descriptor], [])
