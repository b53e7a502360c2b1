"""The argument parser of one command, and the flags that commands share.

Only the chosen verb's parser is ever built: the whole tree would cost some 20 ms at each start.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from importlib import import_module

from volant.client.cli import terminal
from volant.client.cli.style import FORMATS, Style
from volant.proto.errors import Usage

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import NoReturn, TypeVar

    from volant.client.cli.tree import Verb

    T = TypeVar("T")

WAIT_FOR = ("running", "ready", "stopped", "deleted")
"""What `--wait` and `--for` take; a test holds this against `specs.states.WaitFor`, whose import would cost each start 5 ms."""
_WAIT_READY = "--wait=ready"

HELP_WIDTH = 100
"""Columns that help text takes at most. argparse is told the width: to ask for it, it would load shutil with all its archivers."""


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=min(HELP_WIDTH, terminal.width(1)))


class Parser(argparse.ArgumentParser):
    """argparse that raises `Usage` instead of exiting, and shows examples below its help."""

    def __init__(self, prog: str, help: str) -> None:
        super().__init__(
            prog=prog,
            description=f"{help[:1].upper()}{help[1:]}.",
            formatter_class=_HelpFormatter,
            allow_abbrev=False,  # an abbreviation that works today is ambiguous after the next flag
        )
        self._command: argparse.Action | None = None

    @property
    def actions(self) -> list[argparse.Action]:
        """Its flags and arguments in the order of their declaration, without `--help`."""
        return [action for action in self._actions if action.dest != "help"]

    def take_command(self, help: str) -> None:
        """After the other words a command line of its own, as `args.command`: all behind `--`, or all behind the last other word."""
        self._command = self.add_argument("command", metavar="-- COMMAND ...", nargs=argparse.REMAINDER, help=help)

    def give_examples(self, *examples: str) -> None:
        """What the end of the help shows."""
        self.epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)

    def read(self, argv: list[str]) -> argparse.Namespace:
        """Parse `argv`. `--wait NAME` means `--wait=ready NAME`: only a condition is taken as that flag's value."""
        end = argv.index("--") if "--" in argv else len(argv)
        own = [
            _WAIT_READY if word == "--wait" and "".join(argv[at + 1 : at + 2]) not in WAIT_FOR else word
            for at, word in enumerate(argv[:end])
        ]
        if self._command is None or end == len(argv):
            return _connected(self.parse_args(own + argv[end:]))
        # What stands behind `--` is the command, so that flags may stand behind the name too, where REMAINDER would swallow them.
        self._command.nargs = "*"
        args = self.parse_args(own)
        if args.command:
            self.error(f"{args.command[0]!r} stands before the --, where only flags and one name belong")
        args.command = argv[end + 1 :]
        return _connected(args)

    def error(self, message: str) -> NoReturn:
        """argparse's own complaints, as a fault; for a slip of the fingers with what was meant."""
        from volant.client.cli.failures import did_you_mean

        meant = ""
        if flag := re.match(r"unrecognized arguments: (--[^\s=]+)", message):
            meant = did_you_mean(flag[1], [name for action in self._actions for name in action.option_strings])
        elif choice := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)$", message):
            meant = did_you_mean(choice[1], re.findall(r"'(.*?)'", choice[2]))
        raise Usage(f"{self.prog}: {message}", hint=f"{meant} `{self.prog} --help` explains it".strip())


def command_parser(words: str, verb: Verb) -> Parser:
    """The parser of the command that is called by `words`; only its module is imported."""
    module = import_module(f"volant.client.cli.commands.{verb.module}")
    parser = Parser(f"volant {words}", verb.help)
    add_connection(parser)
    getattr(module, f"configure_{verb.function}")(parser)
    return parser


def _connected(args: argparse.Namespace) -> argparse.Namespace:
    """With the socket of the context that is meant: by a flag, or by the environment where nothing names a socket."""
    named = getattr(args, "context", None) or ("" if getattr(args, "socket", None) else os.environ.get("VOLANT_CONTEXT"))
    if named:
        from volant.client.contexts import load, socket_of

        args.socket = socket_of(named, load(os.environ))
    return args


def checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A parser of `values` as an argparse type: its sentence, not argparse's, is what people see."""

    def convert(text: str) -> T:
        try:
            return parse(text)
        except Usage as fault:
            raise argparse.ArgumentTypeError(f"{fault.message} ({fault.hint})") from None

    return convert


def add_connection(parser: Parser) -> None:
    """`--socket`, `--context`, `--read-only` and `--quiet`, which every command has."""
    daemon = parser.add_mutually_exclusive_group()
    daemon.add_argument("--socket", metavar="PATH", default=os.environ.get("VOLANT_SOCKET") or None, help="the daemon's socket")
    daemon.add_argument("--context", metavar="CONTEXT", help="the daemon by its name in the terminal UI's settings")
    parser.add_argument("--read-only", action="store_true", help="change nothing: the daemon refuses whatever would")
    parser.add_argument("-q", "--quiet", action="store_true", help="no narration on stderr, errors only")


def add_output(parser: Parser) -> None:
    """`-o` and `--no-header`, for commands that print records."""
    parser.add_argument("-o", "--output", choices=FORMATS, metavar="FORMAT", help=f"{', '.join(FORMATS)}; table on a terminal, else tsv")
    parser.add_argument("--no-header", action="store_true", help="rows only")


def add_failure_format(parser: Parser, *formats: str) -> None:
    """`-o`, for commands that print no records: it only says how failures are told. `formats` besides json."""
    parser.add_argument("-o", "--output", choices=("json", *formats), metavar="FORMAT", help="json: failures are JSON")


def add_names(parser: Parser, *, many: bool, noun: str = "VM") -> None:
    """The names a command is about."""
    if many:
        parser.add_argument("names", metavar="NAME", nargs="+", help=f"names of {noun}s")
    else:
        parser.add_argument("name", metavar="NAME", help=f"name of the {noun}")


def add_duration(parser: Parser, *flags: str, help: str, default: int | None = None) -> None:
    """A flag whose value is a duration, kept in milliseconds."""
    from volant.proto.specs.quantities import milliseconds

    parser.add_argument(*flags, metavar="DURATION", type=checked(milliseconds), default=default, help=help)


def add_reconnect(parser: Parser) -> None:
    """`--reconnect`, for commands that follow something."""
    help = "how long to look for a daemon that went away before giving up (default 1m; 0: give up at once)"
    add_duration(parser, "--reconnect", help=help, default=60_000)


def add_watch(parser: Parser) -> None:
    """`--watch` and `--reconnect`, for commands whose records can be kept up to date."""
    parser.add_argument(
        "--watch", "-w", action="store_true", help="go on with each change until interrupted: in place on a terminal, else as lines"
    )
    add_reconnect(parser)


def add_wait(parser: Parser) -> None:
    """`--wait[=COND]` with `--timeout`."""
    parser.add_argument(
        "--wait",
        metavar="running|ready|stopped",
        nargs="?",
        const="ready",
        choices=WAIT_FOR,
        help="return when this is so; without a value: ready",
    )
    add_duration(parser, "--timeout", help="how long to wait at most, such as 30s or 2m (default 2m)", default=120_000)


def style_of(args: argparse.Namespace) -> Style:
    """The output style these arguments ask for."""
    return Style.chosen(args.output, header=not args.no_header)
