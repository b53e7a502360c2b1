"""`volant run`: one VM in the foreground, as any supervisor owns a process. With --detach it returns once the VM is ready."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from volant.client.cli import terminal
from volant.client.cli.commands.console import DEFAULT_ESCAPE
from volant.client.cli.commands.create import configure_vm, name_for, parameters, run_create
from volant.client.cli.parsing import Parser, add_duration, add_wait, checked
from volant.client.cli.tty import escape_byte
from volant.proto.errors import Fault, NotAllowed, NotFound, Usage

if TYPE_CHECKING:
    from typing import Any, NoReturn

    from volant.client.cli.running.runner import Orders

GRACE_MS = 10_000
"""As docker's and `volant vm stop`'s."""


def configure_run(parser: Parser) -> None:
    parser.add_argument("plugin", metavar="PLUGIN[@VERSION]", nargs="?", default="", help="what to run; without it the VM has to exist")
    parser.add_argument(
        "positional_name", metavar="NAME", nargs="?", default="", help="name of the VM; without one it is made from the plugin's"
    )
    parser.add_argument("--name", metavar="NAME", default="", help="the same")
    parser.add_argument("--detach", "-d", action="store_true", help="return once the VM is ready (see --wait), and leave it running")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--logs", action="store_true", help="show what the workload puts out (the default)")
    shown.add_argument("--console", action="store_true", help="show the serial console; on a terminal also type on it")
    parser.add_argument(
        "--escape", metavar="^X|none", type=checked(escape_byte), default=DEFAULT_ESCAPE, help="the key that leaves --console (default ^])"
    )
    parser.add_argument("--rm", action="store_true", help="remove the VM, disks and all, when it has ended")
    parser.add_argument("--reattach", action="store_true", help="go on with a VM that exists; start it where it has ended")
    parser.add_argument("--engine-id", metavar="ID", default="", help="name this runner, and take the VM over from an older one")
    add_duration(parser, "--grace", default=GRACE_MS, help="how long the guest may take to power off before it is killed (default 10s)")
    add_duration(parser, "--wait-daemon", default=0, help="how long to wait for a daemon that is not there (default: not at all)")
    configure_vm(parser)
    parser.set_defaults(no_start=False)
    add_wait(parser)
    parser.give_examples(
        "volant run hello",
        "volant run --rm hello web-1 --memory 512M --env GREETING=Hi",
        "volant run --console hello",
        "volant run --name web-1 --reattach --engine-id $HOSTNAME hello",
        "volant run --detach hello web-1 --wait=running --timeout 30s",
    )


def run_run(args: argparse.Namespace) -> int:
    if args.read_only:
        raise NotAllowed("`volant run` makes and starts VMs, and this is read-only", hint="go without --read-only")
    if args.name and args.positional_name and args.name != args.positional_name:
        raise Usage(f"the VM has two names, {args.name!r} and {args.positional_name!r}", hint="leave one of them out")
    args.name = args.name or args.positional_name or (name_for(args.plugin) if args.plugin else "")
    if args.detach or args.dry_run:
        _refuse(args, args.reattach or args.rm or args.console or bool(args.engine_id), "--detach leaves the VM to nobody")
        args.wait = args.wait or "ready"
        return run_create(args)
    _refuse(args, args.wait is not None or args.output is not None or args.no_header, "--wait and -o belong to --detach")
    return _run(orders(args), args.socket)


def _refuse(args: argparse.Namespace, wrong: bool, sentence: str) -> None:
    if wrong:
        raise Usage(f"{sentence}, so these flags don't go together", hint="`volant run --help` explains them")


def orders(args: argparse.Namespace) -> Orders:
    """What was asked, made ready. Usage."""
    from volant.client.cli.running.runner import Orders

    if not args.plugin and not (args.name and args.reattach):
        raise Usage("nothing says what to run", hint="name a plugin, or with --reattach a VM: volant run --reattach --name web-1")
    return Orders(
        name=args.name,
        create=_to_create(args) if args.plugin else None,
        reattach=args.reattach,
        engine_id=args.engine_id,
        grace_ms=args.grace,
        remove=args.rm,
        wait_daemon_s=args.wait_daemon / 1000,
        console=args.console,
        interactive=args.console and terminal.is_tty(0) and terminal.is_tty(1),
        escape=args.escape,
        quiet=args.quiet,
    )


def _to_create(args: argparse.Namespace) -> dict[str, Any]:
    """Whether it starts again is ours to say, not the manifest's, unless somebody said it here."""
    given = parameters(args)
    given.pop("timeout_ms", None)
    return {"restart": "no"} | given | {"lease": {"engine_id": args.engine_id}}


def _run(orders: Orders, path: str | None) -> int:
    """Its exit code; asyncio is loaded here, for a person waits for the VM and not for us."""
    import asyncio

    from volant.client.cli import failures
    from volant.client.cli.commands.execute import OUR_FAILURE
    from volant.client.cli.running.notifier import Notifier
    from volant.client.cli.running.outcome import Outcome
    from volant.client.cli.running.runner import Runner

    async def supervise() -> Outcome:
        return await Runner(path, orders, Notifier(os.environ)).run()

    try:
        outcome = asyncio.run(supervise())
    except Fault as fault:
        outcome = Outcome(OUR_FAILURE, fault)
    if outcome.fault is not None:
        failures.report(_with_suggestion(outcome.fault, path))
    return outcome.code


def _with_suggestion(fault: Fault, path: str | None) -> Fault:
    """The fault, its hint naming what may have been meant."""
    if not isinstance(fault, NotFound):
        return fault
    from volant.client.blocking import Client
    from volant.client.cli.several import with_suggestion

    def fail() -> NoReturn:
        raise fault

    try:
        with Client(path) as client:
            with_suggestion(client, fail)
    except NotFound as told:
        return told
    except Fault:
        pass
    return fault
