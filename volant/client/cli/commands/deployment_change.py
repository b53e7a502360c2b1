"""`volant deployment create|scale|update|pause|resume|undo`."""

from __future__ import annotations

import argparse
from typing import Any

from volant.client.cli import columns, output, terminal
from volant.client.cli.commands.create import BOOT_MODES, NETWORK_MODES, machine, plugin_and_version
from volant.client.cli.commands.deployment import facts
from volant.client.cli.connect import open_client
from volant.client.cli.narrate import narrated
from volant.client.cli.parsing import Parser, add_duration, add_names, add_output, checked, style_of
from volant.client.cli.several import for_each, with_suggestion
from volant.client.cli.text import harmless
from volant.client.cli.values import count, guest_port, pair
from volant.proto.errors import ExitCode
from volant.proto.specs.quantities import memory_mib, milliseconds


def configure_create(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the deployment: a-z, 0-9 and -, at most 58; its VMs are NAME-1, NAME-2, ...")
    parser.add_argument("--plugin", metavar="PLUGIN[@VERSION]", required=True, help="what to run; without a version the newest enabled one")
    parser.add_argument("--replicas", "-n", metavar="N", type=checked(count), help="how many VMs (default 1)")
    _configure_template(parser)
    _configure_answer(parser, dry_run=True)
    parser.give_examples(
        "volant deployment create web --plugin hello --replicas 3 --wait",
        "volant deployment create web --plugin hello@1.2.0 -n 5 --memory 256M --env COLOUR=blue --max-unavailable 2",
        "volant deploy create web --plugin hello --dry-run -o yaml",
    )


def run_create(args: argparse.Namespace) -> int:
    params = {"replicas": args.replicas, **_template(args)}
    return _change(args, "deployment.create", params, f"creating {args.name}")


def configure_update(parser: Parser) -> None:
    add_names(parser, many=False, noun="deployment")
    parser.add_argument("--plugin", metavar="PLUGIN[@VERSION]", help="roll this out; without a version the newest enabled one")
    _configure_template(parser)
    parser.add_argument("--unset-env", metavar="K", action="append", default=[], help="drop a variable; may be repeated")
    parser.add_argument("--unset-label", metavar="K", action="append", default=[], help="drop a label; may be repeated")
    _configure_answer(parser, dry_run=True)
    parser.give_examples(
        "volant deployment update web --plugin hello@1.3.0 --wait",
        "volant deployment update web --env COLOUR=green --unset-env DEBUG --max-unavailable 2",
    )


def run_update(args: argparse.Namespace) -> int:
    params = {**_template(args), "unset_env": args.unset_env, "unset_labels": args.unset_label}
    return _change(args, "deployment.update", params, f"updating {args.name}")


def configure_scale(parser: Parser) -> None:
    add_names(parser, many=False, noun="deployment")
    parser.add_argument("replicas", metavar="N", type=checked(count), help="how many VMs")
    _configure_answer(parser, dry_run=True)
    parser.give_examples("volant deployment scale web 5", "volant deployment scale web 0 --wait")


def run_scale(args: argparse.Namespace) -> int:
    return _change(args, "deployment.scale", {"replicas": args.replicas}, f"scaling {args.name}")


def configure_undo(parser: Parser) -> None:
    add_names(parser, many=False, noun="deployment")
    parser.add_argument("--to", metavar="REVISION", type=checked(count), help="back to this revision; without it to the one before")
    _configure_answer(parser)
    parser.give_examples("volant deployment undo web --wait", "volant deployment undo web --to 3")


def run_undo(args: argparse.Namespace) -> int:
    return _change(args, "deployment.undo", {"to_revision": args.to}, f"undoing the last update of {args.name}")


def configure_resume(parser: Parser) -> None:
    add_names(parser, many=False, noun="deployment")
    _configure_answer(parser)
    parser.give_examples("volant deployment resume web", "volant deployment resume web --wait")


def run_resume(args: argparse.Namespace) -> int:
    return _change(args, "deployment.resume", {}, f"resuming {args.name}")


def configure_pause(parser: Parser) -> None:
    add_names(parser, many=True, noun="deployment")
    add_output(parser)
    parser.give_examples("volant deployment pause web", "volant deployment pause web api")


def run_pause(args: argparse.Namespace) -> int:
    with open_client(args) as client:
        return for_each(client, args, lambda name: _write(args, client.call_plain("deployment.pause", {"name": name})))


def _configure_template(parser: Parser) -> None:
    parser.add_argument("--cpus", metavar="N", type=checked(count), help="virtual CPUs of each VM; 0 or none: the manifest's")
    parser.add_argument("--memory", "-m", metavar="SIZE", type=checked(_memory), help="such as 256M or 1G; 0 or none: the manifest's")
    parser.add_argument("--network", choices=NETWORK_MODES, metavar="MODE", help=f"{', '.join(NETWORK_MODES)}; without it the manifest's")
    parser.add_argument(
        "--env", "-e", metavar="K=V", type=checked(pair), action="append", default=[], help="variable of the workload; may be repeated"
    )
    parser.add_argument("--label", "-l", metavar="K=V", type=checked(pair), action="append", default=[], help="label; may be repeated")
    parser.add_argument("--kernel", metavar="PATH", help="another kernel on the daemon's host")
    parser.add_argument("--cmdline", metavar="WORDS", help="extra words for the kernel's command line")
    parser.add_argument("--boot", choices=BOOT_MODES, metavar="MODE", help=f"{', '.join(BOOT_MODES)}: where the workload's files come from")
    parser.add_argument(
        "--publish", "-p", metavar="GUEST", type=checked(guest_port), action="append",
        help="guest port that gets a host port of its own for each VM; may be repeated",
    )  # fmt: skip
    parser.add_argument("--max-unavailable", metavar="N", type=checked(count), help="how many VMs an update may take away at once")
    parser.add_argument(
        "--min-ready", metavar="DURATION", type=checked(milliseconds), help="how long an updated VM must be ready before the next one goes"
    )


def _configure_answer(parser: Parser, *, dry_run: bool = False) -> None:
    parser.add_argument(
        "--wait", nargs="?", const="ready", choices=("ready",), metavar="ready", help="return when every VM is available and up to date"
    )
    add_duration(parser, "--timeout", default=300_000, help="how long to wait at most (default 5m)")
    if dry_run:
        parser.add_argument("--dry-run", action="store_true", help="check everything, change nothing, print what would be wanted")
    else:
        parser.set_defaults(dry_run=False)
    add_output(parser)


def _memory(text: str) -> int:
    return 0 if text == "0" else memory_mib(text)


def _template(args: argparse.Namespace) -> dict[str, Any]:
    plugin, version = ("", "") if args.plugin is None else plugin_and_version(args.plugin)
    return {
        "plugin": plugin,
        "version": version,
        **machine(args),
        "network": args.network,
        "max_unavailable": args.max_unavailable,
        "min_ready_ms": args.min_ready,
    }


def _change(args: argparse.Namespace, method: str, given: dict[str, Any], doing: str) -> int:
    """Call `method` with what was given, and print the deployment, or its name where no format was asked for."""
    params = {key: value for key, value in given.items() if value is not None and value != {} and value != []}
    if not params.get("plugin"):
        params = {key: value for key, value in params.items() if key not in ("plugin", "version")}
    params |= {"name": args.name, "timeout_ms": args.timeout} | ({"wait": True} if args.wait else {})
    params |= {"dry_run": True} if args.dry_run else {}
    with open_client(args) as client, narrated(args, doing, deployment=args.name if args.wait else ""):
        record = with_suggestion(client, lambda: client.call_plain(method, params))
    if args.dry_run and not args.quiet:
        terminal.say("dry run: nothing was changed; this is what would be wanted")
    if args.dry_run and args.output is None:
        output.write_facts(style_of(args), record, facts(record))
    else:
        _write(args, record)
    if args.wait and not args.dry_run and record["status"] == "paused" and record["reason"] and not args.quiet:
        terminal.say(f"{record['name']} is paused: {harmless(record['reason'])}")
    return ExitCode.OK


def _write(args: argparse.Namespace, record: dict[str, Any]) -> None:
    if args.output in (None, "name"):
        output.write_line(str(record["name"]))
    else:
        output.write_one(style_of(args), columns.DEPLOYMENT, record)
