"""`volant vm watch`: the VMs, then each change as a line. What a screen reader needs of the terminal UI, and scripts of the list."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from volant.client.cli import columns, human, output
from volant.client.cli.commands.vm import add_filter, facts, filter_of
from volant.client.cli.connect import open_client
from volant.client.cli.parsing import Parser, add_output, add_reconnect, style_of
from volant.client.cli.several import with_suggestion
from volant.client.cli.style import Style
from volant.client.cli.text import harmless
from volant.client.cli.watching import draw_vms, is_drawn, tell_vms, write_each


def configure_watch(parser: Parser) -> None:
    add_output(parser)
    add_filter(parser)
    add_reconnect(parser)
    parser.give_examples("volant vm watch", "volant vm watch --filter 'state:failed,crashed'", "volant vm watch -o jsonl | jq .name")


def run_watch(args: argparse.Namespace) -> int:
    return _told(args, style_of(args), filter_of(args))


def watch_list(args: argparse.Namespace) -> int:
    """`vm list --watch`."""
    style = style_of(args)
    if not is_drawn(style):
        return _told(args, style, filter_of(args))

    def write(records: list[dict[str, Any]]) -> None:
        shown = in_order(records, args.sort)[: args.limit]
        output.write_rows(style, columns.VM, shown)
        if not shown:
            output.write_line("no VM matches" if args.filter else "no VMs")

    return draw_vms(args, filter_of(args), write)


def watch_some(args: argparse.Namespace) -> int:
    """`vm get NAME... --watch`: until interrupted, also when they are deleted, for another may come by that name."""
    style = style_of(args)
    with open_client(args) as client:
        for name in args.names:
            with_suggestion(client, partial(client.call_plain, "vm.get", {"name": name}))
    expression = f"name:{','.join(args.names)}"
    if not is_drawn(style):
        return _told(args, style, expression)

    def write(records: list[dict[str, Any]]) -> None:
        if style.format == "wide":
            output.write_rows(style, columns.VM, in_order(records, "name"))
            return
        write_each(style, facts, in_order(records, "name"))
        if not records:
            output.write_line(harmless(f"{', '.join(args.names)}: deleted"))

    return draw_vms(args, expression, write)


def in_order(records: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    """Records in the order that `--sort` names, as the daemon sorts its lists (held equal by a test)."""
    keys = _SORT_KEYS[order.removeprefix("-")]

    def rank(record: dict[str, Any]) -> tuple[object, ...]:
        return (*(_ip_rank(record["ip"]) if key == "ip" else record[key] for key in keys), record["name"])

    return sorted(records, key=rank, reverse=order.startswith("-"))


_SORT_KEYS = {
    "name": (), "status": ("status",), "plugin": ("plugin", "plugin_version"), "created": ("created_at",), "ip": ("ip",),
    "cpu": ("cpu_cores",), "memory": ("memory_mb",),
}  # fmt: skip


def _ip_rank(ip: str) -> tuple[int, ...]:
    """By number; who has none comes first."""
    return tuple(int(part) for part in ip.split(".")) if ip else ()


def _told(args: argparse.Namespace, style: Style, expression: str) -> int:
    output.begin_stream(style, columns.VM)
    return tell_vms(args, expression, lambda record: output.write_next(style, columns.VM, record, _line))


def _line(record: dict[str, Any]) -> str:
    since = record.get("ready_at") or record.get("started_at") or record.get("created_at") or ""
    age = f"{human.age(since)} ago" if since else ""
    return f"{record['name']:<20}  {record['status']:<10}  {record.get('ip') or '-':<15}  {record.get('reason') or age}"
