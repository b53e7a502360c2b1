"""`volant vm config|set|history|diff|rollback`: what a VM is made of, version by version."""

from __future__ import annotations

import argparse
from typing import Any

from volant.client.cli import columns, human, output, terminal
from volant.client.cli.commands.create import BOOT_MODES, machine
from volant.client.cli.connect import open_client
from volant.client.cli.parsing import Parser, add_names, add_output, checked, style_of
from volant.client.cli.several import for_each, with_suggestion
from volant.client.cli.text import harmless
from volant.client.cli.values import count, forward, pair
from volant.proto.errors import ExitCode, Usage
from volant.proto.specs.quantities import memory_mib

FLAG_FIELDS = {"cpus": "cpu_cores", "memory": "memory_mb", "label": "labels", "publish": "forwards"}
"""Flags of `create` and `set` whose names differ from the field's; `--unset` takes either."""


def configure_config(parser: Parser) -> None:
    add_names(parser, many=False)
    parser.add_argument("--version", metavar="N", type=checked(count), default=0, help="this version, not the newest")
    add_output(parser)
    parser.give_examples("volant vm config web-1", "volant vm config web-1 --version 2 -o yaml")


def run_config(args: argparse.Namespace) -> int:
    with open_client(args) as client:
        record = with_suggestion(client, lambda: client.call_plain("vm.config", {"name": args.name, "version": args.version}))
    output.write_facts(style_of(args), record, facts(record))
    return ExitCode.OK


def facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    """One version of a config as lines for a person; what is empty is left out."""
    shown = record["shown"]
    running = record["running_version"]
    who = ", ".join(part for part in (shown["author"], shown["origin"]) if part)
    found = [
        ("name", str(record["name"])),
        ("version", f"{shown['version']} ({shown['note']})"),
        ("newest", str(record["config_version"]) if record["config_version"] != shown["version"] else ""),
        ("running", str(running) if running else ""),
        ("waiting", f"{', '.join(record['pending_changes'])} (from the next start on)" if record["pending_changes"] else ""),
        ("by", who),
        ("made", f"{shown['created_at']} ({human.age(shown['created_at'])} ago)"),
    ]
    for field, value in shown["config"].items():
        if isinstance(value, dict):
            found += [(f"{field}.{name}", str(item)) for name, item in value.items()]
        elif isinstance(value, list):
            found += [(field, f"{one['host_ip']}:{one['host_port']} -> {one['guest_port']}/{one['protocol']}") for one in value]
        else:
            found.append((field, str(value)))
    return [(name, value) for name, value in found if value]


def configure_set(parser: Parser) -> None:
    add_names(parser, many=True)
    parser.add_argument("--cpus", metavar="N", type=checked(count), help="virtual CPUs")
    parser.add_argument("--memory", "-m", metavar="SIZE", type=checked(memory_mib), help="such as 256, 256M or 1G")
    parser.add_argument(
        "--env", "-e", metavar="K=V", type=checked(pair), action="append", default=[], help="set a variable; may be repeated"
    )
    parser.add_argument(
        "--label", "-l", metavar="K=V", type=checked(pair), action="append", default=[], help="set a label; may be repeated"
    )
    parser.add_argument("--kernel", metavar="PATH", help="another kernel on the daemon's host")
    parser.add_argument("--cmdline", metavar="WORDS", help="extra words for the kernel's command line")
    parser.add_argument("--boot", choices=BOOT_MODES, metavar="MODE", help=f"{', '.join(BOOT_MODES)}: where the workload's files come from")
    parser.add_argument(
        "--publish", "-p", metavar="HOST:GUEST", type=checked(forward), action="append", help="these ports in place of all; may be repeated"
    )
    parser.add_argument("--restart", metavar="POLICY", help="no, on-failure[:N] or always; in force at once")
    parser.add_argument(
        "--autostart", action=argparse.BooleanOptionalAction, help="whether it is started again after the host was; in force at once"
    )
    parser.add_argument(
        "--unset",
        metavar="FIELD",
        action="append",
        default=[],
        help="back to the manifest's: memory, env.NAME, label.NAME, ...; repeatable",
    )
    parser.add_argument("--expect", metavar="VERSION", type=checked(count), help="only if this is the newest version")
    parser.add_argument("--dry-run", action="store_true", help="check it and print what would be, change nothing")
    add_output(parser)
    parser.give_examples(
        "volant vm set web-1 --memory 512M",
        "volant vm set web-1 --env COLOUR=blue --unset env.SHAPE",
        "volant vm set web-1 --restart on-failure:3 --autostart",
        "volant vm set web-1 web-2 --unset memory --dry-run",
    )


def run_set(args: argparse.Namespace) -> int:
    params = parameters(args)
    if not params.keys() - {"dry_run", "expected_version"}:
        raise Usage("nothing was given to change", hint="for example: --memory 512M, --env COLOUR=blue or --unset env.COLOUR")
    with open_client(args) as client:
        return for_each(client, args, lambda name: _changed(args, client.call_plain("vm.patch", params | {"name": name})))


def parameters(args: argparse.Namespace) -> dict[str, Any]:
    """The parameters of `vm.patch`; only what was given."""
    given = {
        **machine(args),
        "restart": args.restart,
        "autostart": args.autostart,
        "unset": [field_of(word) for word in args.unset],
        "expected_version": args.expect,
        "dry_run": args.dry_run or None,
    }
    # An empty text is a value: `--kernel ''` asks for the daemon's own.
    return {key: value for key, value in given.items() if value is not None and value != {} and value != []}


def field_of(word: str) -> str:
    """A field as the daemon calls it: `memory` is `memory_mb`, `label.tier` is `labels.tier`."""
    field, dot, name = word.partition(".")
    return FLAG_FIELDS.get(field, field) + dot + name


def _changed(args: argparse.Namespace, record: dict[str, Any]) -> None:
    """Print what became of one VM's config, and say what waits."""
    if args.output in (None, "name") and not args.dry_run:
        output.write_line(record["name"])
    else:
        output.write_facts(style_of(args), record, facts(record))
    if args.dry_run and not args.quiet:
        changes = ", ".join(record["shown"]["changes"])
        terminal.say(f"dry run: nothing was changed; {f'this would change {harmless(changes)}' if changes else 'it is so already'}")
    elif record["pending_changes"] and not args.quiet:
        terminal.say(
            f"{record['name']} runs with version {record['running_version']}; "
            f"`volant vm restart {record['name']}` applies {harmless(', '.join(record['pending_changes']))}"
        )


def configure_history(parser: Parser) -> None:
    add_names(parser, many=False)
    add_output(parser)
    parser.give_examples("volant vm history web-1", "volant vm history web-1 -o json")


def run_history(args: argparse.Namespace) -> int:
    with open_client(args) as client:
        reply = with_suggestion(client, lambda: client.call_plain("vm.config_history", {"name": args.name}))
    output.write_list(style_of(args), columns.CONFIG_VERSION, reply)
    return ExitCode.OK


def configure_diff(parser: Parser) -> None:
    add_names(parser, many=False)
    parser.add_argument(
        "old", metavar="V1", nargs="?", type=checked(count), default=0, help="a version; without it what runs, else the one before"
    )
    parser.add_argument("new", metavar="V2", nargs="?", type=checked(count), default=0, help="another one; without it the newest")
    add_output(parser)
    parser.give_examples("volant vm diff web-1", "volant vm diff web-1 2", "volant vm diff web-1 2 5 -o json")


def run_diff(args: argparse.Namespace) -> int:
    params = {"name": args.name, "old": args.old, "new": args.new}
    with open_client(args) as client:
        reply = with_suggestion(client, lambda: client.call_plain("vm.config_diff", params))
    style = style_of(args)
    if style.format in ("table", "wide") and not args.quiet:
        terminal.say(f"version {reply['old']} beside {reply['new']}" + ("" if reply["items"] else ": no difference"))
    output.write_list(style, columns.DIFFERENCE, reply)
    return ExitCode.OK


def configure_rollback(parser: Parser) -> None:
    add_names(parser, many=False)
    parser.add_argument("version", metavar="VERSION", type=checked(count), help="the version to go back to; see `volant vm history`")
    parser.add_argument("--expect", metavar="VERSION", type=checked(count), help="only if this is the newest version")
    parser.set_defaults(dry_run=False)
    add_output(parser)
    parser.give_examples("volant vm rollback web-1 2", "volant vm rollback web-1 2 --expect 5")


def run_rollback(args: argparse.Namespace) -> int:
    params = {"name": args.name, "version": args.version} | ({"expected_version": args.expect} if args.expect is not None else {})
    with open_client(args) as client:
        _changed(args, with_suggestion(client, lambda: client.call_plain("vm.config_rollback", params)))
    return ExitCode.OK
