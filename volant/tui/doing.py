"""Doing something with VMs and others: the menu, what is refused and why, the question, the calls, and how it went."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.tui.actions import VM_ACTIONS, Action, action
from volant.tui.copying import open_about
from volant.tui.model import Record
from volant.tui.overlays import Choice, Menu
from volant.tui.screens.registry import Takes, for_action
from volant.tui.work import Operation, question

if TYPE_CHECKING:
    from volant.tui.desk import Desk


def vm_action(desk: Desk, name: str, victims: list[Record], here: Record | None) -> bool:
    """An action of context `vms` on these VMs, or (what can be done with one only) on the one under the cursor; whether it is one."""
    if name == "actions":
        _menu(desk, victims)
    elif name in {each.id for each in VM_ACTIONS}:
        if victims:
            perform(desk, action(name, victims), victims)
    elif name == "new":
        from volant.tui.making import ask_new

        ask_new(desk, here)
    elif (entry := for_action(name)) is not None and entry.takes is Takes.TEXT and len(victims) > 1:
        desk.open(entry.open(desk, f"name:{','.join(str(record['name']) for record in victims)}"))
    elif here is not None:
        return open_about(desk, name, here)
    else:
        return False
    return True


def _menu(desk: Desk, victims: list[Record]) -> None:
    if not victims:
        desk.say("there is no VM" if desk.snapshot.listed else "the VMs are not known yet")
        return
    menu_of(desk, victims, VM_ACTIONS, "VM")


def menu_of(desk: Desk, victims: Sequence[Record], actions: Sequence[Action], noun: str, more: Sequence[Choice] = ()) -> None:
    """What makes sense for these, to choose from; `more` are further choices, which come first."""
    who = harmless(str(victims[0]["name"])) if len(victims) == 1 else f"{len(victims)} {noun}s"
    why = "the past" if desk.past is not None else "read-only" if desk.read_only else "" if desk.snapshot.is_live else "not connected"
    fitting = [each for each in actions if any(each.fits(record) for record in victims)]
    choices = [Choice(each.key, each.label, None if why else partial(perform, desk, each, victims), why) for each in fitting]
    above = [Choice(each.key, each.label, None if why else each.then, why) for each in more]
    desk.overlay = Menu(f"What to do with {who}" if victims else "What to do", [*above, *choices])


def perform(desk: Desk, chosen: Action, records: Sequence[Record]) -> None:
    """Do it with those it makes sense for, after asking where it can't be taken back."""
    fit = [record for record in records if chosen.fits(record)]
    if desk.refuses(chosen.label):
        return
    if not fit:
        states = ", ".join(sorted({str(record["status"]) for record in records}))
        desk.say(f"{chosen.label}: makes no sense for what is {states}", "warm")
        return
    if not chosen.question:
        _start(desk, chosen, fit)
        return
    hidden = desk.screen.out_of_sight(fit)
    left_out = [str(record["name"]) for record in records if not chosen.fits(record)]
    command = harmless(chosen.command(fit))
    desk.overlay = question(chosen, fit, partial(_start, desk, chosen, fit), hidden=hidden, left_out=left_out, command=command)


def _start(desk: Desk, chosen: Action, records: Sequence[Record]) -> None:
    if desk.refuses(chosen.label):  # the answer may have come long after the question
        return
    names = tuple(str(record["name"]) for record in records)
    operation = begin(desk, chosen, names, chosen.command(records))
    for name, record in zip(names, records, strict=True):
        desk.pending.call(chosen.method, chosen.params_for(record), partial(ended, desk, operation, name))


def begin(desk: Desk, chosen: Action, names: tuple[str, ...], command: str) -> Operation:
    """An operation on these that is under way from now on; `ended` is to be told of each of them. `command` means the same."""
    operation = Operation(chosen, names, len(names), desk.clock(), command)
    desk.operations.append(operation)
    return operation


def ended(desk: Desk, operation: Operation, name: str, result: Any) -> None:
    """One of them has answered: its plain result, or the fault."""
    if operation.answered(name, result):
        operation.ended = desk.clock()
        desk.operations.remove(operation)
        desk.past_operations.append(operation)
        desk.say(operation.words(desk.key_of), "bad" if operation.failures else "good")
