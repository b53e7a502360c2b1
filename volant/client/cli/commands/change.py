"""`volant vm start|stop|restart|delete|wait`: one change each, to as many VMs as are named."""

from __future__ import annotations

import argparse
from typing import Any

from volant.client.cli import columns, declared, output, terminal
from volant.client.cli.connect import open_client
from volant.client.cli.narrate import asked_to_go_on, narrated
from volant.client.cli.parsing import Parser, add_duration, add_failure_format, add_names, add_output, add_wait, style_of
from volant.client.cli.several import for_each
from volant.proto.errors import ExitCode

_SKIPPED = ("name", "wait", "timeout_ms")
_GRACE = {"grace_ms": "how long the guest may take to power off before it is killed", "force": "kill it without asking the guest"}


def configure_start(parser: Parser) -> None:
    _configure(parser)
    add_wait(parser)
    parser.give_examples("volant vm start web-1", "volant vm start web-1 web-2 --wait --timeout 1m")


def configure_restart(parser: Parser) -> None:
    _configure(parser)
    declared.add_flags(parser, "vm.restart", skip=_SKIPPED, help=_GRACE)
    add_wait(parser)
    parser.give_examples("volant vm restart web-1", "volant vm restart web-1 --wait=ready --grace 5s")


def configure_stop(parser: Parser) -> None:
    _configure(parser)
    declared.add_flags(parser, "vm.stop", help=_GRACE | {"wait": "wait until it has stopped", "timeout_ms": "how long to wait at most"})
    parser.give_examples("volant vm stop web-1", "volant vm stop web-1 web-2 web-3", "volant vm stop web-1 --force")


def configure_delete(parser: Parser) -> None:
    add_names(parser, many=True)
    declared.add_flags(parser, "vm.delete", help={"force": "also when it runs: kill it first", "timeout_ms": "how long to wait at most"})
    parser.add_argument("--yes", "-y", action="store_true", help="don't ask; in a script nobody is asked")
    add_failure_format(parser, "jsonl")
    parser.give_examples("volant vm delete web-1", "volant vm delete web-1 web-2 --force --yes")


def configure_wait(parser: Parser) -> None:
    _configure(parser)
    parser.add_argument(
        "--for", dest="until", choices=("running", "ready", "stopped", "deleted"), default="ready", help="what to wait for (default ready)"
    )
    add_duration(parser, "--timeout", default=120_000, help="how long to wait at most (default 2m)")
    parser.give_examples("volant vm wait web-1 --for=ready --timeout 30s", "volant wait vm web-1 --for=deleted")


def _configure(parser: Parser) -> None:
    add_names(parser, many=True)
    add_output(parser)


def run_start(args: argparse.Namespace) -> int:
    return _change(args, "vm.start", {"wait": args.wait, "timeout_ms": args.timeout}, "starting")


def run_restart(args: argparse.Namespace) -> int:
    params = declared.given(args, "vm.restart", skip=_SKIPPED) | {"wait": args.wait, "timeout_ms": args.timeout}
    return _change(args, "vm.restart", params, "restarting")


def run_stop(args: argparse.Namespace) -> int:
    return _change(args, "vm.stop", declared.given(args, "vm.stop"), "stopping")


def run_wait(args: argparse.Namespace) -> int:
    return _change(args, "vm.wait", {"until": args.until, "timeout_ms": args.timeout}, "waiting for")


def _change(args: argparse.Namespace, method: str, params: dict[str, Any], doing: str) -> int:
    """Call `method` for each name and print what became of it: the VM where a format was asked for, else its name."""
    style = style_of(args)
    changed: list[dict[str, Any]] = []
    with open_client(args) as client:

        def act(name: str) -> None:
            with narrated(args, f"{doing} {name}", vm=name):
                record = client.call_plain(method, params | {"name": name})
            if method == "vm.stop" and record.get("deployment") and not args.quiet:
                terminal.say(
                    f"{name} is a replica of deployment {record['deployment']}, which makes it anew; `volant deployment scale` makes fewer"
                )
            if args.output in (None, "name"):
                output.write_line(name)
            elif args.output in ("table", "wide", "tsv"):
                changed.append(record)
            else:
                output.write_one(style, columns.VM, record)

        code = for_each(client, args, act)
    if changed:
        output.write_rows(style, columns.VM, changed)
    return code


def run_delete(args: argparse.Namespace) -> int:
    names = ", ".join(args.names)
    if not args.yes and not asked_to_go_on(
        f"delete {names} and all of its disks?" if len(args.names) == 1 else f"delete {names} and all of their disks?"
    ):
        if not args.quiet:
            terminal.say("nothing was deleted")
        return ExitCode.FAILED
    params = declared.given(args, "vm.delete")
    with open_client(args) as client:

        def act(name: str) -> None:
            with narrated(args, f"deleting {name}", vm=name):
                done = client.call_plain("vm.delete", params | {"name": name})
            output.write_line(name)
            if done.get("note") and not args.quiet:
                terminal.say(str(done["note"]))

        return for_each(client, args, act)
