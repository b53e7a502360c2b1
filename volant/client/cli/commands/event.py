"""`volant event list|follow`, and `volant events`, which is both."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from volant.client.cli import columns, output
from volant.client.cli.connect import open_client, open_following
from volant.client.cli.parsing import Parser, add_output, add_reconnect, checked, style_of
from volant.client.cli.values import count
from volant.proto.errors import ExitCode, Lagged

LAST = 50
"""Events shown unless told otherwise: the newest few screens full."""


def configure_list(parser: Parser) -> None:
    _configure(parser)
    _configure_range(parser)
    parser.give_examples("volant event list", "volant event list --vm web-1 --last 10", "volant event list --since 120 -o jsonl")


def configure_follow(parser: Parser) -> None:
    _configure(parser)
    parser.add_argument("--since", metavar="N", type=checked(count), help="first replay what came after event number N")
    add_reconnect(parser)
    parser.give_examples("volant event follow", "volant event follow --vm web-1", "volant event follow --since 120 -o jsonl")


def configure_events(parser: Parser) -> None:
    _configure(parser)
    _configure_range(parser)
    parser.add_argument("--follow", "-f", action="store_true", help="go on with events as they happen")
    add_reconnect(parser)
    parser.give_examples(
        "volant events", "volant events --follow", "volant events --follow --since 120 -o jsonl", "volant events --kind VM_CRASHED"
    )


def _configure(parser: Parser) -> None:
    add_output(parser)
    parser.add_argument("--vm", metavar="NAME", default="", help="only what is about this VM")
    parser.add_argument("--deployment", metavar="NAME", default="", help="only what is about this deployment or one of its VMs")
    parser.add_argument(
        "--kind", metavar="KIND", action="append", default=[], help="only events of this kind, such as VM_READY; may be repeated"
    )


def _configure_range(parser: Parser) -> None:
    parser.add_argument("--since", metavar="N", type=checked(count), help="only what came after event number N")
    parser.add_argument(
        "--last",
        "--limit",
        metavar="N",
        type=checked(count),
        help=f"at most so many: the newest, or with --since the next (default {LAST})",
    )


def run_events(args: argparse.Namespace) -> int:
    return run_follow(args) if args.follow else run_list(args)


def run_list(args: argparse.Namespace) -> int:
    params = _selection(args)
    if args.since is None:
        params["last"] = LAST if args.last is None else args.last
    else:
        params |= {"after": args.since, "limit": LAST if args.last is None else args.last}
    with open_client(args) as client, _explaining_gaps():
        reply = client.call_plain("event.list", params)
    output.write_list(style_of(args), columns.EVENT, reply, empty="no such events")
    return ExitCode.OK


def run_follow(args: argparse.Namespace) -> int:
    style = style_of(args)
    params = _selection(args) | ({"after": args.since} if args.since is not None else {})
    output.begin_stream(style, columns.EVENT)
    from volant.client.resuming import EventProgress

    with open_following(args, EventProgress(params)) as events, _explaining_gaps():
        for event in events:
            output.write_next(style, columns.EVENT, event, _line)
    return ExitCode.OK


def _selection(args: argparse.Namespace) -> dict[str, Any]:
    return {"vm": args.vm, "deployment": args.deployment, "kinds": [kind.upper() for kind in args.kind]}


def _line(event: dict[str, Any]) -> str:
    who = event["vm"] or event.get("deployment") or "-"
    return f"{event['seq']:>6}  {event['time'][11:23]}  {event['kind']:<{columns.KIND_COLUMNS}}  {who:<16}  {event['message']}"


@contextmanager
def _explaining_gaps() -> Iterator[None]:
    """Turns the daemon's word for a gap into what to do about it here."""
    try:
        yield
    except Lagged as fault:
        if "seen" in fault.data:
            fault.hint = f"go on with --since {fault.data['seen']}: what was missed is replayed as long as it is kept"
        else:
            fault.hint = "`volant event list` shows what is kept; follow from its newest number with --since"
        raise
