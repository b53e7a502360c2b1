"""`volant vm console`: the serial line in our terminal, until the announced key is pressed."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
from typing import Any

from volant.client.cli import terminal
from volant.client.cli.connect import open_client
from volant.client.cli.parsing import Parser, add_failure_format, checked
from volant.client.cli.pump import Detached, Pump
from volant.client.cli.several import with_suggestion
from volant.client.cli.sizes import SizeTeller
from volant.client.cli.text import harmless
from volant.client.cli.tty import Ended, ModeWatcher, Signals, Title, escape_byte, escape_name, raw_terminal
from volant.proto.errors import ExitCode, Fault, WriterTaken

DEFAULT_ESCAPE = b"\x1d"
"""Ctrl-], as telnet and virsh have it: no shell or editor uses it."""


def configure_console(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the VM")
    parser.add_argument("-r", dest="read_only", action="store_true", help="as --read-only: watch only; any number may")
    parser.add_argument("--force", action="store_true", help="take the writer's place from whoever holds it")
    parser.add_argument(
        "--escape", metavar="^X|none", type=checked(escape_byte), default=DEFAULT_ESCAPE, help="the key that leaves (default ^])"
    )
    parser.add_argument("--no-history", action="store_true", help="begin with what comes now")
    parser.add_argument("--no-follow", action="store_true", help="print the history and end")
    add_failure_format(parser)
    parser.give_examples(
        "volant console web-1",
        "volant console web-1 --read-only --no-history",
        "volant console web-1 --escape ^X",
        "volant console web-1 --no-follow > boot.log",
    )


def run_console(args: argparse.Namespace) -> int:
    typing = not (args.read_only or args.no_follow)
    params: dict[str, Any] = {"name": args.name, "write": typing, "force": args.force, "follow": not args.no_follow}
    if args.no_history:
        params["history_bytes"] = 0
    raw = not args.no_follow and terminal.is_tty(0) and terminal.is_tty(1)
    title = Title(banner(args.name, args.escape, typing=typing), os.environ.get("TERM", "") if raw else "")
    watcher = ModeWatcher(last=title.end())
    told = (signal.SIGWINCH,) if raw else ()
    with open_client(args) as client, client.bytes_call("vm.console", params) as call, Signals(told) as signals:
        sizes = SizeTeller(client, args.name)

        def sink(_: int, data: bytes) -> None:
            watcher.see(data)
            terminal.write_all(1, title.kept(data))
            if raw and typing:
                sizes.begin()  # nothing comes before the place to type was given

        pump = Pump(call, sink=sink)
        pump.signals, pump.on_signal, pump.beside = signals, sizes.resized, sizes.speak
        pump.feed = 0 if typing or raw else None
        pump.filter = lambda data: typed(data, args.escape, typing=typing) if raw else data
        if raw and not args.quiet:
            terminal.say(banner(args.name, args.escape, typing=typing))
        try:
            with raw_terminal(0, watcher) if raw else contextlib.nullcontext():
                terminal.write_all(1, title.begin())
                with_suggestion(client, pump.run)
        except Detached:
            _say(args, raw, f"left the console of {args.name}; it runs on")
            return ExitCode.OK
        except Ended as ended:
            return 128 + ended.number
        except WriterTaken as fault:
            fault.hint = "--force takes the writer's place, --read-only watches"
            raise
    if not args.no_follow and not args.quiet:
        terminal.say(("\r\n" if raw else "") + harmless(f"the console of {args.name} ended: {_why(args)}"))
    return ExitCode.OK


def banner(name: str, escape: bytes | None, *, typing: bool) -> str:
    """What to say before the console begins."""
    mode = "console of" if typing else "watching the console of"
    keys = [*([escape_name(escape)] if escape else []), *([] if typing else ["Ctrl-C"])]
    leave = f"{' or '.join(keys)} leaves it" if keys else "no key leaves it; close the terminal to leave"
    return f"{mode} {harmless(name)}: {leave}"


def typed(data: bytes, escape: bytes | None, *, typing: bool) -> bytes:
    """What of the typed bytes goes to the guest.

    The escape key raises Detached with what stood before it. Who only watches also leaves by Ctrl-C, which has no other use then.
    """
    at = data.find(escape) if escape else -1
    if at < 0 and not typing:
        at = data.find(b"\x03")
    if at >= 0:
        raise Detached(data[:at] if typing else b"")
    return data if typing else b""


def _why(args: argparse.Namespace) -> str:
    """Why the daemon ended the stream: what has become of the VM."""
    try:
        with open_client(args) as client:
            record = client.call_plain("vm.get", {"name": args.name})
    except Fault as fault:
        return fault.message
    reason = f", {record['reason']}" if record.get("reason") else ""
    return f"the VM is {record['status']}{reason}"


def _say(args: argparse.Namespace, raw: bool, sentence: str) -> None:
    if raw and not args.quiet:
        terminal.say(f"\r\n{harmless(sentence)}")
