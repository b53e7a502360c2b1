"""`volant deployment list|get|status|history|delete`."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any, NoReturn

from volant.client.cli import columns, declared, human, output, terminal
from volant.client.cli.connect import Client, open_client, open_following
from volant.client.cli.narrate import asked_to_go_on, narrated
from volant.client.cli.parsing import (
    Parser,
    add_duration,
    add_failure_format,
    add_names,
    add_output,
    add_reconnect,
    add_watch,
    checked,
    style_of,
)
from volant.client.cli.several import for_each, with_suggestion
from volant.client.cli.style import Style
from volant.client.cli.values import count
from volant.proto.errors import ExitCode, Usage

PAGE = 1_000
"""Deployments asked for at a time: the daemon's largest page (`proto.api.deployment.MAX_PAGE`, held equal by a test)."""

WAIT_MS = 300_000
"""What `status --wait` waits when no `--timeout` is given."""


def configure_list(parser: Parser) -> None:
    add_output(parser)
    parser.add_argument("--text", metavar="TEXT", default="", help="substring of name, plugin or a label")
    parser.add_argument("--limit", metavar="N", type=checked(count), help="at most so many")
    add_watch(parser)
    parser.give_examples(
        "volant deployment list", "volant deployments list --text web -o wide", "volant deployment list -o name", "volant deploy ls --watch"
    )


def run_list(args: argparse.Namespace) -> int:
    if args.watch:
        from volant.client.cli.watching import watch_list

        watch_list(args, columns.DEPLOYMENT, lambda client: _listed(client, text=args.text, limit=args.limit))
    with open_client(args) as client:
        reply = _listed(client, text=args.text, limit=args.limit)
    nothing = "no deployment matches" if args.text else "no deployments yet; `volant deployment create` makes one"
    output.write_list(style_of(args), columns.DEPLOYMENT, reply, empty=nothing)
    return ExitCode.OK


def _listed(client: Client, *, text: str = "", limit: int | None = None) -> dict[str, Any]:
    """One reply made of as many pages as it takes."""

    def page(offset: int) -> dict[str, Any]:
        left = PAGE if limit is None else min(PAGE, limit - offset)
        found: dict[str, Any] = client.call_plain("deployment.list", {"text": text, "limit": left, "offset": offset})
        return found

    reply = page(0)
    items = list(reply["items"])
    while len(items) < (reply["total"] if limit is None else min(limit, reply["total"])):
        more = page(len(items))["items"]
        if not more:  # some went away between two pages
            break
        items += more
    return reply | {"items": items}


def configure_get(parser: Parser) -> None:
    add_output(parser)
    add_names(parser, many=True, noun="deployment")
    add_watch(parser)
    parser.give_examples("volant deployment get web", "volant deployment get web api -o json", "volant deployment get web --watch")


def run_get(args: argparse.Namespace) -> int:
    style = style_of(args)
    with open_client(args) as client:

        def show(name: str) -> None:
            record = client.call_plain("deployment.get", {"name": name})
            if args.watch:
                return
            if style.format == "wide":
                output.write_one(style, columns.DEPLOYMENT, record)
            else:
                output.write_facts(style, record, facts(record))

        code = for_each(client, args, show)
    if args.watch and code == ExitCode.OK:
        _watch_some(args, style)
    return code


def _watch_some(args: argparse.Namespace, style: Style) -> NoReturn:
    """Until interrupted, also when they are deleted."""
    from volant.client.cli.watching import watch_list, write_each

    def some(client: Client) -> dict[str, Any]:
        reply = _listed(client)
        return reply | {"items": [record for record in reply["items"] if record["name"] in args.names]}

    watch_list(args, columns.DEPLOYMENT, some, None if style.format == "wide" else partial(write_each, style, facts))


def facts(record: dict[str, Any], *, now: float | None = None) -> list[tuple[str, str]]:
    """One deployment as lines for a person; what it doesn't have is left out. `now`: seconds since 1970, else the clock's."""
    template = record["template"]
    memory = template.get("memory_mb")
    found = [
        ("name", str(record["name"])),
        ("status", str(record["status"])),
        ("reason", str(record.get("reason") or "")),
        ("replicas", f"{record['replicas']} wanted, {record['available']} available, {record['ready']} ready, {record['current']} there"),
        ("up to date", f"{record['updated']}, revision {record['revision']}"),
        ("paused", f"yes; replicas are made of revision {record['rolling_revision']}" if record.get("paused") else ""),
        ("plugin", f"{template['plugin']} {template['plugin_version']}"),
        ("CPUs", str(template.get("cpu_cores") or "")),
        ("memory", human.mebibytes(int(memory)) if memory else ""),
        ("network", str(template.get("network") or "")),
        ("environment", ", ".join(f"{key}={value}" for key, value in (template.get("env") or {}).items())),
        ("labels", ", ".join(f"{key}={value}" for key, value in (template.get("labels") or {}).items())),
        ("ports", ", ".join(f"{one['guest_port']}/{one['protocol']}" for one in template.get("forwards") or ())),
        ("update", f"at most {record['max_unavailable']} at once" + _held_back(record)),
        ("created", f"{record['created_at']} ({human.age(record['created_at'], now=now)} ago)"),
    ]
    return [(name, value) for name, value in found if value]


def _held_back(record: dict[str, Any]) -> str:
    milliseconds = int(record.get("min_ready_ms") or 0)
    return f", each ready for {human.duration(milliseconds / 1000)}" if milliseconds else ""


def configure_status(parser: Parser) -> None:
    add_output(parser)
    add_names(parser, many=False, noun="deployment")
    parser.add_argument("--watch", "-w", action="store_true", help="go on with each change, until interrupted")
    parser.add_argument("--wait", nargs="?", const="ready", choices=("ready",), metavar="ready", help="return when all is as wanted")
    add_duration(parser, "--timeout", help="how long to --wait at most (default 5m)")
    add_reconnect(parser)
    parser.give_examples(
        "volant deployment status web", "volant deployment status web --watch", "volant deployment status web --wait --timeout 1m"
    )


def run_status(args: argparse.Namespace) -> int:
    if args.timeout is not None and not args.wait:
        raise Usage(
            "--timeout is for --wait, which was not given", hint="with --wait it ends once all is as wanted; --watch alone never does"
        )
    style = style_of(args)
    timeout_ms = WAIT_MS if args.timeout is None else args.timeout
    params = {"name": args.name, "watch": args.watch, "wait": bool(args.wait), "timeout_ms": timeout_ms}
    output.begin_stream(style, columns.DEPLOYMENT)
    from volant.client.resuming import StatusProgress

    with open_following(args, StatusProgress(params)) as following:

        def follow() -> None:
            for view in following:
                output.write_next(style, columns.DEPLOYMENT, view, _status_line)

        with_suggestion(following.client, follow)
    return ExitCode.OK


def _status_line(view: dict[str, Any]) -> str:
    said = f"{view['name']} is {view['status']}: {view['available']} of {view['replicas']} available, {view['updated']} up to date"
    return f"{said}; {view['reason']}" if view.get("reason") else said


def configure_history(parser: Parser) -> None:
    add_output(parser)
    add_names(parser, many=False, noun="deployment")
    parser.give_examples("volant deployment history web", "volant deployment history web -o yaml")


def run_history(args: argparse.Namespace) -> int:
    with open_client(args) as client:
        reply = with_suggestion(client, lambda: client.call_plain("deployment.history", {"name": args.name}))
    output.write_list(style_of(args), columns.REVISION, reply)
    return ExitCode.OK


def configure_delete(parser: Parser) -> None:
    add_names(parser, many=True, noun="deployment")
    declared.add_flags(
        parser, "deployment.delete", help={"wait": "wait until it and its VMs are gone", "timeout_ms": "how long to wait at most"}
    )
    parser.add_argument("--yes", "-y", action="store_true", help="don't ask; in a script nobody is asked")
    add_failure_format(parser, "jsonl")
    parser.give_examples("volant deployment delete web", "volant deployment delete web api --yes")


def run_delete(args: argparse.Namespace) -> int:
    if not args.yes and not asked_to_go_on(f"delete {', '.join(args.names)} with all VMs and their disks?"):
        if not args.quiet:
            terminal.say("nothing was deleted")
        return ExitCode.FAILED
    params = declared.given(args, "deployment.delete")
    with open_client(args) as client:

        def act(name: str) -> None:
            with narrated(args, f"deleting {name}"):
                client.call_plain("deployment.delete", params | {"name": name})
            output.write_line(name)

        return for_each(client, args, act)
