"""A private tmux whose one pane is fed with bytes, and what its grid holds then: the terminal that ours is compared with."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from volant.tui.vt.styles import DEFAULT, RGB, Attribute, Style

Cell = tuple[str, Style]
Row = list[Cell]

PATIENCE_SECONDS = 60.0
"""A pane that hasn't answered by then never will, on however slow a machine."""
MARKER = "\u1dff"
"""A combining character that no recording has."""
_SYNC, _SYNCED = b"\x1b[>q", re.compile(rb"\x1bP>\|tmux [^\x1b]*\x1b\\")
_CONFIG = """
set -g status off
set -g history-limit 12000
set -g allow-rename off
set -g default-terminal screen-256color
"""
_LINE_DRAWING = dict(zip("`abcdefghijklmnopqrstuvwxyz{|}~", "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))
_ATTRIBUTES = {
    "1": Attribute.BOLD,
    "2": Attribute.DIM,
    "3": Attribute.ITALIC,
    "4": Attribute.UNDERLINE,
    "5": Attribute.BLINK,
    "7": Attribute.REVERSE,
    "8": Attribute.CONCEAL,
    "9": Attribute.STRIKE,
    "4:2": Attribute.DOUBLE_UNDERLINE,
    "4:3": Attribute.CURLY_UNDERLINE,
    "4:4": Attribute.DOTTED_UNDERLINE,
    "4:5": Attribute.DASHED_UNDERLINE,
    "5:3": Attribute.OVERLINE,  # sic: tmux writes 53 as if it were 5:3
}
_TOKEN = re.compile(r"\x1b\[([0-9;:]*)m|([\x0e\x0f])|(.)")
_JOINER, _SOFT_HYPHEN = "\u200d", "\u00ad"


@dataclass
class Pane:
    """One pane; a new one for each thing that is fed."""

    server: Tmux
    target: str
    descriptor: int
    columns: int
    rows: int

    def feed(self, data: bytes) -> None:
        """Have tmux read the bytes; returns once it has."""
        os.set_blocking(self.descriptor, False)
        rest, answer, deadline = data + _SYNC, b"", time.monotonic() + PATIENCE_SECONDS
        while rest or not _SYNCED.search(answer):
            assert time.monotonic() < deadline, f"tmux hasn't read all bytes; it answered {answer!r}"
            readable, writable, _ = select.select([self.descriptor], [self.descriptor] if rest else [], [], 1)
            if readable:
                answer = (answer + os.read(self.descriptor, 65_536))[-4_096:]
            if writable:
                rest = rest[os.write(self.descriptor, rest[:4_096]) :]

    def resize(self, columns: int, rows: int) -> None:
        self.server.run("resize-window", "-t", self.target, "-x", str(columns), "-y", str(rows))
        self.columns, self.rows = columns, rows

    def states(self, *names: str) -> list[str]:
        """Values of tmux's format variables."""
        return self.server.run("display-message", "-p", "-t", self.target, "\n".join(f"#{{{name}}}" for name in names)).split("\n")[:-1]

    def texts(self) -> list[str]:
        """All lines from the oldest on, wrapped ones joined, without trailing blanks."""
        text = self.server.run("capture-pane", "-p", "-J", "-S", "-", "-t", self.target)
        return [line.rstrip(" ") for line in text.removesuffix("\n").split("\n")]

    def history(self) -> list[Row]:
        """The scrollback's cells, as far as each line was written."""
        count = int(self.states("history_size")[0])
        return self._captured("-S", "-", "-E", "-1")[:count] if count else []

    def screen(self) -> list[tuple[Row, Cell | None]]:
        """Every row's cells, but not the second ones of wide characters; where those don't include the last column, its cell beside.

        `capture-pane` leaves out what was erased behind the last cell written, whatever background that gave it. So that it shows all of
        a row, a combining character is put in the last column but one (once it is out of the way, the row is moved left by one to see the
        last). That changes the pane, so it is of no use afterwards.
        """
        self.feed(b"\x1b\\\0\x1b[?6l\x1b[?7h\x1b[4l\x1b[r\x1b(B\x0f")
        last = self.columns
        self.feed(b"".join(b"\x1b[%d;%dH%s" % (row, last, MARKER.encode()) for row in range(1, self.rows + 1)))
        rows = [[(text.replace(MARKER, ""), style) for text, style in row] for row in self._captured()]
        self.feed(b"\x1b[0m" + b"".join(b"\x1b[%d;1H\x1b[P" % row for row in range(1, self.rows + 1)))
        ends = [row[-1] if row else None for row in self._captured()]
        return list(zip(rows, ends, strict=True))

    def _captured(self, *which: str) -> list[Row]:
        text = self.server.run("capture-pane", "-p", "-e", "-N", *which, "-t", self.target)
        return parse(text.removesuffix("\n"))


@dataclass
class Tmux:
    """A server of its own, on its own socket."""

    folder: Path
    _panes: list[int] = field(default_factory=list)

    def run(self, *arguments: str) -> str:
        """A tmux command's output."""
        environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "HOME": str(self.folder),
            "SHELL": "/bin/sh",
        }
        command = ["tmux", "-u", "-S", str(self.folder / "socket"), "-f", str(self.folder / "conf"), *arguments]
        done = subprocess.run(command, capture_output=True, check=False, env=environment, timeout=PATIENCE_SECONDS)
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
        return done.stdout.decode()

    def pane(self, columns: int = 80, rows: int = 24) -> Pane:
        """An empty pane of that size."""
        while self._panes:
            os.close(self._panes.pop())
        ready = self.folder / "ready"
        command = f"stty raw -echo && echo > '{ready}' && exec sleep 1000000"
        size = ["-x", str(columns), "-y", str(rows)]
        target, terminal = self.run("new-session", "-d", "-P", "-F", "#{pane_id} #{pane_tty}", *size, command).split()
        ready.read_text()  # a FIFO: waits for the pane's shell
        descriptor = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
        self._panes.append(descriptor)
        return Pane(self, target, descriptor, columns, rows)


@contextmanager
def tmux_server(folder: Path) -> Iterator[Tmux]:
    """A server that is ended afterwards, with all its panes."""
    (folder / "conf").write_text(_CONFIG)
    os.mkfifo(folder / "ready")
    server = Tmux(folder)
    server.pane()
    try:
        yield server
    finally:
        server.run("kill-server")


def parse(text: str) -> list[Row]:
    """The cells of each line of `capture-pane -e`."""
    rows: list[Row] = []
    style, drawing = DEFAULT, False
    for line in text.split("\n"):
        row: Row = []
        for found in _TOKEN.finditer(line):
            parameters, shift, character = found.groups()
            if parameters is not None:
                style = _restyled(style, parameters)
            elif shift is not None:
                drawing = shift == "\x0e"
            elif row and (row[-1][0].endswith(_JOINER) or _combines(character)):
                row[-1] = (row[-1][0] + character, style)
            else:
                row.append((_LINE_DRAWING.get(character, character) if drawing else character, style))
        rows.append(row)
    return rows


def _combines(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me", "Cf") and character != _SOFT_HYPHEN


def _restyled(style: Style, parameters: str) -> Style:
    codes = parameters.split(";")
    while codes:
        code = codes.pop(0)
        if code in ("", "0"):
            style = DEFAULT
        elif code in ("38", "48", "58"):
            colour = int(codes.pop(1)) if codes[0] == "5" else RGB | int(codes.pop(1)) << 16 | int(codes.pop(1)) << 8 | int(codes.pop(1))
            del codes[0]
            style = _coloured(style, code[0], colour)
        elif code in _ATTRIBUTES:
            style = style._replace(attributes=style.attributes | int(_ATTRIBUTES[code]))
        elif code.startswith("58:"):
            numbers = [int(number) for number in code.split(":") if number]
            style = _coloured(style, "5", numbers[2] if numbers[1] == 5 else RGB | numbers[2] << 16 | numbers[3] << 8 | numbers[4])
        else:
            number = int(code)
            kind, colour = (
                ("3", number - 90 + 8) if 90 <= number < 98 else ("4", number - 100 + 8) if number >= 100 else (code[0], number % 10)
            )
            style = _coloured(style, kind, -1 if code in ("39", "49", "59") else colour)
    return style


def _coloured(style: Style, kind: str, colour: int) -> Style:
    if kind == "3":
        return style._replace(foreground=colour)
    if kind == "4":
        return style._replace(background=colour)
    return style._replace(underline_colour=colour)
