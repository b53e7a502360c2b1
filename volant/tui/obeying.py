"""Carrying out what was typed into the command bar."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from volant.proto.errors import NotAllowed
from volant.tui import effects, switching
from volant.tui.commands import Cli, Go, Own, parse
from volant.tui.copying import run_in_foreground
from volant.tui.overlays import Choice, Menu
from volant.tui.screens import registry
from volant.tui.screens.output import OutputScreen

if TYPE_CHECKING:
    from volant.tui.desk import Desk


def carry_out(desk: Desk, line: str, names: Sequence[str]) -> None:
    """Do what the line says. A Fault says what is wrong with it; then nothing was done."""
    command = parse(line, names)
    if isinstance(command, Cli):
        _run(desk, command)
    elif isinstance(command, Own):
        _own(desk, command)
    else:
        _go(desk, command)


def _go(desk: Desk, command: Go) -> None:
    entry = registry.named(command.screen)
    desk.go((desk.home,) if entry is None else (desk.home, entry.open(desk, command.argument)))


def screens_menu(desk: Desk) -> None:
    """Choose another screen."""
    choices = [Choice("v", "vms         the list of VMs", partial(_go, desk, Go("vms")))]
    choices += [
        Choice(entry.letter, f"{entry.word:<11} {entry.help}", partial(_go, desk, Go(entry.word)))
        for entry in registry.SCREENS
        if entry.letter
    ]
    choices.append(Choice("c", f"{'ctx':<11} another daemon, by its name", partial(switching.menu, desk)))
    desk.overlay = Menu("Go to", choices)


def _own(desk: Desk, command: Own) -> None:
    match command.word:
        case "q":
            desk.effects.append(effects.Quit())
        case "resync":
            desk.effects.append(effects.Reconnect())
        case "help":
            desk.bar = None
            desk.help()
        case "ctx" if command.argument:
            switching.switch(desk, command.argument)
        case "ctx":
            switching.menu(desk)
        case "theme":
            desk.effects.append(effects.Theme(command.argument))
            desk.say(f'theme = "{command.argument}" in tui.toml keeps it')
        case "ro" | "rw":
            desk.read_only = command.word == "ro"
            # The daemon holds the next connection to it.
            desk.effects.append(effects.Reconnect())
            desk.say("read-only: nothing here changes anything until :rw" if desk.read_only else "changes are allowed")


def _run(desk: Desk, command: Cli) -> None:
    if desk.past is not None:
        raise NotAllowed(
            f"`{shlex.join(command.words)}` is about now, and this is the past", hint=f"{desk.key_of('past.now')} returns to now"
        )
    if command.changes and desk.read_only:
        raise NotAllowed(f"`{shlex.join(command.words)}` changes something, and this is read-only", hint=":rw allows changes again")
    if command.foreground:
        run_in_foreground(desk, command.words)
        return

    def run() -> None:
        desk.open(OutputScreen(desk, command.words, title=shlex.join(command.words)))

    question = None
    if command.deletes:
        # Imported when needed: it builds on what is done with deployments and plugins.
        from volant.tui.deleting import question_before

        question = question_before(desk, command.words, run)
    if question is None:
        run()
    else:
        desk.overlay = question
