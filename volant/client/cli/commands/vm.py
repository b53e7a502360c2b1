"""`volant vm list` and `volant vm get`: the path that has to be quick, so plain values only, no typed objects."""

from __future__ import annotations

import argparse

from volant.client.cli import columns, human, output, terminal
from volant.client.cli.connect import Client, open_client
from volant.client.cli.parsing import Parser, add_names, add_output, add_watch, checked, style_of
from volant.client.cli.style import Style
from volant.client.cli.values import count
from volant.proto.errors import ExitCode, Usage

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

PAGE = 1_000
"""VMs asked for at a time: the daemon's largest page (`proto.api.vm.MAX_PAGE`, held equal by a test)."""
ON_TERMINAL = 100
"""VMs shown on a terminal unless told otherwise; a pipe gets all, so that no script acts on a part of them."""
SORTS = ("name", "status", "plugin", "created", "ip", "cpu", "memory")


def configure_list(parser: Parser) -> None:
    add_output(parser)
    add_filter(parser)
    parser.add_argument("--sort", metavar="FIELD", default="name", help=f"{', '.join(SORTS)}; -FIELD turns the order round")
    parser.add_argument("--limit", metavar="N", type=checked(count), help=f"at most so many (on a terminal {ON_TERMINAL}, else all)")
    parser.add_argument("--all", "-a", action="store_true", help="all of them, on a terminal too")
    add_watch(parser)
    parser.give_examples(
        "volant vm list",
        "volant ps --all",
        "volant vm list --filter 'state:ready,running plugin:web'",
        "volant vm list --filter 'mem>=1G age<5m !label.env:prod'",
        "volant vm list --sort=-created --limit 5 -o wide",
        "volant vm list --watch --filter deployment:web",
        "volant vm list -o name --filter state:crashed | xargs -r volant vm restart",
    )


def run_list(args: argparse.Namespace) -> int:
    order = sort_order(args.sort)
    if args.watch:
        from volant.client.cli.commands.watch import watch_list

        return watch_list(args)
    style = style_of(args)
    wanted: dict[str, Any] = {"sort": order}
    if args.filter:  # an older daemon is not asked about what it does not know
        wanted["filter"] = filter_of(args)
    limit = None if args.all else args.limit if args.limit is not None else ON_TERMINAL if terminal.is_tty(1) else None
    with open_client(args) as client:
        reply = listed(client, wanted, limit)
    output.write_list(style, columns.VM, reply, empty=_nothing(args))
    shown = len(reply["items"])
    if shown < reply["total"] and args.limit is None and not args.quiet:
        terminal.say(f"{shown} of {reply['total']} VMs; --all shows every one")
    return ExitCode.OK


def listed(client: Client, wanted: dict[str, Any], limit: int | None) -> dict[str, Any]:
    """One reply made of as many pages as `limit` (None: all) takes."""
    reply: dict[str, Any] = client.call_plain("vm.list", wanted | {"limit": PAGE if limit is None else min(limit, PAGE)})
    items = list(reply["items"])
    end = reply["total"] if limit is None else min(limit, reply["total"])
    while len(items) < end:
        page = client.call_plain("vm.list", wanted | {"limit": min(PAGE, end - len(items)), "offset": len(items)})
        if not page["items"]:  # some went away between two pages
            break
        items += page["items"]
    reply["items"] = items
    return reply


def add_filter(parser: Parser, example: str = "mem>=512M") -> None:
    """`--filter`; `filter_of` gives it. `example`: a comparison that makes sense for the command."""
    words = f"only VMs that this takes: a word, ~regex, FIELD:VALUE, {example}, age<5m; blank is and, | or, ! not"
    parser.add_argument("--filter", "-f", metavar="EXPR", action="append", default=[], help=words)


def filter_of(args: argparse.Namespace) -> str:
    """The one expression that all `--filter`s are together."""
    words: list[str] = args.filter
    return words[0] if len(words) == 1 else " ".join(f"({word})" for word in words)


def sort_order(word: str) -> str:
    """`--sort` checked, since a server's complaint would come later and say less."""
    if word.removeprefix("-") not in SORTS:
        from volant.client.cli.failures import did_you_mean

        hint = f"choose one of {', '.join(SORTS)}; --sort=-created turns the order round"
        raise Usage(f"VMs can't be sorted by {word!r}", hint=f"{did_you_mean(word.removeprefix('-'), list(SORTS))} {hint}".strip())
    return word


def _nothing(args: argparse.Namespace) -> str:
    return "no VM matches" if args.filter else "no VMs yet; `volant run PLUGIN` makes one"


def configure_get(parser: Parser) -> None:
    add_output(parser)
    add_names(parser, many=True)
    add_watch(parser)
    parser.give_examples(
        "volant vm get web-1", "volant vm get web-1 -o json", "volant vm get web-1 web-2 -o yaml", "volant vm get web-1 --watch"
    )


def run_get(args: argparse.Namespace) -> int:
    if args.watch:
        from volant.client.cli.commands.watch import watch_some

        return watch_some(args)
    from volant.client.cli.several import for_each

    style = style_of(args)
    with open_client(args) as client:
        return for_each(client, args, lambda name: _show(style, client.call_plain("vm.get", {"name": name})))


def _show(style: Style, record: dict[str, Any]) -> None:
    if style.format == "wide":
        output.write_one(style, columns.VM, record)
    else:
        output.write_facts(style, record, facts(record))


def _config(record: dict[str, Any]) -> str:
    """The version of the VM's config, and what of it waits."""
    waiting = ", ".join(record.get("pending_changes") or ())
    version = record.get("config_version") or 1
    return f"version {version}" + (f"; {waiting} from the next start on" if waiting else "") if version > 1 or waiting else ""


def _restart(record: dict[str, Any]) -> str:
    """The VM's restart policy and what it has come to; nothing for one that never starts by itself."""
    policy = str(record.get("restart") or "no")
    parts = [
        policy,
        "starts with the host" if record.get("autostart") or policy == "always" else "",
        f"{record['restarts']} so far" if record.get("restarts") else "",
        f"next at {record['next_try_at']}" if record.get("next_try_at") else "",
    ]
    shown = ", ".join(part for part in parts if part)
    return "" if shown == "no" else shown


def _exit_code(record: dict[str, Any]) -> str:
    """How the workload ended, once it has."""
    signal = record.get("exit_signal")
    return "" if record.get("exit_code") is None else f"{record['exit_code']}" + (f" (signal {signal})" if signal else "")


def _holder(record: dict[str, Any]) -> str:
    """Who runs it, and under which token."""
    lease = record.get("lease") or {}
    if not lease.get("holder"):
        return ""
    name = f"{lease['engine_id']}, " if lease.get("engine_id") else ""
    away = "" if lease.get("connected") else ", which is away"
    return f"{name}{lease['holder']}{away}, since {lease['since']} (token {lease['token']})"


def facts(record: dict[str, Any], *, now: float | None = None) -> list[tuple[str, str]]:
    """One VM as lines for a person, at this time in seconds since 1970 (None: now); what it doesn't have is left out."""
    ready_ms = int(record.get("ready_ms") or 0)
    fault = record.get("error") or {}
    found = [
        ("name", str(record["name"])),
        ("id", str(record.get("id") or "")),
        ("status", str(record["status"])),
        ("wanted", str(record.get("wanted") or "")),
        ("reason", str(record.get("reason") or "")),
        ("error", str(fault.get("message") or "")),
        ("hint", str(fault.get("hint") or "")),
        ("plugin", f"{record['plugin']} {record.get('plugin_version') or ''}".strip()),
        ("size", f"{human.cpus(int(record.get('cpu_cores') or 0))}, {human.mebibytes(int(record.get('memory_mb') or 0))}"),
        ("network", " ".join(str(record[key]) for key in ("network", "ip", "mac") if record.get(key))),
        (
            "ports",
            ", ".join(
                f"{one['host_ip']}:{one['host_port']} -> {one['guest_port']}/{one['protocol']}" for one in record.get("forwards") or ()
            ),
        ),
        ("health", str(record.get("health") or "")),
        ("config", _config(record)),
        ("hypervisor", f"{record.get('hypervisor') or ''} {record.get('accel') or ''}".strip()),
        ("pid", str(record.get("pid") or "")),
        ("boot", str(record.get("boot") or "")),
        ("restart", _restart(record)),
        ("exit code", _exit_code(record)),
        ("held by", _holder(record)),
        ("deployment", f"{record['deployment']}, revision {record.get('revision')}" if record.get("deployment") else ""),
        ("ready after", human.duration(ready_ms / 1000) if ready_ms else ""),
        ("labels", ", ".join(f"{key}={value}" for key, value in (record.get("labels") or {}).items())),
        *(
            (key, f"{record[f'{key}_at']} ({human.age(record[f'{key}_at'], now=now)} ago)")
            for key in ("created", "started", "ready", "stopped")
            if record.get(f"{key}_at")
        ),
    ]
    return [(name, value) for name, value in found if value]
