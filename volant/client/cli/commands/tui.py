"""`volant tui`: hands over to the terminal UI, which no other command ever loads."""

from __future__ import annotations

import argparse
from importlib import import_module

from volant.client.cli.parsing import Parser

THEMES = ("auto", "dark", "light", "contrast", "mono")
"""What `--theme` takes; a test holds it against the UI's own."""


def configure_tui(parser: Parser) -> None:
    parser.add_argument("--theme", choices=THEMES, help="colours (default: as the terminal suggests)")
    parser.add_argument("--keys", action="store_true", help="list the actions and their keys, as tui.toml names them, and end")
    files = parser.add_mutually_exclusive_group()
    files.add_argument("--record", metavar="FILE", help="record in a new file what happens on the host and what its VMs print")
    files.add_argument("--replay", metavar="FILE", help="look at a recording; no daemon is needed")
    parser.give_examples("volant tui", "volant tui --read-only", "volant tui --record host.rec", "volant tui --replay host.rec")


def run_tui(args: argparse.Namespace) -> int:
    # By name, so that nobody who imports the command's modules imports the UI's.
    if args.keys:
        print(import_module("volant.tui.keys.listing").listing())
        return 0
    files = {"record": args.record, "replay": args.replay}
    code: int = import_module("volant.tui.main").run(args.socket, read_only=args.read_only, theme=args.theme, **files)
    return code
