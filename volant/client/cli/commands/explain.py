"""`volant explain vm NAME`: what became of a VM and why, on one line of time."""

from __future__ import annotations

import argparse
from typing import Any

from volant.client.cli import columns, human, output, terminal
from volant.client.cli.connect import open_client
from volant.client.cli.parsing import Parser, add_output, checked, style_of
from volant.client.cli.several import with_suggestion
from volant.client.cli.text import harmless
from volant.client.cli.values import count
from volant.proto.errors import ExitCode

BOOTS = 3
"""Boots shown unless told otherwise: what just happened, and what it was like before."""

MIN_TEXT = 30
"""Columns that a text gets on the narrowest terminal."""


def configure_explain(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="name or id of a VM, also of one that is deleted")
    parser.add_argument("--boots", metavar="N", type=checked(count), default=BOOTS, help=f"the newest so many boots (default {BOOTS})")
    parser.add_argument("--all", "-a", action="store_true", help="everything that is kept of it")
    add_output(parser)
    parser.give_examples("volant explain vm web-1", "volant explain vm web-1 --boots 1", "volant vm explain web-1 --all -o json")


def run_explain(args: argparse.Namespace) -> int:
    params = {"name": args.name, "boots": 0 if args.all else args.boots}
    with open_client(args) as client:
        reply = with_suggestion(client, lambda: client.call_plain("vm.explain", params))
    style = style_of(args)
    if style.format in ("json", "jsonl", "yaml"):
        output.write_list(style, columns.TIMELINE, reply)
        return ExitCode.OK
    if style.format == "table":
        for line in lines(timed(reply["items"]), terminal.width(1) if terminal.is_tty(1) else None):
            output.write_line(line)
    else:
        output.write_rows(style, columns.TIMELINE, timed(reply["items"]))
    if not args.quiet and terminal.is_tty(2):
        for sentence in remarks(reply):
            terminal.say(sentence)
    return ExitCode.OK


def timed(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries with `delta_ms`, the time since the one before; none where an entry has no time of its own."""
    found: list[dict[str, Any]] = []
    before: float | None = None
    for item in items:
        now = human.epoch(item["time"])
        found.append(item | {"delta_ms": None if now is None or before is None else round(1000 * (now - before))})
        before = before if now is None else now
    return found


def lines(items: list[dict[str, Any]], width: int | None) -> list[str]:
    """Time, time since the entry before, who says it, what: long texts go on below themselves instead of being cut. `width` None: never."""
    from textwrap import wrap

    found = []
    for item in items:
        delta = "" if item["delta_ms"] is None else f"+{human.duration(item['delta_ms'] / 1000)}"
        start = f"{item['time'][11:23]:<12}  {delta:>8}  {item['source']:<7}  "
        texts = wrap(harmless(item["text"]), max(width - len(start), MIN_TEXT)) if width is not None else [harmless(item["text"])]
        found += [start + texts[0] if texts else start.rstrip(), *(" " * len(start) + text for text in texts[1:])]
    return found


def remarks(reply: dict[str, Any]) -> list[str]:
    """What to know beside the timeline."""
    found = [] if reply["exists"] else [f"VM {reply['name']} ({reply['id']}) is deleted; this is what the events tell"]
    if not reply["is_whole"]:
        found.append("it is older than the events that are kept")
    if reply["earlier"]:
        found.append(f"earlier VMs of this name: {', '.join(reply['earlier'])}; `volant explain vm ID` tells of one")
    return found
