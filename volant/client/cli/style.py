"""In which format records are written: what is asked for, apart from `output`, which writes them, since every start parses flags."""

from __future__ import annotations

import os

from volant.client.cli import terminal

FORMATS = ("table", "wide", "json", "jsonl", "yaml", "tsv", "name")


class Style:
    """How to write records: one of `FORMATS`, and whether columns get a header line."""

    __slots__ = ("format", "header")

    def __init__(self, format: str, header: bool = True) -> None:
        self.format, self.header = format, header

    @classmethod
    def chosen(cls, asked: str | None, *, header: bool = True) -> Style:
        """The format that was asked for; else VOLANT_OUTPUT's; else a table on a terminal and tab-separated values in a pipe."""
        usual = os.environ.get("VOLANT_OUTPUT", "")
        return cls(asked or (usual if usual in FORMATS else "") or ("table" if terminal.is_tty(1) else "tsv"), header)

    def without_header(self) -> Style:
        """For records that follow others."""
        return Style(self.format, False)
