"""The screens that can be opened by name. A row here makes a screen's word in the command bar, with completion, its line in the menu of
screens, and, for screens of one VM, the key that opens it for the VM under the cursor.

To add a screen:

1. `screens/NAME.py`: a subclass of `Screen` (`screens/base.py`); its `opened` makes it from what was typed behind its word.
2. A row of SCREENS.
3. Its keys: a context in `keys/bindings.py` (`CONTEXTS` and `BINDINGS`) that its `contexts` name, and, where the row has an `action`, a
   `Binding` of that id in context `vms`. Then `python -m volant.tui.keys.listing docs/tui.md`.
4. How it looks: rows of `SCENES` in `tests/tui/scenes.py`, then `python -m tests.tui.scenes`.

A screen's module is imported when the screen is first opened, so that the UI starts no later for having more of them. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.screens.base import Screen


class Takes(Enum):
    """What follows a screen's word."""

    NOTHING = "nothing"
    VM = "the name of a VM"
    TEXT = "anything but options, or nothing; of several VMs a filter that takes them"


class Entry(NamedTuple):
    """A screen. `place` is its class, as `module:Class` below `volant.tui.screens`."""

    word: str
    help: str
    place: str
    takes: Takes = Takes.NOTHING
    aliases: tuple[str, ...] = ()
    letter: str = ""
    """Its key in the menu of screens; empty: it is not there."""
    action: str = ""
    """Opens it for one VM, and one that takes TEXT for several: the id of a binding of context `vms`."""

    def open(self, desk: Desk, argument: str = "") -> Screen:
        """The screen, made. A Fault says why it can't be."""
        module, _, name = self.place.partition(":")
        made = cast("type[Screen]", getattr(import_module(f"volant.tui.screens.{module}"), name))
        opened = made.opened(desk, argument)
        opened.place = (self.word, argument)
        return opened

    def fits(self, rest: Sequence[str], vms: Collection[str]) -> bool:
        """Whether these words may follow the screen's own; those that may not are a command's."""
        if self.takes is Takes.NOTHING:
            return not rest
        if self.takes is Takes.VM:
            return len(rest) == 1 and rest[0] in vms
        return not any(word.startswith("-") for word in rest)


SCREENS: tuple[Entry, ...] = (
    Entry("vm", "one VM", "vm:VmScreen", Takes.VM, ("vms",)),
    Entry("deployments", "deployments and their rollouts", "deployments:DeploymentsScreen", aliases=("deploys",), letter="d"),
    Entry("call", "call a VM's workload", "calls:CallsScreen", Takes.VM, action="vm.calls"),
    Entry("peek", "a VM's console: read, search, copy, type", "console:ConsoleScreen", Takes.VM, action="vm.console"),
    Entry("plugins", "plugins: what VMs are made of", "plugins:PluginsScreen", letter="p"),
    Entry("host", "the host: resources, acceleration, ledger", "host:HostScreen", letter="h"),
    Entry("operations", "what is under way, and what came of it", "ops:OperationsScreen", aliases=("ops",), letter="o"),
    Entry("past", "how things were: every event, moment by moment", "past:PastScreen", Takes.TEXT, letter="t"),
    Entry("logs", "the output of VMs, merged and followed", "logs:LogsScreen", Takes.TEXT, letter="l", action="vm.logs"),
    Entry("events", "all events, as they happen", "events:EventsScreen", Takes.TEXT, letter="e"),
)
"""In the order of the menu."""


def find(words: Sequence[str], vms: Collection[str]) -> tuple[Entry, str] | None:
    """The screen that these words name, and what follows its word; None when they name none."""
    for entry in SCREENS:
        if words[0] in (entry.word, *entry.aliases) and entry.fits(words[1:], vms):
            return entry, " ".join(words[1:])
    return None


def named(word: str) -> Entry | None:
    """The screen of this word; None for home."""
    return next((entry for entry in SCREENS if entry.word == word), None)


def for_action(action: str) -> Entry | None:
    """The screen that an action on a VM opens."""
    return next((entry for entry in SCREENS if entry.action and entry.action == action), None)
