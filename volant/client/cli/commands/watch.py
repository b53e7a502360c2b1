"""`volant vm watch`: the VMs, then each change as a line. What a screen reader needs of the terminal UI, and scripts of the list."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from volant.client.cli import columns, human, output
from volant.client.cli.commands.vm import add_filter, filter_of
from volant.client.cli.connect import open_client
from volant.client.cli.parsing import Parser, add_output, style_of
from volant.client.cli.style import Style
from volant.client.cli.text import harmless
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
    if style.format == "tsv" and style.header:
        output.write_rows(style, columns.VM, [])
    with open_client(args) as client:
        for changes in client.stream_plain("vm.watch", {"filter": filter_of(args)}):
            for record in changes["items"]:
                names[record["id"]] = record["name"]
                _write(style, record)
            for vm_id in changes["gone"]:
                _write(style, {"id": vm_id, "name": names.pop(vm_id, ""), "status": GONE})
            sys.stdout.flush()
    return ExitCode.OK


def _write(style: Style, record: dict[str, Any]) -> None:
    """One record as it comes: a table can't know its widths beforehand, so for a person it is a line of its parts."""
    if style.format in ("json", "jsonl"):
        output.write_line(output.as_json(record))
    elif style.format == "yaml":
        output.write_line("---")
        output.write_document(style, record)
    elif style.format in ("table", "wide"):
        since = record.get("ready_at") or record.get("started_at") or record.get("created_at") or ""
        age = f"{human.age(since)} ago" if since else ""
        parts = (f"{record['name']:<20}", f"{record['status']:<10}", f"{record.get('ip') or '-':<15}", str(record.get("reason") or age))
        output.write_line(harmless("  ".join(parts)).rstrip())
    else:
        output.write_rows(Style(style.format, header=False), columns.VM, [record])
