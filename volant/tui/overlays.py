"""What lies over a screen and takes its keys: questions, menus, help. A new kind subclasses `Overlay`; `desk.overlay` shows it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.field import Field
from volant.tui.glyphs import Glyphs
from volant.tui.keys.bindings import CONTEXTS, shown_key
from volant.tui.keys.router import Router
from volant.tui.lines import Line, folded, wrapped

HELP_KEYS = len("PgDn Ctrl-F Space")
"""Columns of the keys in help: the most that one action has beside another's; the nine digits of views take more."""
CHOICE_KEYS = "123456789abcdefhilmnoprstuvwxyz"
"""Of a menu's lines that have no keys of their own: none that moves in it or closes it."""
MAX_VICTIMS = 12
"""Names that a question lists; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Ending:
    """An overlay closes: what is done then, and what the status line says."""

    then: Callable[[], None] | None = None
    said: str = ""
    style: str = ""


NOTHING_DONE = Ending(said="nothing was done")


class Overlay:
    """Something over the screen. It has the keyboard until one of its keys ends it."""

    hints: ClassVar[tuple[str, ...]] = ("accept", "cancel")
    """Ids of the actions that the key line offers meanwhile."""

    @property
    def context(self) -> str:
        """Whose keys hold while it is there."""
        raise NotImplementedError

    def lines(self, width: int, height: int, glyphs: Glyphs) -> list[Line]:
        """At most `height` lines of at most `width` columns."""
        raise NotImplementedError

    def key(self, name: str, action: str) -> Ending | None:
        """A key, and the action that it means in `context` (empty: none); None while it stays open."""
        raise NotImplementedError

    def paste(self, text: str) -> bool:
        """Take pasted text where something is typed; whether it was taken."""
        return False


@dataclass(slots=True)
class Question(Overlay):
    """Asks before something that can't be taken back. Cancel is what every key but the right answer means."""

    title: str
    text: tuple[str, ...]
    command: str
    """The same for a shell."""
    verb: str
    expects: str
    """What has to be typed; empty: `y` is enough."""
    then: Callable[[], None]
    typed: Field = field(default_factory=Field)

    @property
    def context(self) -> str:
        return "line" if self.expects else "dialog"

    def key(self, name: str, action: str) -> Ending | None:
        if not self.expects:
            return Ending(self.then) if action == "yes" else NOTHING_DONE
        if action == "accept" and self.typed.text == self.expects:
            return Ending(self.then)
        if action in ("accept", "cancel"):
            return NOTHING_DONE
        if action:
            self.typed = self.typed.edit(action) or self.typed
        elif len(name) == 1:
            self.typed = self.typed.insert(name)
        return None

    def paste(self, text: str) -> bool:
        if self.expects:
            self.typed = self.typed.insert(text)
        return bool(self.expects)

    def lines(self, width: int, height: int, glyphs: Glyphs) -> list[Line]:
        found: list[Line] = [((self.title, "panel.title"),)]
        room = max(1, height - 4)
        body = [piece for text in self.text for piece in wrapped(text, width - 2)]
        if len(body) > room:
            body = [*body[: room - 1], f"and more, {len(body) - room + 1} lines in all that don't fit"]
        found += [((f" {piece}", "panel"),) for piece in body]
        found.append(((f" {self.command}", "panel.dim"),))
        if self.expects:
            found.append(
                ((f" type {self.expects} and press Enter to {self.verb}: ", "panel"), (self.typed.text, "panel.key"), (" ", "cursor"))
            )
            found.append(((" Esc cancels", "panel.dim"),))
        else:
            found.append(((" [ Cancel ] Enter, Esc", "panel.title"), ("    y", "panel.key"), (f" {self.verb}", "panel")))
        return found


@dataclass(slots=True)
class Asking(Overlay):
    """Asks for one line. `accepted` hears it, and raises a Fault that says what is wrong with it; then it stays open."""

    title: str
    text: tuple[str, ...]
    verb: str
    command: Callable[[str], str]
    """The same for a shell, of what was typed so far."""
    accepted: Callable[[str], None]
    typed: Field = field(default_factory=Field)
    fault: Fault | None = None

    @property
    def context(self) -> str:
        return "line"

    def key(self, name: str, action: str) -> Ending | None:
        if action == "cancel":
            return NOTHING_DONE
        if action == "accept":
            try:
                self.accepted(self.typed.text.strip())
            except Fault as fault:
                self.fault = fault
                return None
            return Ending()
        if action:
            self.typed = self.typed.edit(action) or self.typed
        elif len(typed := " " if name == "space" else name) == 1:
            self.typed = self.typed.insert(typed)
        return None

    def paste(self, text: str) -> bool:
        self.typed = self.typed.insert(text)
        return True

    def lines(self, width: int, height: int, glyphs: Glyphs) -> list[Line]:
        before, after = self.typed.text[: self.typed.at], self.typed.text[self.typed.at :]
        found: list[Line] = [((self.title, "panel.title"),)]
        found += [((f" {piece}", "panel"),) for text in self.text for piece in wrapped(text, width - 2)]
        if self.fault is not None:
            found.append(((f" {harmless(self.fault.message)}", "bad"),))
        found.append(
            ((" ", "panel"), (harmless(before), "panel.key"), (harmless(after[:1]) or " ", "cursor"), (harmless(after[1:]), "panel.key"))
        )
        found.append(((f" {harmless(self.command(self.typed.text.strip()))}", "panel.dim"),))
        found.append(((f" Enter: {self.verb}    Esc cancels", "panel.dim"),))
        return found


@dataclass(slots=True)
class Choice:
    """One line of a menu. Without `then` it can't be chosen now; `why` says why."""

    key: str
    label: str
    then: Callable[[], None] | None
    why: str = ""


_STEPS = {"down": 1, "up": -1, "page.down": 10, "page.up": -10}


def _stepped(at: int, action: str, most: int) -> int | None:
    """Where an action of context `menu` leads from `at`, 0 to `most`; None when it leads nowhere else."""
    if action in ("first", "last"):
        return 0 if action == "first" else most
    return max(0, min(most, at + _STEPS[action])) if action in _STEPS else None


@dataclass(slots=True)
class Menu(Overlay):
    """A list to choose from, by a line's own key or by going to it."""

    title: str
    choices: Sequence[Choice]
    at: int = 0

    @property
    def context(self) -> str:
        return "menu"

    def key(self, name: str, action: str) -> Ending | None:
        choice = next((each for each in self.choices if each.key == name), None)
        if choice is None and action == "accept" and self.choices:
            choice = self.choices[self.at]
        if choice is not None:
            return Ending(choice.then) if choice.then is not None else Ending(said=f"{choice.label}: {choice.why}", style="warm")
        to = _stepped(self.at, action, len(self.choices) - 1)
        if to is None:
            return Ending() if action else None
        self.at = to
        return None

    def lines(self, width: int, height: int, glyphs: Glyphs) -> list[Line]:
        room = max(1, height - 1)
        first = max(0, min(self.at - room + 1, len(self.choices) - room))
        found: list[Line] = [((self.title, "panel.title"),)]
        for at, choice in enumerate(self.choices[first : first + room], first):
            cursor = glyphs["cursor"] if at == self.at else " "
            style = "panel" if choice.then else "panel.dim"
            why = f"  ({choice.why})" if choice.why else ""
            found.append(((f"{cursor} ", "panel"), (f"{choice.key:<3}", "panel.key"), (f"{choice.label}{why}", style)))
        return found


@dataclass(slots=True)
class Reading(Overlay):
    """Text over the screen, to be read and closed: help."""

    hints: ClassVar = ("cancel", "page.down")
    title: str
    text: Sequence[Line]
    at: int = 0
    _last: int = 0
    """The lowest line that may be the first one that is seen; known once it was drawn."""

    @property
    def context(self) -> str:
        return "menu"

    def key(self, name: str, action: str) -> Ending | None:
        to = _stepped(self.at, action, self._last)
        if to is None:
            return Ending() if action else None
        self.at = to
        return None

    def lines(self, width: int, height: int, glyphs: Glyphs) -> list[Line]:
        room = max(1, height - 1)
        text = [piece for line in self.text for piece in folded(line, width, "panel")]
        self._last = max(0, len(text) - room)
        self.at = min(self.at, self._last)
        more = f"  {self.at + 1}-{min(self.at + room, len(text))} of {len(text)}" if len(text) > room else ""
        head: Line = ((self.title, "panel.title"), (f"{more}   Esc closes", "panel.dim"))
        return [head, *text[self.at : self.at + room]]


def help_text(router: Router, contexts: Sequence[str], *, read_only: bool) -> list[Line]:
    """The keys of the contexts in force, from the particular to the general, as they are bound now."""
    found: list[Line] = []
    seen: set[str] = set()
    for context in contexts:
        found.append(((CONTEXTS[context], "panel.title"),))
        for binding in router.bindings(context):
            keys = [key for key in binding.keys if key not in seen]
            seen.update(keys)
            if keys and not (read_only and binding.changes):
                found.append(((f"  {' '.join(map(shown_key, keys)):<{HELP_KEYS}}", "panel.key"), (f" {binding.help}", "panel")))
        found.append(())
    found += [
        ((line, "panel"),)
        for line in (
            "Filters: web  ~regex  -f fuzzy  state:failed  label.env:prod  mem>=512M  age<5m  !not  a|b  (a b)",
            "Every fact here is also told line by line by `volant vm watch` and `volant events --follow`, for screen readers and scripts.",
        )
    ]
    return found
