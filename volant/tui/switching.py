"""Contexts: which daemons there are by name, and looking at another one without leaving. Nothing here waits for a daemon. No I/O."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from volant.client.cli.text import harmless
from volant.client.contexts import socket_of
from volant.proto.errors import NotAllowed
from volant.tui.effects import Switch
from volant.tui.overlays import CHOICE_KEYS, Choice, Menu

if TYPE_CHECKING:
    from volant.tui.desk import Desk


def menu(desk: Desk) -> None:
    """Choose the daemon to look at."""
    choices = [
        Choice(key, f"{harmless(name):<14} {harmless(path)}{'  (this one)' if path == desk.place else ''}", partial(_chosen, desk, name))
        for key, (name, path) in zip(CHOICE_KEYS, desk.daemons.items(), strict=False)
    ]
    places = list(desk.daemons.values())
    desk.overlay = Menu("Look at which daemon?", choices, at=places.index(desk.place) if desk.place in places else 0)


def _chosen(desk: Desk, name: str) -> None:
    try:
        switch(desk, name)
    except NotAllowed as fault:
        desk.say_fault(fault)


def switch(desk: Desk, name: str) -> None:
    """Look at the daemon of this name from now on, whether or not it is up. Usage, NotAllowed."""
    path = socket_of(name, desk.daemons)
    bound = desk.bound or ("this is a recording" if desk.past is not None and desk.past.recording else "")
    if bound:
        raise NotAllowed(f"`ctx {harmless(name)}`: {bound}, which is of one host", hint="leave with q, and begin anew")
    if path == desk.place:
        desk.say(f"this is {harmless(name)}")
        return
    under_way = sum(operation.left for operation in desk.operations)
    left = desk.context
    desk.look_at(name, path)
    desk.effects.append(Switch(path))
    unheard = f"; {under_way} of what was asked of {harmless(left)} is still under way there" if under_way else ""
    desk.say(f"{harmless(name)}: {harmless(path)}{unheard}")
