"""Carrying out what was typed into the command bar."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from volant.proto.errors import NoSuchVm, NotAllowed
from volant.tui import effects
from volant.tui.commands import Cli, Go, Own, parse
from volant.tui.copying import run_in_foreground
from volant.tui.screens.events import EventsScreen
from volant.tui.screens.output import OutputScreen
from volant.tui.screens.vm import VmScreen

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
    if command.screen == "events":
        desk.go((desk.home, EventsScreen()))
    elif command.screen == "vm":
        vm_id = next((vm_id for vm_id, vm in desk.snapshot.vms.items() if vm["name"] == command.name), "")
        if not vm_id:
            raise NoSuchVm(command.name)
        desk.home.rows.select(vm_id)
        desk.go((desk.home, VmScreen(vm_id)))
    else:
        desk.go((desk.home,))


def _own(desk: Desk, command: Own) -> None:
    match command.word:
        case "q":
            desk.effects.append(effects.Quit())
        case "resync":
            desk.effects.append(effects.Reconnect())
        case "help":
            desk.bar = None
            desk.help()
        case "theme":
            desk.effects.append(effects.Theme(command.argument))
        case "ro" | "rw":
            desk.read_only = command.word == "ro"
            desk.say("read-only: nothing here changes anything until :rw" if desk.read_only else "changes are allowed")


def _run(desk: Desk, command: Cli) -> None:
    if command.changes and desk.read_only:
        raise NotAllowed(f"`{shlex.join(command.words)}` changes something, and this is read-only", hint=":rw allows changes again")
    if command.foreground:
        run_in_foreground(desk, command.words)
    else:
        desk.open(OutputScreen(desk, command.words, title=shlex.join(command.words)))
