"""What a person may set for the terminal UI: `tui.toml` beside other configuration, and the command bar's history.

theme = "dark"          # auto, dark, light, contrast, mono
ascii = false           # signs of plain ASCII
read_only = false       # begin without anything that changes

[contexts]              # name = socket of a daemon; `:ctx` lists them
staging = "/run/volant-staging/volantd.sock"

[keys]                  # action = key, or a list; "" unbinds; `volant tui --keys` lists actions and keys
"vms.vm.delete" = ["delete"]
quit = "Q"
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from volant.client import contexts

THEMES = ("auto", "dark", "light", "contrast", "mono")
KEPT_LINES = 500
"""Command lines remembered: a few months of use."""
MAX_VIEWS_CHARS = 64 * 1024
"""Of the file with the saved views: nine of them, with room for filters as long as they may be."""
MAX_CALLS_CHARS = 8 * 1024 * 1024
"""Of the file with the calls that were made; a longer one was not written by us, and is cut where nobody can read it any more."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds from the start; what was wrong in the file is in `problems`."""

    theme: str = "auto"
    ascii: bool = False
    read_only: bool = False
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    """Sockets of daemons, by name."""
    problems: tuple[str, ...] = ()


def config_path(environment: Mapping[str, str]) -> Path:
    """The file of the settings."""
    return Path(contexts.settings_file(environment))


def history_path(environment: Mapping[str, str]) -> Path:
    """`volant/tui_history` where XDG says state is."""
    return _state(environment) / "tui_history"


def calls_path(environment: Mapping[str, str]) -> Path:
    """`volant/tui_calls.json` beside it: the calls of workloads that were made."""
    return _state(environment) / "tui_calls.json"


def views_path(environment: Mapping[str, str]) -> Path:
    """`volant/tui_views.json` beside it: the saved views."""
    return _state(environment) / "tui_views.json"


def load_text(path: Path, most: int) -> str:
    """A file that this UI keeps, at most so many characters of it; empty where that can't be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(most)
    except OSError:
        return ""


def _state(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/")) / ".local/state") / "volant"


def load(path: Path) -> Settings:
    """The settings in the file; all defaults where there is none. Never fails: what can't be used is told."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        return Settings(problems=(f"{path} can't be read: {error}",))
    import tomllib

    try:
        return read(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return Settings(problems=(f"{path} is no TOML: {error}",))


def read(given: Mapping[str, Any]) -> Settings:
    """The settings that a parsed file holds."""
    problems = [f"there is no setting {name!r}" for name in given if name not in ("theme", "ascii", "read_only", "keys", "contexts")]
    theme = given.get("theme", "auto")
    if theme not in THEMES:
        problems.append(f"theme {theme!r} is none of {', '.join(THEMES)}")
        theme = "auto"
    flags = {}
    for name in ("ascii", "read_only"):
        flags[name] = given.get(name, False)
        if not isinstance(flags[name], bool):
            problems.append(f"{name} must be true or false")
            flags[name] = False
    keys: dict[str, tuple[str, ...]] = {}
    asked = given.get("keys", {})
    for action, value in asked.items() if isinstance(asked, dict) else ():
        words = [value] if isinstance(value, str) else value
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            keys[action] = tuple(word for word in words if word)
        else:
            problems.append(f"keys.{action} must be a key or a list of keys")
    if not isinstance(asked, dict):
        problems.append('keys must be a table of actions and their keys, such as quit = "Q"')
    named, wrong = contexts.read(given.get("contexts", {}))
    return Settings(theme, flags["ascii"], flags["read_only"], keys, named, (*problems, *wrong))


def load_history(path: Path) -> list[str]:
    """The remembered command lines, oldest first; none where they can't be read."""
    try:
        return path.read_text("utf-8", errors="replace").splitlines()[-KEPT_LINES:]
    except OSError:
        return []


def load_calls(path: Path) -> str:
    """What is remembered of calls, as `calling.kept` reads it; empty where that can't be read."""
    return load_text(path, MAX_CALLS_CHARS)


def save_history(path: Path, lines: list[str]) -> None:
    """Remember these lines."""
    save(path, "".join(f"{line}\n" for line in lines[-KEPT_LINES:]))


def save(path: Path, text: str) -> None:
    """Put this in the file's place, for this user's eyes; what can't be stored is forgotten."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        fresh.replace(path)
    except OSError:
        pass
