"""Typing a filter or a command: what opens the bar, and what becomes of the line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from volant.proto.specs.filter import parse as parse_filter
from volant.tui import filterwords
from volant.tui.bar import Bar, Prompt
from volant.tui.commands import complete
from volant.tui.effects import Remember
from volant.tui.obeying import carry_out
from volant.tui.screens.listing import ListScreen

if TYPE_CHECKING:
    from volant.tui.desk import Desk


def open_filter(desk: Desk) -> None:
    """Type a filter; it holds while it is typed."""
    if desk.screen.fields is None:
        desk.say("there is nothing to filter here")
        return
    before = desk.screen.filter
    take = partial(filter_by, desk)
    records = desk.screen.records(desk).values() if isinstance(desk.screen, ListScreen) else ()
    desk.filters.begin()
    desk.bar = Bar(
        Prompt.FILTER, take, take, lambda: filter_by(desk, before), desk.filters, partial(filterwords.complete, desk.screen.fields, records)
    )
    if before:
        desk.bar.insert(before)


def filter_by(desk: Desk, text: str) -> None:
    """Filter the screen; a filter that can't be read leaves the last good one in force, and raises."""
    screen = desk.screen
    assert screen.fields is not None
    screen.take_filter(text.strip(), parse_filter(text, screen.fields, screen.read))


def open_command(desk: Desk, text: str) -> None:
    """Type a command, which begins with `text`."""
    names = sorted(str(vm["name"]) for vm in desk.snapshot.vms.values())

    def accepted(line: str) -> None:
        carry_out(desk, line, names)
        desk.effects.append(Remember((*desk.commands.lines, line.strip())))

    desk.commands.begin()
    # Imported when needed: it builds the parsers of the command.
    from volant.tui.completing import Completer

    completing = partial(complete, names=names, daemons=desk.daemons, offered=Completer(desk).offers)
    desk.bar = Bar(Prompt.COMMAND, lambda _: None, accepted, lambda: None, desk.commands, completing)
    if text:
        desk.bar.insert(text)
