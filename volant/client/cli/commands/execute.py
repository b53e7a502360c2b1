"""`volant vm exec`: a program in the guest, with our standard streams, our signals or our terminal."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from typing import Any

from volant.client.cli import failures, terminal
from volant.client.cli.connect import Client, open_client
from volant.client.cli.parsing import Parser, add_duration, add_failure_format, checked
from volant.client.cli.pump import Pump
from volant.client.cli.several import with_suggestion
from volant.client.cli.tty import Ended, ModeWatcher, Signals, raw_terminal
from volant.client.cli.values import pair
from volant.proto.errors import Fault, NoSuchFile, NotFound, Usage

OUR_FAILURE, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
"""Exit codes that are ours, as docker and the shells have them; every other one is the guest program's."""

STDOUT, STDERR = 1, 2

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Sent on to the guest's program where there is no terminal between. SIGQUIT is left: it always ends the client."""


def configure_exec(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the VM")
    parser.take_command("the program and its arguments; no shell is involved")
    parser.add_argument("--interactive", "-i", action="store_true", help="send standard input even when it is a terminal")
    parser.add_argument("--tty", "-t", action="store_true", help="give the program a terminal, and it ours")
    parser.add_argument("--env", "-e", metavar="K=V", type=checked(pair), action="append", default=[], help="a variable; may be repeated")
    parser.add_argument("--workdir", "-w", metavar="DIR", default="", help="working directory in the guest")
    parser.add_argument("--user", "-u", metavar="USER", default="", help="user name or number in the guest")
    add_duration(parser, "--timeout", help="kill it after so long (default: never)")
    add_failure_format(parser)
    parser.give_examples(
        "volant exec web-1 -- uname -a",
        "volant exec -it web-1 -- sh",
        "volant exec web-1 -e LANG=C -w /srv -- ls -l",
        "tar c site | volant exec web-1 -- tar x -C /srv",
    )


def run_exec(args: argparse.Namespace) -> int:
    """The program's exit code, or 125 to 127 for our own failures."""
    try:
        return _exec(args)
    except Ended as ended:
        return 128 + ended.number
    except Fault as fault:
        sys.stdout.flush()
        failures.report(fault, as_json=args.output == "json")
        return exit_code_of(fault)


def exit_code_of(fault: Fault) -> int:
    """127 when there is no such program, 126 when it can't be run, else 125."""
    told = fault.data.get("exit_code")
    if told in (NOT_EXECUTABLE, NOT_FOUND):
        return int(told)
    return NOT_FOUND if isinstance(fault, NoSuchFile) else OUR_FAILURE


def parameters(args: argparse.Namespace) -> dict[str, Any]:
    """The parameters of `vm.exec`."""
    if not args.command:
        raise Usage("no command was given", hint=f"for example: volant exec {args.name} -- uname -a")
    if args.command[0].startswith("-"):
        raise Usage(
            f"flags stand before the VM's name: {args.command[0]} would be the program",
            hint=f"volant exec [flags] {args.name} -- COMMAND ...",
        )
    params: dict[str, Any] = {"name": args.name, "argv": args.command, "env": dict(args.env), "workdir": args.workdir, "user": args.user}
    if args.timeout:
        params["timeout_ms"] = args.timeout
    if args.tty:
        rows, cols = terminal.size(0)
        params |= {"tty": True, "rows": rows, "cols": cols}
        params["env"] = {"TERM": os.environ.get("TERM", "xterm")} | params["env"]
    return params


def _exec(args: argparse.Namespace) -> int:
    params = parameters(args)
    raw = args.tty and terminal.is_tty(0)
    watched = (signal.SIGWINCH,) if raw else _FORWARDED
    watcher = ModeWatcher()

    def sink(channel: int, data: bytes) -> None:
        if raw:
            watcher.see(data)
        terminal.write_all(STDERR if channel == STDERR else STDOUT, data)

    with open_client(args) as client, client.bytes_call("vm.exec", params) as call, Signals(watched) as signals:
        relay = _SignalRelay(client, args.name)
        pump = Pump(call, sink=sink)
        pump.feed = 0 if args.interactive or args.tty or not terminal.is_tty(0) else None
        pump.on_item, pump.signals, pump.on_signal = relay.started, signals, relay.take
        with raw_terminal(0, watcher) if raw else contextlib.nullcontext():
            result = with_suggestion(client, pump.run)
    return int(result["exit_code"])


class _SignalRelay:
    """Tells the guest about our signals and our terminal's size."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name
        self._exec_id = 0

    def started(self, item: dict[str, Any]) -> None:
        self._exec_id = int(item["exec_id"])

    def take(self, number: int) -> None:
        """One signal came. Before the program runs there is nobody to tell: then it ends us, as it would any program."""
        if not self._exec_id:
            if number != signal.SIGWINCH:
                raise Ended(number)
            return
        params: dict[str, Any] = {"name": self._name, "exec_id": self._exec_id}
        if number == signal.SIGWINCH:
            rows, cols = terminal.size(0)
            params |= {"rows": rows, "cols": cols}
        else:
            params["signal"] = number
        try:
            self._client.call_plain("vm.signal", params)
        except NotFound:
            pass  # the program ended meanwhile
