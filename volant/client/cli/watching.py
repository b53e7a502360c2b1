"""`--watch`: a list that is kept up to date by what the daemon pushes. In place on a terminal, one line a change anywhere else."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from volant.client.blocking import Client
from volant.client.cli import output, terminal
from volant.client.cli.connect import open_client, open_following
from volant.client.cli.live import Feed, Picture, news
from volant.client.cli.parsing import style_of
from volant.client.cli.style import Style
from volant.client.cli.table import GAP, Column
from volant.client.resuming import EventProgress, VmsProgress
from volant.proto.errors import ExitCode, Lagged, Unreachable

GONE = "gone"
"""The status of what is no more, or what the filter no longer takes."""

Reply = dict[str, Any]
Write = Callable[[list[Reply]], object]
"""Prints records."""
Show = Callable[[Reply, str], object]
"""Shows a list, and a note to a person."""
Fetch = Callable[[Client], Reply]
"""Asks for the list as it is: `items`, and as `seq` the number of the newest event that is in it."""


def write_each(style: Style, facts: Callable[[Reply], list[tuple[str, str]]], records: list[Reply]) -> None:
    """Records for reading, one below the other."""
    for at, record in enumerate(records):
        if at:
            output.write_line("")
        output.write_facts(style, record, facts(record))


def is_drawn(style: Style) -> bool:
    """Whether a person looks, so that rows can change where they stand."""
    return style.format in ("table", "wide") and terminal.is_tty(1)


def draw_vms(args: argparse.Namespace, expression: str, write: Write) -> int:
    """The VMs that `expression` takes, drawn in place by `write`."""
    progress = VmsProgress({"filter": expression})
    feed = Feed(args, progress, lambda _: list(progress.records.values()))
    picture = Picture()
    for records in news(feed):
        picture.draw(partial(write, records), feed.note)
    return ExitCode.OK


def tell_vms(args: argparse.Namespace, expression: str, tell: Callable[[Reply], object]) -> int:
    """The VMs that `expression` takes, each told, and again with each change; one that is no more as `GONE`."""
    progress = VmsProgress({"filter": expression})
    with open_following(args, progress) as following:
        for _ in following:
            for record in progress.changed:
                tell(record)
            for record in progress.gone:
                tell({"id": record["id"], "name": record["name"], "status": GONE})
    return ExitCode.OK


def watch_list(args: argparse.Namespace, columns: list[Column], fetch: Fetch, write: Write | None = None) -> NoReturn:
    """A list without a watch of its own: asked for again when events say that something happened. `write` prints it for a person, where
    that is no table."""
    style = style_of(args)
    write = write or partial(output.write_rows, style, columns)
    show = _drawing(write) if is_drawn(style) else _telling(style, columns)
    reply = _asked(args, fetch)
    show(reply, "")
    while True:
        feed = Feed(args, EventProgress({"after": reply["seq"]}), lambda event: int(event["seq"]), first=int(reply["seq"]))
        try:
            for seq in news(feed):
                if seq > reply["seq"]:
                    reply = _asked(args, fetch, reply)
                show(reply, feed.note)
        except Lagged:  # more happened than was kept for us: the list tells what came of it
            feed.close()
            reply = _asked(args, fetch)


def _asked(args: argparse.Namespace, fetch: Fetch, otherwise: Reply | None = None) -> Reply:
    """The list as it is; `otherwise` while the daemon is away, about which the feed decides."""
    try:
        with open_client(args) as client:
            return fetch(client)
    except Unreachable:
        if otherwise is None:
            raise
        return otherwise


def _drawing(write: Write) -> Show:
    picture = Picture()

    def draw(records: list[Reply]) -> None:
        write(records)
        if not records:
            output.write_line("none now")

    return lambda reply, note: picture.draw(partial(draw, reply["items"]), note)


def _telling(style: Style, columns: list[Column]) -> Show:
    """The whole list, then each record that changed, and one of status `GONE` for each that went."""
    known: dict[str, Reply] = {}

    def line(record: Reply) -> str:
        return GAP.join(column.cell(record) for column in columns if not column.wide)

    def tell(reply: Reply, note: str) -> None:
        now = {record["name"]: record for record in reply["items"]}
        changed = [record for name, record in now.items() if known.get(name) != record]
        gone = [record | {"status": GONE} for name, record in known.items() if name not in now]
        for record in (*changed, *gone):
            output.write_next(style, columns, record, line)
        known.clear()
        known.update(now)

    output.begin_stream(style, columns)
    return tell
