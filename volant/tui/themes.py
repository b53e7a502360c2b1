"""What the names of styles look like. `auto` and `mono` leave colours to the terminal's own sixteen; a state is always a word as well."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style

_ANSI = {
    "": "",
    "dim": "bright_black",
    "name": "bold",
    "title": "bold",
    "label": "bright_black",
    "header": "bold",
    "brand": "bold reverse",
    "good": "green",
    "warm": "yellow",
    "bad": "bold red",
    "cool": "cyan",
    "mark": "bold yellow",
    "key": "bold cyan",
    "prompt": "bold cyan",
    "cursor": "reverse",
    "selected": "reverse",
    "selected.old": "reverse dim",
    "rule": "bright_black",
    "alarm": "bold white on red",
    "past": "bold black on yellow",
    "panel": "",
    "panel.dim": "bright_black",
    "panel.title": "bold",
    "panel.key": "bold cyan",
    "panel.rule": "cyan",
}
"""The names of all styles, with the terminal's own colours."""

_DARK = _ANSI | {
    "": "#d0d4dc on #14171c", "dim": "#8a93a3", "label": "#8a93a3", "rule": "#3a404c", "name": "bold #ffffff", "title": "bold #ffffff",
    "header": "bold #9fb4d0", "good": "#7bd88f", "warm": "#ffcb6b", "bad": "bold #ff6e6e", "cool": "#82cfff", "mark": "bold #ffcb6b",
    "key": "bold #82cfff", "prompt": "bold #82cfff",
    "selected": "#14171c on #9fd0ff", "selected.old": "#14171c on #6b7482",
    "brand": "bold #14171c on #9fd0ff", "alarm": "bold #ffffff on #a02c2c", "past": "bold #14171c on #ffcb6b",
    "panel": "#d0d4dc on #1f242d", "panel.dim": "#8a93a3 on #1f242d",
    "panel.title": "bold #ffffff on #1f242d", "panel.key": "bold #82cfff on #1f242d", "panel.rule": "#82cfff",
}  # fmt: skip
_LIGHT = _ANSI | {
    "": "#20242b on #fbfbf8", "dim": "#626a76", "label": "#626a76", "rule": "#c3c7cd", "name": "bold #000000", "title": "bold #000000",
    "header": "bold #2c4a6e", "good": "#16702f", "warm": "#8a5a00", "bad": "bold #b3151c", "cool": "#005f8f", "mark": "bold #8a5a00",
    "key": "bold #005f8f", "prompt": "bold #005f8f", "selected": "#ffffff on #2c5f94", "selected.old": "#ffffff on #7b828c",
    "brand": "bold #ffffff on #2c5f94", "alarm": "bold #ffffff on #b3151c", "past": "bold #ffffff on #8a5a00",
    "panel": "#20242b on #ecece6",
    "panel.dim": "#626a76 on #ecece6",
    "panel.title": "bold #000000 on #ecece6", "panel.key": "bold #005f8f on #ecece6", "panel.rule": "#005f8f",
}  # fmt: skip
_CONTRAST = _ANSI | {
    "": "#ffffff on #000000", "dim": "#d0d0d0", "label": "#d0d0d0", "rule": "#ffffff", "good": "bold #00ff5f", "warm": "bold #ffff00",
    "bad": "bold #ff8080", "cool": "bold #00ffff", "key": "bold #ffff00", "prompt": "bold #ffff00", "selected": "bold #000000 on #ffff00",
    "selected.old": "bold #000000 on #d0d0d0", "alarm": "bold #ffffff on #c00000", "past": "bold #000000 on #ffff00",
    "panel": "#ffffff on #000000",
    "panel.dim": "#d0d0d0 on #000000",
    "panel.title": "bold #ffffff on #000000", "panel.key": "bold #ffff00 on #000000", "panel.rule": "#ffffff",
}  # fmt: skip
_MONO = {name: " ".join(word for word in look.split() if word in ("bold", "reverse")) for name, look in _ANSI.items()} | {
    "bad": "bold", "alarm": "bold reverse", "past": "bold reverse", "key": "bold", "prompt": "bold", "panel.key": "bold", "mark": "bold",
}  # fmt: skip

STYLES: Mapping[str, Mapping[str, str]] = {"ansi": _ANSI, "dark": _DARK, "light": _LIGHT, "contrast": _CONTRAST, "mono": _MONO}


MAX_GUEST_STYLES = 8_192
"""Styles of guests' cells kept ready: a picture in true colours has some thousand on one screen."""


class Look:
    """The styles of one theme, made once; those of guests' cells (see `console.painting`) when met. An unknown name is plain text."""

    def __init__(self, theme: str) -> None:
        self.theme = theme
        self._plain = Style.parse(STYLES[theme][""])
        self._guests: dict[str, Style] = {}
        self._styles = {name: self._plain + Style.parse(look) for name, look in STYLES[theme].items()}

    @property
    def is_ansi(self) -> bool:
        """Its colours are the terminal's own."""
        return self.theme in ("ansi", "mono")

    def __getitem__(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._guests.get(name) or self._of_guest(name)
        return style

    def _of_guest(self, name: str) -> Style:
        from volant.tui.console.colours import rich_style
        from volant.tui.console.painting import PREFIX  # no console, no terminal emulator

        if not name.startswith(PREFIX):
            return self._plain
        if len(self._guests) >= MAX_GUEST_STYLES:
            self._guests.clear()
        style = self._guests[name] = rich_style(name, self._plain, colours=self.theme != "mono")
        return style


def chosen(asked: str, environment: Mapping[str, str]) -> str:
    """The theme that a wish means on this terminal: without COLORTERM, in tmux or over ssh, `auto` is the terminal's own colours."""
    if environment.get("NO_COLOR"):
        return "mono"
    if asked != "auto":
        return asked
    return "dark" if environment.get("COLORTERM") in ("truecolor", "24bit") else "ansi"
