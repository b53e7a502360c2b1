"""Signs beside words, never instead of them; each has an ASCII form for terminals and fonts that lack it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Sign(NamedTuple):
    """How something is marked: the sign, its ASCII form, and the style's name."""

    sign: str
    ascii: str
    style: str


STATES: Mapping[str, Sign] = {
    "pending": Sign("◌", "~", "warm"),
    "starting": Sign("◐", "~", "warm"),
    "running": Sign("◉", "*", "good"),
    "ready": Sign("●", "*", "good"),
    "paused": Sign("‖", "=", "cool"),
    "stopping": Sign("◑", "~", "warm"),
    "stopped": Sign("○", "-", "dim"),
    "crashed": Sign("✖", "!", "bad"),
    "failed": Sign("✖", "!", "bad"),
    "destroying": Sign("◑", "~", "warm"),
    "progressing": Sign("◐", "~", "warm"),
    "degraded": Sign("✖", "!", "bad"),
    "deleting": Sign("◑", "~", "warm"),
    "done": Sign("○", "-", "dim"),
    "enabled": Sign("●", "*", "good"),
    "disabled": Sign("○", "-", "dim"),
}
"""By `specs.states.VmState` and `DeploymentStatus`, and what plugins and operations are; what a later daemon says is shown with UNKNOWN."""
UNKNOWN = Sign("?", "?", "")

_OTHERS = {"cursor": (">", ">"), "mark": ("•", "+"), "up": ("↑", "^"), "down": ("↓", "v"), "lost": ("✖", "!"), "live": ("●", "*"),
           "bar": ("─", "-"), "sep": ("│", "|"), "dots": ("…", "~"),
           "full": ("█", "#"), "empty": ("░", "."), "past": ("◂", "<"), "play": ("▸", ">"), "held": ("‖", "="),
           "to": ("→", ">")}  # fmt: skip


class Glyphs:
    """The signs of one terminal."""

    def __init__(self, *, ascii: bool) -> None:
        self.ascii = ascii

    def state(self, status: str) -> Sign:
        """The sign of a state, in the form that this terminal can show."""
        found = STATES.get(status, UNKNOWN)
        return found._replace(sign=found.ascii) if self.ascii else found

    def __getitem__(self, name: str) -> str:
        return _OTHERS[name][self.ascii]


def wants_ascii(environment: Mapping[str, str]) -> bool:
    """Whether the locale says that the terminal doesn't show UTF-8 (POSIX: LC_ALL, else LC_CTYPE, else LANG)."""
    if environment.get("VOLANT_ASCII"):
        return True
    chosen = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := environment.get(name))), "")
    return "utf" not in chosen.lower()
