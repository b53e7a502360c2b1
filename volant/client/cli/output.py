"""Records to stdout in the format that was asked for. stdout is data, always; narration goes to stderr."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping

from volant.client.cli import terminal
from volant.client.cli.style import Style
from volant.client.cli.table import Column, render
from volant.client.cli.text import harmless, tsv_field

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

_UNSAFE_ON_TERMINAL = "[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
"""What JSON leaves as it is, and a terminal may obey."""


def write_list(style: Style, columns: list[Column], reply: Mapping[str, Any], *, empty: str = "") -> None:
    """A reply with `items`: as rows; whole (with its sequence number) in json and yaml. `empty` is said on stderr when there are none."""
    items: list[dict[str, Any]] = list(reply["items"])
    if style.format in ("json", "yaml"):
        write_document(style, dict(reply))
    elif style.format == "jsonl":
        for item in items:
            write_line(as_json(item))
    else:
        write_rows(style, columns, items)
        if not items and empty and terminal.is_tty(1):
            terminal.say(empty)


def write_one(style: Style, columns: list[Column], record: dict[str, Any]) -> None:
    """One record: as a table of one row, or whole."""
    if style.format in ("json", "jsonl", "yaml"):
        write_document(style, record)
    else:
        write_rows(style, columns, [record])


def write_facts(style: Style, record: dict[str, Any], lines: list[tuple[str, str]]) -> None:
    """One record for reading: a line of name and value for each fact; whole in json and yaml; every field in tsv."""
    if style.format in ("json", "jsonl", "yaml"):
        write_document(style, record)
    elif style.format == "tsv":
        for key, value in record.items():
            write_line(f"{key}\t{harmless(_tsv_value(value)) if terminal.is_tty(1) else _tsv_value(value)}")
    elif style.format == "name":
        write_line(harmless(str(record.get("name", ""))))
    else:
        longest = max(len(name) for name, _ in lines)
        for name, value in lines:
            write_line(f"{name + ':':<{longest + 1}}  {harmless(value)}".rstrip())


def write_document(style: Style, record: object) -> None:
    """Anything plain as json, jsonl or yaml."""
    if style.format == "yaml":
        import yaml

        text = yaml.safe_dump(record, sort_keys=False, allow_unicode=not terminal.is_tty(1), default_flow_style=False, width=4096)
        sys.stdout.write(text)
    else:
        write_line(as_json(record, indent=2 if style.format == "json" else None))


def write_rows(style: Style, columns: list[Column], records: list[dict[str, Any]]) -> None:
    """Records as `table`, `wide`, `tsv` or `name`."""
    if style.format == "name":
        for record in records:
            write_line(harmless(str(record[columns[_name_at(columns)].key])))
        return
    if style.format == "tsv":
        chosen = [column for column in columns if not column.wide]
        clean = harmless if terminal.is_tty(1) else str
        if style.header:
            write_line("\t".join(column.title for column in chosen))
        for record in records:
            write_line("\t".join(clean(_tsv_value(column.value(record))) for column in chosen))
        return
    wide = style.format == "wide"
    chosen = [column for column in columns if wide or not column.wide]
    chosen = [column for column in chosen if not column.sparse or wide or any(record.get(column.key) for record in records)]
    if not records:
        return
    width = terminal.width(1) if terminal.is_tty(1) and not wide else None
    for line in render(chosen, records, width=width, header=style.header, colour=terminal.wants_colour(1)):
        write_line(line)


def begin_stream(style: Style, columns: list[Column]) -> None:
    """What stands before records that `write_next` writes as they come: titles for a program; people's lines explain themselves."""
    if style.format == "tsv" and style.header:
        write_rows(style, columns, [])


def write_next(style: Style, columns: list[Column], record: dict[str, Any], line: Callable[[dict[str, Any]], str]) -> None:
    """One record as it comes, seen at once. For a person it is a `line` of its own: a table can't know its widths beforehand."""
    if style.format in ("json", "jsonl"):
        write_line(as_json(record))
    elif style.format == "yaml":
        write_line("---")
        write_document(style, record)
    elif style.format in ("table", "wide"):
        write_line(harmless(line(record)).rstrip())
    else:
        write_rows(style.without_header(), columns, [record])
    sys.stdout.flush()


def write_line(line: str) -> None:
    """One line of data."""
    sys.stdout.write(line + "\n")


def as_json(value: object, *, indent: int | None = None, descriptor: int = 1) -> str:
    """JSON that keeps what people wrote; where it goes to a terminal, what that would obey is escaped."""
    import json

    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_json_default)
    return re.sub(_UNSAFE_ON_TERMINAL, lambda match: f"\\u{ord(match[0]):04x}", text) if terminal.is_tty(descriptor) else text


def _json_default(value: object) -> str:
    """Bytes are the one plain value that JSON has no form for."""
    import base64

    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is no plain value")


def _tsv_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list, tuple)):
        import json

        return tsv_field(json.dumps(value, ensure_ascii=False))
    return tsv_field(str(value))


def _name_at(columns: list[Column]) -> int:
    """The column that names a record: NAME, or the first one."""
    return next((at for at, column in enumerate(columns) if column.key == "name"), 0)
