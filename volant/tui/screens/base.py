"""What a screen is. A new one subclasses `Screen`, gives lines, and takes actions; `screens/registry.py` says how to add one.

A screen never touches the terminal, the socket or a clock: it asks the desk (`desk.pending`, `desk.clock`, `desk.effects`), and is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from volant.proto.specs.filter import Fields
from volant.tui.lines import Line
from volant.tui.model import Delta, Record
from volant.tui.records import field

if TYPE_CHECKING:
    from volant.tui.desk import Desk


_WITH_DAEMON = frozenset({"vm.attach", "host.check"})
"""Of what changes nothing: what says nothing without the daemon, but for its past."""


class Copyable(NamedTuple):
    """A text to copy: its key and its name in the menu."""

    key: str
    label: str
    text: str
    is_command: bool = False
    """A line for a shell, of `volant` commands."""


class Screen:
    """One place to be. All methods are called by the desk, on the one loop there is; none may wait."""

    contexts: tuple[str, ...] = ()
    """Contexts of its keys, the particular first; `everywhere` comes after them."""
    hints: tuple[str, ...] = ()
    """Ids of the actions that the key line offers, the most useful first."""
    in_past = False
    """It shows the desk's snapshot of any moment; what knows only how things are is not shown while somebody looks back."""
    fields: Fields | None = None
    """What its filter knows; None: it has no filter."""
    place = ("", "")
    """Its word and what was typed behind it, where it was opened by that."""
    read: Callable[[Any, str], Any] = staticmethod(field)
    """How its filter gets a field of a record."""
    filter = ""
    """The filter in force, as it was typed."""

    @property
    def keyboard(self) -> bool:
        """It has the keyboard for itself: `typed`, `key` and `paste` hear everything, and only it says when that ends."""
        return False

    def typed(self, desk: Desk, data: bytes) -> bytes:
        """What was typed, byte for byte, while it has the keyboard; returns the part that came after it gave it back."""
        return data

    def key(self, desk: Desk, name: str) -> None:
        """A key that the terminal's decoder had read before the screen had the keyboard."""

    def paste(self, desk: Desk, text: str) -> None:
        """Text that was pasted while it has the keyboard."""

    @classmethod
    def opened(cls, desk: Desk, argument: str) -> Screen:
        """The screen that its word in the command bar opens (see `registry`); `argument` is what was typed behind it, or the name of the
        VM under the cursor. A Fault says why there is none."""
        return cls()

    @property
    def title(self) -> str:
        """Its crumb in the top line."""
        raise NotImplementedError

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        """At most `height` lines of at most `width` columns; the desk cuts and fills."""
        raise NotImplementedError

    def status(self, desk: Desk) -> Sequence[str]:
        """Words for the status line."""
        return ()

    def subtitle(self, desk: Desk) -> str:
        """What stands at the right of its crumb."""
        return ""

    def out_of_sight(self, records: Sequence[Record]) -> int:
        """How many of these, which something is about to be done with, a filter hides."""
        return 0

    def copies(self, desk: Desk) -> list[Copyable]:
        """What can be copied here besides the command."""
        return []

    def command(self, desk: Desk) -> str:
        """The `volant` command that tells the same; empty where there is none."""
        return ""

    def act(self, desk: Desk, action: str) -> bool:
        """Do what a key means; whether it means anything here."""
        return False

    def offers(self, desk: Desk, action: str) -> bool:
        """Whether one of its hints would be obeyed now. Those that change something are left out elsewhere while nothing can be changed."""
        return action not in _WITH_DAEMON or desk.snapshot.is_live or desk.past is not None

    def take_filter(self, text: str, takes: Callable[[Record, float], bool]) -> None:
        """Show only what is taken; `text` is how it was typed."""
        self.filter = text

    def leave_step(self, desk: Desk) -> bool:
        """Undo one thing that Esc undoes before it leaves, such as the marks; whether there was any. The filter is cleared by the desk."""
        return False

    def shown(self, desk: Desk) -> None:
        """It is what is looked at from now on."""

    def hidden(self, desk: Desk) -> None:
        """It is not looked at any more, and may come back: close what it follows."""

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        """The desk's snapshot is another. Told to hidden screens, too."""

    def next_change_s(self, desk: Desk) -> float | None:
        """In how many seconds it looks different by time alone; None for never."""
        return None
