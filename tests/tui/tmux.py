"""The real program in a real terminal: tmux types, and says what is on the screen."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

DEADLINE_S = 40.0
"""After which something that was expected on the screen won't come, on a busy machine."""

TUI = (sys.executable, "-m", "volant.client.cli", "tui")
ROOT = Path(__file__).parents[2]


class Tmux:
    """One terminal of a tmux server of its own."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "t"

    def run(self, *words: str) -> str:
        # readline, which pytest loads, sets these for all children, whatever `os.environ` shows; who has them knows no other size.
        environ = {name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS")}
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", os.devnull, *words], env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout

    def start(self, command: tuple[str, ...], environ: Mapping[str, str], *, columns: int, rows: int) -> None:
        """Run `command` in the terminal; a shell's prompt stays behind it, so that what it leaves can be seen."""
        setting = [word for name, value in environ.items() for word in ("-e", f"{name}={value}")]
        self.run("new-session", "-d", "-x", str(columns), "-y", str(rows), *setting, "-c", str(ROOT), "env PS1='$ ' sh")
        self.see("$")
        self.write(f"{shlex.join(command)}; echo left with $?")
        self.type("Enter")

    def type(self, *keys: str) -> None:
        """Keys as tmux names them, all in one write: as fast as keys can come."""
        self.run("send-keys", *keys)

    def write(self, text: str) -> None:
        """Text, letter by letter, in one write."""
        self.type("-l", text)

    @property
    def screen(self) -> str:
        return self.run("capture-pane", "-p")

    def see(self, text: str) -> str:
        """The screen, once `text` is on it."""
        return self.until(lambda screen: text in screen, text)

    def until(self, seen: Callable[[str], bool], what: str = "it") -> str:
        end = time.monotonic() + DEADLINE_S
        while not seen(screen := self.screen):
            assert time.monotonic() < end, f"{what!r} never came; there is\n{screen}"
            time.sleep(0.02)
        return screen

    def resize(self, columns: int, rows: int) -> None:
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    @property
    def restored(self) -> bool:
        """The terminal echoes what is typed, in lines, and shows the screen that was there before."""
        return {"echo", "icanon", "isig"} <= self._settings and not self._alternate

    @property
    def modes(self) -> tuple[str, ...]:
        """How the terminal is set, and what programs have switched on or off at it."""
        named = (
            "alternate_on",
            "cursor_flag",
            "keypad_cursor_flag",
            "keypad_flag",
            "mouse_any_flag",
            "wrap_flag",
            "origin_flag",
            "insert_flag",
        )
        flags = self.run(
            "display-message", "-p", " ".join(f"{name}=#{{{name}}}" for name in (*named, "scroll_region_upper", "scroll_region_lower"))
        )
        return (*sorted(self._settings), flags.strip())

    @property
    def given_away(self) -> bool:
        """A program that reads every key by itself has the terminal, and it is not the UI."""
        return "-icanon" in self._settings and not self._alternate

    @property
    def _settings(self) -> set[str]:
        (tty,) = self.run("list-panes", "-F", "#{pane_tty}").split()
        return set(subprocess.run(["stty", "-F", tty, "-a"], capture_output=True, text=True, check=True).stdout.split())

    @property
    def _alternate(self) -> bool:
        return self.run("display-message", "-p", "#{alternate_on}").strip() == "1"

    @property
    def pid(self) -> int:
        """Of the UI, a child of the pane's shell."""
        shell = self.run("list-panes", "-F", "#{pane_pid}").strip()
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[0])


@contextmanager
def terminal(*command: str, columns: int = 80, rows: int = 24, environ: Mapping[str, str] | None = None) -> Iterator[Tmux]:
    """The UI, or another command, in a terminal while the block runs."""
    with tempfile.TemporaryDirectory(prefix="vt-") as folder:
        made = Tmux(Path(folder))
        home = {"HOME": folder, "LC_ALL": "C.UTF-8", "TERM": "tmux-256color", "COLORTERM": "", "NO_COLOR": ""}
        try:
            made.start(command or TUI, {**home, **(environ or {})}, columns=columns, rows=rows)
            yield made
        finally:
            subprocess.run(["tmux", "-S", made._socket, "kill-server"], capture_output=True, check=False)
