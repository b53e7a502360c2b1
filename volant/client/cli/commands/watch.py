"""`volant vm watch`: the VMs, then each change as a line. What a screen reader needs of the terminal UI, and scripts of the list."""

from __future__ import annotations

import argparse
from typing import Any

from volant.client.cli import columns, human, output
from volant.client.cli.commands.vm import add_filter, filter_of
from volant.client.cli.connect import open_client
from volant.client.cli.parsing import Parser, add_output, style_of
from volant.proto.errors import ExitCode

GONE = "gone"
"""The status of a VM that is no more, or that the filter no longer takes."""


def configure_watch(parser: Parser) -> None:
    add_output(parser)
    add_filter(parser)
    parser.give_examples("volant vm watch", "volant vm watch --filter 'state:failed,crashed'", "volant vm watch -o jsonl | jq .name")


def run_watch(args: argparse.Namespace) -> int:
    style = style_of(args)
    names: dict[str, str] = {}
    output.begin_stream(style, columns.VM)
    with open_client(args) as client:
        for changes in client.stream_plain("vm.watch", {"filter": filter_of(args)}):
            for record in changes["items"]:
                names[record["id"]] = record["name"]
                output.write_next(style, columns.VM, record, _line)
            for vm_id in changes["gone"]:
                output.write_next(style, columns.VM, {"id": vm_id, "name": names.pop(vm_id, ""), "status": GONE}, _line)
    return ExitCode.OK


def _line(record: dict[str, Any]) -> str:
    since = record.get("ready_at") or record.get("started_at") or record.get("created_at") or ""
    age = f"{human.age(since)} ago" if since else ""
    return f"{record['name']:<20}  {record['status']:<10}  {record.get('ip') or '-':<15}  {record.get('reason') or age}"
