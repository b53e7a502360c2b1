"""`volant selftest --faults`: the fault matrix on this host. Another process carries it out, for it drives daemons of its own."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from volant.client.cli.parsing import Parser, add_duration, add_output

HANG_MS = 5_000
"""What `--hang` is when it is not given."""

_ROOT = Path(__file__).resolve().parents[4]
"""Where the package lies, so that the process runs the same code wherever it is started."""


def configure_selftest(parser: Parser) -> None:
    parser.add_argument("--faults", action="store_true", help="try every fault at every step of a VM's life, on daemons of its own")
    parser.add_argument("--point", metavar="POINT", action="append", default=[], help="only at this point, such as F3; may be repeated")
    parser.add_argument("--harm", metavar="HARM", action="append", default=[], help="only this harm, such as kill-daemon; may be repeated")
    add_duration(parser, "--hang", help="how long a hang takes, such as 500ms (default 5s)", default=HANG_MS)
    add_output(parser)
    parser.give_examples(
        "volant selftest --faults",
        "volant selftest --faults --point F16 --harm kill-daemon",
        "volant selftest --faults --hang 500ms -o json",
    )


def run_selftest(args: argparse.Namespace) -> int:
    words = ["--quiet"] * args.quiet + ["--faults"] * args.faults + ["--no-header"] * args.no_header
    words += [word for flag in ("point", "harm") for value in getattr(args, flag) for word in (f"--{flag}", value)]
    words += ["--hang", f"{args.hang}ms", *(["--output", args.output] if args.output else [])]
    # In our place, so that a Ctrl-C, a signal and the exit code need nobody in between.
    os.execve(  # noqa: S606 - a list of words of ours, and no shell is wanted
        sys.executable, [sys.executable, "-P", "-m", "volant.selftest", *words], {**os.environ, "PYTHONPATH": str(_ROOT)}
    )
