"""What can be had of the VM under the cursor: its other screens and commands, and text to copy."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from volant.client.cli.text import harmless
from volant.client.contexts import LOCAL
from volant.client.paths import SOCKET_VARIABLE
from volant.proto.errors import Fault
from volant.tui.actions import DOWN
from volant.tui.effects import Copy
from volant.tui.model import Record
from volant.tui.overlays import Choice, Menu
from volant.tui.screens.base import Copyable
from volant.tui.screens.registry import for_action
from volant.tui.screens.vm import VmScreen

if TYPE_CHECKING:
    from volant.tui.desk import Desk

_PAGES = {"open": "overview", "vm.describe": "overview", "vm.config": "config", "vm.events": "events", "vm.metrics": "metrics"}
_THEN = frozenset({"vm.logs", "vm.attach", "vm.console"})
"""What is shown of the past in the place of what is live."""
_TERMINAL = {"vm.attach": ("console",), "vm.shell": ("exec", "-it")}


def open_about(desk: Desk, action: str, record: Record) -> bool:
    """Open what an action means for one VM; whether it means anything."""
    name = str(record["name"])
    if desk.past is not None and action in _THEN:
        from volant.tui.screens.past_logs import PastLogs
        from volant.tui.screens.past_output import PastConsole

        desk.open(PastLogs.of(record) if action == "vm.logs" else PastConsole(record))
    elif action in _PAGES:
        desk.open(VmScreen(str(record["id"]), _PAGES[action]))
    elif action in _TERMINAL:
        _give_terminal(desk, action, record)
    elif action in ("vm.edit", "vm.rollback"):
        # Imported when needed: it builds on `doing`, which builds on this.
        from volant.tui.configuring import ask_edit, ask_rollback

        (ask_edit if action == "vm.edit" else ask_rollback)(desk, record)
    elif (entry := for_action(action)) is not None:
        desk.open(entry.open(desk, name))
    else:
        return False
    return True


def _give_terminal(desk: Desk, action: str, record: Record) -> None:
    """Attach the VM's console, or run a shell in it. Where nothing runs, a console is what it printed before, to be read here."""
    name, status = str(record["name"]), str(record["status"])
    words = (*_TERMINAL[action], name)
    helps = f"; {desk.key_of('actions')} s starts it" if status in DOWN else ""
    if action == "vm.shell":
        if desk.refuses("shell"):
            return
        if status not in ("running", "ready"):
            desk.say(f"shell: {harmless(name)} is {status}{helps}", "warm")
            return
        words = (*words, "--", "/bin/sh")
    elif status in DOWN:
        console = for_action("vm.console")
        if console is not None and "console" not in desk.screen.contexts:
            desk.open(console.open(desk, name))
        desk.say(f"{harmless(name)} is {status}: this is what it printed{helps}")
        return
    elif desk.read_only:
        words = (*words, "--read-only")
    run_in_foreground(desk, words)


def run_in_foreground(desk: Desk, words: tuple[str, ...]) -> None:
    """Give the terminal to a command until it ends."""

    def ended(result: object) -> None:
        if isinstance(result, Fault):
            desk.say_fault(result)
        elif result:
            desk.say(f"volant {shlex.join(words)} ended with {result}", "warm")

    desk.pending.run(words, lambda lines: None, ended, foreground=True)


def menu(desk: Desk) -> None:
    """Choose what to copy of what is looked at."""
    command = desk.screen.command(desk)
    texts = [*desk.screen.copies(desk), *([Copyable("C", "this screen as a command", command, is_command=True)] if command else [])]
    texts = [each._replace(text=addressed(desk, each.text)) if each.is_command and each.text else each for each in texts]
    choices = [Choice(each.key, f"{each.label:<26} {harmless(each.text)[:60]}", _copying(desk, each)) for each in texts if each.text]
    if choices:
        desk.overlay = Menu("Copy", choices)
    else:
        desk.say("there is nothing to copy here")


def addressed(desk: Desk, command: str) -> str:
    """A line of `volant` commands so that it reaches the daemon that is looked at from any shell, also where that is not the usual one."""
    if desk.place == desk.daemons.get(LOCAL, desk.place):
        return command
    socket = shlex.quote(desk.place)
    if command.count("volant ") == 1:
        return f"volant --socket {socket} {command.removeprefix('volant ')}"
    return f"(export {SOCKET_VARIABLE}={socket}; {command})"


def _copying(desk: Desk, chosen: Copyable) -> Callable[[], None]:
    def copy() -> None:
        desk.effects.append(Copy(chosen.text))
        desk.say(f"{chosen.label} copied, where the terminal allows it")

    return copy
