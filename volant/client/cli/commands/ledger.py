"""`volant ledger [--check]`: every host object and its owner, and whether the host agrees."""

from __future__ import annotations

import argparse
import time

from volant.client.cli import columns, human, output, terminal
from volant.client.cli.connect import open_client
from volant.client.cli.narrate import narrated
from volant.client.cli.parsing import Parser, add_output, style_of
from volant.proto.errors import ExitCode


def configure_ledger(parser: Parser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="compare with what the host has; exit code 1 when anything is missing or unowned"
    )
    parser.add_argument("--wrong", action="store_true", help="show only what is missing or unowned (with --check)")
    add_output(parser)
    parser.give_examples("volant ledger", "volant ledger --check", "volant ledger --check --wrong -o json")


def run_ledger(args: argparse.Namespace) -> int:
    began = time.perf_counter()
    with open_client(args) as client, narrated(args, "comparing with the host" if args.check or args.wrong else "reading the ledger"):
        reply = client.call_plain("system.ledger", {"check": args.check or args.wrong})
    took = time.perf_counter() - began
    if args.wrong:
        reply["items"] = [item for item in reply["items"] if item["standing"] != "ok"]
    output.write_list(style_of(args), columns.LEDGER, reply)
    if not args.quiet and terminal.is_tty(2):
        terminal.say(summary(reply["total"], reply["wrong"], checked=reply["checked"]) + f" ({human.duration(took)})")
    return ExitCode.FAILED if reply["wrong"] else ExitCode.OK


def summary(total: int, wrong: int, *, checked: bool) -> str:
    """The result in one line."""
    objects = f"{total} object{'' if total == 1 else 's'}"
    if not checked:
        return f"{objects}; --check compares them with the host"
    return f"{objects}, {wrong} of them missing or unowned" if wrong else f"{objects}, and the host has just these"
