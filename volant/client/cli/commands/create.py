"""`volant vm create`, and what `volant run` has of it."""

from __future__ import annotations

import argparse
import os

from volant.client.cli import terminal
from volant.client.cli.connect import open_client
from volant.client.cli.narrate import narrated
from volant.client.cli.parsing import Parser, add_output, add_wait, checked, style_of
from volant.client.cli.several import with_suggestion
from volant.client.cli.values import count, forward, pair
from volant.proto.errors import ExitCode, Usage
from volant.proto.specs.quantities import memory_mib

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

NETWORK_MODES = ("bridged", "user", "none", "vsock", "dhcp")
BOOT_MODES = ("auto", "initramfs", "rootfs")
"""Held against `specs.states` by a test."""
MAX_BASE = 58
"""Characters of a plugin's name in a name made from it: with a dash and four digits that is the 63 of a DNS label."""


def configure_create(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the new VM: a-z, 0-9 and -, at most 63")
    parser.add_argument("--plugin", metavar="PLUGIN[@VERSION]", required=True, help="what to run; without a version the newest enabled one")
    configure_vm(parser)
    parser.add_argument("--no-start", action="store_true", help="make it, don't start it")
    add_wait(parser)
    parser.give_examples(
        "volant vm create web-1 --plugin hello --wait",
        "volant vm create web-1 --plugin hello@1.2.0 --cpus 2 --memory 1G --env COLOUR=blue",
        "volant vm create web-1 --plugin hello --network user -p 8080:80 --wait=running",
        "volant vm create web-1 --plugin hello --restart on-failure --autostart",
        "volant vm create web-1 --plugin hello --dry-run -o yaml",
    )


def configure_vm(parser: Parser) -> None:
    """The flags that say what a new VM is like."""
    parser.add_argument("--cpus", metavar="N", type=checked(count), help="virtual CPUs; without it the manifest's")
    parser.add_argument(
        "--memory", "-m", metavar="SIZE", type=checked(memory_mib), help="such as 256, 256M or 1G; without it the manifest's"
    )
    parser.add_argument("--network", choices=NETWORK_MODES, metavar="MODE", help=f"{', '.join(NETWORK_MODES)}; without it the manifest's")
    parser.add_argument("--ip", metavar="ADDRESS", default="", help="this address of the pool, not the next free one")
    parser.add_argument(
        "--env", "-e", metavar="K=V", type=checked(pair), action="append", default=[], help="variable of the workload; may be repeated"
    )
    parser.add_argument(
        "--label", "-l", metavar="K=V", type=checked(pair), action="append", default=[], help="label of the VM; may be repeated"
    )
    parser.add_argument("--kernel", metavar="PATH", default="", help="another kernel on the daemon's host")
    parser.add_argument("--cmdline", metavar="WORDS", default="", help="extra words for the kernel's command line")
    parser.add_argument("--boot", choices=BOOT_MODES, metavar="MODE", help=f"{', '.join(BOOT_MODES)}: where the workload's files come from")
    parser.add_argument(
        "--publish",
        "-p",
        metavar="HOST:GUEST",
        type=checked(forward),
        action="append",
        default=[],
        help="host port to guest port; may be repeated",
    )
    parser.add_argument(
        "--restart",
        metavar="POLICY",
        default="",
        help="no, on-failure[:N] or always: whether it is started again by itself when it has ended",
    )
    parser.add_argument("--autostart", action="store_true", help="start it again after the host was restarted; always implies it")
    parser.add_argument("--dry-run", action="store_true", help="check and plan everything, change nothing, print the plan")
    add_output(parser)


def run_create(args: argparse.Namespace) -> int:
    params = parameters(args)
    with open_client(args) as client, narrated(args, f"creating {args.name}", vm="" if args.dry_run else args.name):
        record = with_suggestion(client, lambda: client.call_plain("vm.create", params, meanwhile=_load_output))
    from volant.client.cli import columns, output

    if args.dry_run and not args.quiet:
        terminal.say("dry run: nothing was changed; this is what would be made")
    if args.output in (None, "name") and not args.dry_run:
        output.write_line(record["name"])
    elif args.dry_run and args.output is None:
        from volant.client.cli.commands.vm import facts

        output.write_facts(style_of(args), record, facts(record))
    else:
        output.write_one(style_of(args), columns.VM, record)
    return ExitCode.OK


def _load_output() -> None:
    """What the result is written with: loaded while the daemon works, which needs none of it to begin."""
    import volant.client.cli.columns
    import volant.client.cli.output  # noqa: F401


def parameters(args: argparse.Namespace) -> dict[str, Any]:
    """The parameters of `vm.create`; what was not given is left to the manifest and the daemon."""
    plugin, version = plugin_and_version(args.plugin)
    if args.no_start and args.wait not in (None, "stopped"):
        raise Usage("--no-start and --wait exclude each other: what is not started never gets ready", hint="leave one of them out")
    given = {
        "name": args.name,
        "plugin": plugin,
        "version": version,
        **machine(args),
        "network": args.network,
        "ip": args.ip,
        "restart": args.restart,
        "autostart": args.autostart or None,
        "wait": args.wait,
        "timeout_ms": args.timeout,
    }
    # An empty name is sent too: the daemon's sentence says what a name may be.
    params = {key: value for key, value in given.items() if value not in (None, "", {}, []) or key == "name"}
    return params | ({"start": False} if args.no_start else {}) | ({"dry_run": True} if args.dry_run else {})


def plugin_and_version(text: str) -> tuple[str, str]:
    """The parts of PLUGIN[@VERSION]; no version is empty. Usage."""
    plugin, at, version = text.partition("@")
    if not plugin or (at and not version):
        raise Usage(f"{text!r} is no plugin", hint="for example: hello, or hello@1.2.0")
    return plugin, version


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """What a VM is made of, as the calls spell it; empty or None where the flag was not given."""
    return {
        "cpu_cores": args.cpus,
        "memory_mb": args.memory,
        "env": dict(args.env),
        "labels": dict(args.label),
        "kernel": args.kernel,
        "cmdline": args.cmdline,
        "boot": args.boot,
        "forwards": args.publish,
    }


def name_for(plugin: str) -> str:
    """A name for a VM of `plugin` that is likely free."""
    base = plugin.partition("@")[0].lower()
    return f"{base[:MAX_BASE].rstrip('-')}-{os.urandom(2).hex()}"
