"""`volant vm logs`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from typing import Any

from volant.client.cli import output, terminal
from volant.client.cli.connect import open_client, open_following
from volant.client.cli.parsing import Parser, add_reconnect, checked
from volant.client.cli.several import with_suggestion
from volant.client.cli.text import harmless, harmless_log_line, lines_lost
from volant.client.cli.values import count, instant
from volant.proto.errors import ExitCode, Usage

TAIL = 200
"""Lines to begin with unless told otherwise."""


def configure_logs(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the VM")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with lines as they are written")
    parser.add_argument(
        "--tail", "-n", metavar="N", type=checked(_tail), default=TAIL, help=f"the newest N lines to begin with, or all (default {TAIL})"
    )
    parser.add_argument("--since", metavar="AGE|INSTANT", default="", help="only lines after this: 10m, or 2026-01-31T12:00:00Z")
    parser.add_argument("--timestamps", "-t", action="store_true", help="each line's time before it")
    add_reconnect(parser)
    parser.add_argument("-o", "--output", choices=("json", "jsonl"), metavar="FORMAT", help="jsonl (or json): each line as an object")
    parser.give_examples(
        "volant logs web-1",
        "volant logs web-1 --follow --tail 20",
        "volant logs web-1 --since 10m --timestamps",
        "volant logs web-1 -o jsonl",
    )


def _tail(text: str) -> int:
    return -1 if text in ("all", "-1") else count(text)


def run_logs(args: argparse.Namespace) -> int:
    params = {"name": args.name, "tail": args.tail, "follow": args.follow}
    if args.since:
        params["since"] = instant(args.since, now=time.time())
    if not args.name:
        raise Usage("the VM's name is empty", hint="`volant vm list` shows the VMs")
    on_terminal, colour = terminal.is_tty(1), terminal.wants_colour(1)

    def show(lines: Iterable[Any]) -> None:
        last = 0
        for line in lines:
            # The numbers begin anew with each boot.
            if 0 < last < line["seq"] - 1 and not args.quiet:
                sys.stdout.flush()
                terminal.say(lines_lost(line["seq"] - last - 1))
            last = line["seq"]
            if args.output:
                output.write_line(output.as_json(line))
            else:
                _write(line, timestamps=args.timestamps, on_terminal=on_terminal, colour=colour)
            if args.follow:
                sys.stdout.flush()

    if args.follow:
        from volant.client.resuming import LogProgress

        with open_following(args, LogProgress(params)) as following:
            with_suggestion(following.client, lambda: show(following))
    else:
        with open_client(args) as client:
            with_suggestion(client, lambda: show(client.stream_plain("vm.logs", params)))
    return ExitCode.OK


def _write(line: dict[str, Any], *, timestamps: bool, on_terminal: bool, colour: bool) -> None:
    """One line: what the workload wrote to stderr goes to ours, and the agent's own words are marked as such."""
    text = str(line["text"])
    # The guest's agent says the time too.
    stamp = f"{harmless(str(line['time']))} " if timestamps else ""
    mark = "agent: " if line["stream"] == "agent" else ""
    if line["stream"] == "stdout":
        output.write_line(stamp + (harmless_log_line(text, colour=colour) if on_terminal else text))
        return
    sys.stdout.flush()
    terminal.say(stamp + mark + (harmless_log_line(text, colour=terminal.wants_colour(2)) if terminal.is_tty(2) else text))
