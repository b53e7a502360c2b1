"""`volant plugin list|show|enable|disable|remove`."""

from __future__ import annotations

import argparse
from typing import Any

from volant.client.cli import columns, declared, human, output, terminal
from volant.client.cli.connect import open_client
from volant.client.cli.narrate import asked_to_go_on
from volant.client.cli.parsing import Parser, add_names, add_output, add_watch, style_of
from volant.client.cli.several import for_each
from volant.proto.errors import ExitCode

_VERSION = {"version": "this version only"}


def configure_list(parser: Parser) -> None:
    add_output(parser)
    declared.add_flags(parser, "plugin.list", help={"text": "substring of the name", "enabled": "only those that are (not) enabled"})
    add_watch(parser)
    parser.give_examples("volant plugin list", "volant plugin list --enabled -o json", "volant plugin list --text web -o name")


def run_list(args: argparse.Namespace) -> int:
    if args.watch:
        from volant.client.cli.watching import watch_list

        watch_list(args, columns.PLUGIN, lambda client: client.call_plain("plugin.list", declared.given(args, "plugin.list")))
    with open_client(args) as client:
        reply = client.call_plain("plugin.list", declared.given(args, "plugin.list"))
    output.write_list(style_of(args), columns.PLUGIN, reply, empty="no plugins; `volant plugin install FILE` installs one")
    return ExitCode.OK


def configure_show(parser: Parser) -> None:
    add_names(parser, many=True, noun="plugin")
    declared.add_flags(parser, "plugin.show", help={"version": "this version, not the newest"})
    add_output(parser)
    parser.give_examples("volant plugin show hello", "volant plugin show hello --version 1.0.0 -o json")


def run_show(args: argparse.Namespace) -> int:
    style = style_of(args)
    with open_client(args) as client:

        def show(name: str) -> None:
            record = client.call_plain("plugin.show", declared.given(args, "plugin.show") | {"name": name})
            if style.format == "wide":
                output.write_one(style, columns.PLUGIN, record)
            else:
                output.write_facts(style, record, facts(record))

        return for_each(client, args, show)


def facts(record: dict[str, Any], *, now: float | None = None) -> list[tuple[str, str]]:
    """One version as lines for a person; what it doesn't have is left out. `now` is in seconds since 1970, and the clock's without it."""
    manifest = record.get("manifest") or {}
    workload = manifest.get("workload") or {}
    resources = manifest.get("resources") or {}
    found = [
        ("name", str(record["name"])),
        ("version", str(record["version"])),
        ("enabled", "yes" if record["enabled"] else "no"),
        ("runtime", str(record.get("runtime") or "")),
        (
            "size",
            f"{human.cpus(int(resources.get('cpu_cores') or 0))}, {human.mebibytes(int(resources.get('memory_mb') or 0))}"
            if resources
            else "",
        ),
        ("workload", " ".join(str(word) for word in workload.get("entrypoint") or ())),
        ("actions", ", ".join(manifest.get("actions") or ())),
        ("installed", f"{record['installed_at']} ({human.age(record['installed_at'], now=now)} ago)"),
        *((f"sha256 of {role}", str(digest)) for role, digest in (record.get("artifacts") or {}).items()),
        *(("warning", str(warning)) for warning in record.get("warnings") or ()),
    ]
    return [(name, value) for name, value in found if value]


def configure_enable(parser: Parser) -> None:
    _configure_change(parser, "enable")


def configure_disable(parser: Parser) -> None:
    _configure_change(parser, "disable")


def configure_remove(parser: Parser) -> None:
    _configure_change(parser, "remove")
    parser.add_argument("--yes", "-y", action="store_true", help="don't ask; in a script nobody is asked")


def _configure_change(parser: Parser, verb: str) -> None:
    add_names(parser, many=True, noun="plugin")
    declared.add_flags(parser, f"plugin.{verb}", help=_VERSION)
    add_output(parser)
    parser.give_examples(f"volant plugin {verb} hello", f"volant plugin {verb} hello --version 1.0.0")


def run_enable(args: argparse.Namespace) -> int:
    return _change(args, "plugin.enable")


def run_disable(args: argparse.Namespace) -> int:
    return _change(args, "plugin.disable")


def run_remove(args: argparse.Namespace) -> int:
    if not args.yes and not asked_to_go_on(f"remove {', '.join(args.names)} and what was fetched for it?"):
        if not args.quiet:
            terminal.say("nothing was removed")
        return ExitCode.FAILED
    return _change(args, "plugin.remove")


def _change(args: argparse.Namespace, method: str) -> int:
    """Call `method` for each name; the names are the output, or the versions it changed where a format was asked for."""
    with open_client(args) as client:

        def act(name: str) -> None:
            reply = client.call_plain(method, declared.given(args, method) | {"name": name})
            if args.output in (None, "name"):
                output.write_line(name)
            else:
                output.write_list(style_of(args), columns.PLUGIN, reply)

        return for_each(client, args, act)
