"""Saved views: a screen with its filter and its order, under a digit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui import entering
from volant.tui.effects import KeepViews
from volant.tui.overlays import Choice, Menu
from volant.tui.screens import registry
from volant.tui.screens.listing import ListScreen

if TYPE_CHECKING:
    from volant.tui.desk import Desk

DIGITS = "123456789"


@dataclass(frozen=True, slots=True)
class View:
    """`screen` and `argument` are what would be typed to get there."""

    screen: str
    argument: str = ""
    filter: str = ""
    sorted_by: str = ""
    reverse: bool = False

    @property
    def words(self) -> str:
        """What people recognise it by."""
        order = f"by {self.sorted_by}{', the other way round' if self.reverse else ''}" if self.sorted_by else ""
        return "  ".join(
            word for word in (f"{self.screen} {self.argument}".strip(), f"/{self.filter}" if self.filter else "", order) if word
        )


def read(text: str) -> dict[str, View]:
    """The views that were kept, by their digits; what makes no sense is passed over."""
    try:
        kept: Any = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        kept = {}
    found = {}
    for digit, said in kept.items() if isinstance(kept, dict) else ():
        if digit in DIGITS and isinstance(said, dict):
            words = {key: said.get(key, "") for key in ("screen", "argument", "filter", "sorted_by")}
            if all(isinstance(word, str) for word in words.values()):
                found[digit] = View(**words, reverse=said.get("reverse") is True)
    return found


def written(views: Mapping[str, View]) -> str:
    """The views as they are kept."""
    return json.dumps({digit: asdict(view) for digit, view in sorted(views.items())}, ensure_ascii=False)


def ask_save(desk: Desk) -> None:
    """Choose the digit under which what is looked at can be had again."""
    screen = desk.screen
    word, argument = ("vms", "") if screen is desk.home else screen.place
    if not word:
        desk.say("this screen has no name to find it by; lists and what `:` opens can be saved")
        return
    order = {"sorted_by": screen.sorted_by, "reverse": screen.reverse} if isinstance(screen, ListScreen) else {}
    view = View(word, argument, screen.filter, **order)  # type: ignore[arg-type]
    choices = [Choice(digit, _shown(desk, digit), partial(_save, desk, digit, view)) for digit in DIGITS]
    desk.overlay = Menu(f"Save under which digit: {harmless(view.words)}", choices)


def _shown(desk: Desk, digit: str) -> str:
    return harmless(desk.views[digit].words) if digit in desk.views else "free"


def _save(desk: Desk, digit: str, view: View) -> None:
    desk.views[digit] = view
    desk.effects.append(KeepViews(written(desk.views)))
    desk.say(f"saved; {digit} shows it")


def show(desk: Desk, digit: str) -> None:
    """Show a saved view."""
    view = desk.views.get(digit)
    if view is None:
        desk.say(f"nothing is saved under {digit} yet; {desk.key_of('view.save')} saves what is looked at")
        return
    entry = registry.named(view.screen)
    try:
        desk.go((desk.home,) if entry is None else (desk.home, entry.open(desk, view.argument)))
        if desk.screen.fields is not None:
            entering.filter_by(desk, view.filter)
    except Fault as fault:
        desk.say_fault(fault)
        return
    if isinstance(desk.screen, ListScreen) and view.sorted_by in {column.id for column in desk.screen.columns}:
        desk.screen.sort_as(view.sorted_by, reverse=view.reverse)
