"""The plugins of the host, and one plugin with its manifest."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.proto.specs.filter import Field, Fields, Kind
from volant.tui import columns
from volant.tui.glyphs import Glyphs
from volant.tui.installing import plugin_action
from volant.tui.lines import Line, Span, clipped, wrapped
from volant.tui.model import Delta, Record
from volant.tui.relisting import Relisting
from volant.tui.screens.base import Copyable, Screen
from volant.tui.screens.reader import Reader
from volant.tui.screens.relisted import RelistedScreen

if TYPE_CHECKING:
    from volant.tui.desk import Desk

FIELDS = Fields(
    {
        "name": Field("plugin"), "version": Field("version"), "state": Field("status"), "status": Field("status"),
        "runtime": Field("runtime"), "vms": Field("vms", Kind.NUMBER), "age": Field("installed_at", Kind.AGE),
    },
    searched=("plugin", "version", "runtime", "status"),
)  # fmt: skip


def _vms(record: Record, glyphs: Glyphs, now: float) -> Span:
    return str(record["vms"]), "" if record["vms"] else "dim"


def _warnings(record: Record, glyphs: Glyphs, now: float) -> Span:
    return str(len(record["warnings"])), "warm" if record["warnings"] else "dim"


PLUGIN: tuple[columns.Column, ...] = (
    columns.Column("NAME", "plugin", 18, columns.text("plugin", "name"), lambda record: str(record["plugin"]), keep=99, letter="n",
                   flexible=True),
    columns.Column("VERSION", "version", 10, columns.text("version"), lambda record: str(record["version"]), keep=98, letter="v"),
    columns.Column("STATE", "status", 10, columns.state, lambda record: str(record["status"]), keep=97, letter="s"),
    columns.Column("VMS", "vms", 4, _vms, lambda record: record["vms"], keep=5, right=True, letter="m"),
    columns.Column("RUNTIME", "runtime", 12, columns.text("runtime"), lambda record: str(record["runtime"]), keep=2, letter="r"),
    columns.Column("INSTALLED", "installed_at", 9, columns.age("installed_at"),
                   lambda record: columns.Descending(str(record["installed_at"])), keep=3, right=True, letter="a"),
    columns.Column("WARNINGS", "warnings", 8, _warnings, lambda record: len(record["warnings"]), keep=1, right=True),
)  # fmt: skip


def rows_of(desk: Desk, listed: Iterable[Record]) -> dict[str, Record]:
    """The rows of the versions that `plugin.list` told, each with how many VMs there are of it."""
    used = Counter((vm.get("plugin"), vm.get("plugin_version")) for vm in desk.snapshot.vms.values())
    rows: dict[str, Record] = {}
    for each in listed:
        row_id = f"{each['name']}@{each['version']}"
        status = "enabled" if each["enabled"] else "disabled"
        vms = used[each["name"], each["version"]]
        rows[row_id] = {**each, "id": row_id, "name": row_id, "plugin": each["name"], "status": status, "vms": vms}
    return rows


class PluginsScreen(RelistedScreen):
    """Each installed version is a row."""

    contexts = ("plugins", "list")
    hints = ("open", "plugin.install", "plugin.enable", "plugin.run", "actions", "filter")
    fields = FIELDS
    title = "plugins"
    columns = PLUGIN
    noun = "plugin"
    born = "installed_at"

    def __init__(self) -> None:
        super().__init__()
        self._listed: list[Record] = []
        self._list = Relisting("plugin.list", {}, lambda kind: kind.startswith("PLUGIN_"), self._heard)

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        super().refreshed(desk, delta)
        if self._desk is not None and (delta.added or delta.gone):
            self._count(desk)

    def _heard(self, items: list[Any]) -> None:
        self._listed = items
        if self._desk is not None:
            self._count(self._desk)

    def _count(self, desk: Desk) -> None:
        """Make the rows anew."""
        self._replace(rows_of(desk, self._listed))

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        return self._list.missing(desk) or [
            (("  No plugins yet.", "name"), ("  A plugin describes a workload once; VMs are made of it.", "")),
            (),
            ((f"  {desk.key_of('plugin.install'):<9}", "key"), (" install one: the file of its manifest, or a URL", "")),
            (("  or in a shell:  ", ""), ("volant plugin install ./plugin.json", "name")),
        ]

    def beside(self, desk: Desk, record: Record | None, width: int, height: int) -> list[Line]:
        return [] if record is None else [((harmless(str(record["name"])), "title"),), *about(desk, record, width)][:height]

    def copies(self, desk: Desk) -> list[Copyable]:
        record = self.rows.record
        return [] if record is None else of_plugin(record)

    def command(self, desk: Desk) -> str:
        return "volant plugin list"

    def act(self, desk: Desk, action: str) -> bool:
        if action == "open" and self.rows.record is not None:
            desk.open(PluginScreen(self.rows.record))
            return True
        return super().act(desk, action) or plugin_action(desk, action, self.victims())


class PluginScreen(Screen):
    """One version of a plugin: its facts, and its manifest as it was normalised."""

    contexts = ("plugins", "text")
    hints = ("plugin.enable", "plugin.run", "actions", "last")

    def __init__(self, record: Record) -> None:
        self._record = record
        self._reader: Reader[Line] = Reader(follow=False)
        self._drawn: object = None
        self._gone = False
        self._list: Relisting | None = None

    @property
    def title(self) -> str:
        return str(self._record["name"])

    def shown(self, desk: Desk) -> None:
        self._list = Relisting("plugin.list", {}, lambda kind: kind.startswith("PLUGIN_"), lambda items: self._heard(desk, items))
        self._list.shown(desk)

    def hidden(self, desk: Desk) -> None:
        if self._list is not None:
            self._list.hidden(desk)
        self._list = None

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        if self._list is not None:
            self._list.refreshed(desk)

    def _heard(self, desk: Desk, items: list[Any]) -> None:
        found = rows_of(desk, items).get(str(self._record["id"]))
        self._gone, self._record = found is None, found or self._record

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        basis = (id(self._record), width, self._gone)
        if basis != self._drawn:
            self._drawn = basis
            self._reader.replace(self._page(desk, width))
        return self._reader.view(height)

    def _page(self, desk: Desk, width: int) -> list[Line]:
        import yaml

        text = yaml.safe_dump(self._record["manifest"], sort_keys=False, allow_unicode=True, default_flow_style=False, width=4096)
        gone: list[Line] = [(("it was removed; this is how it was last seen", "warm"),)] if self._gone else []
        lines = [*gone, *about(desk, self._record, width), (), (("manifest", "header"),)]
        return [*lines, *(yaml_line(line, width) for line in text.splitlines())]

    def subtitle(self, desk: Desk) -> str:
        return "gone" if self._gone else str(self._record["status"])

    def status(self, desk: Desk) -> list[str]:
        return [self._reader.place]

    def copies(self, desk: Desk) -> list[Copyable]:
        return of_plugin(self._record)

    def command(self, desk: Desk) -> str:
        return shlex.join(
            ("volant", "plugin", "show", str(self._record["plugin"]), "--version", str(self._record["version"]), "-o", "yaml")
        )

    def act(self, desk: Desk, action: str) -> bool:
        return self._reader.act(action) or plugin_action(desk, action, [self._record])


def yaml_line(line: str, width: int) -> Line:
    """A line of YAML with its key set off."""
    key, colon, rest = line.partition(":")
    if not colon or " " in key.lstrip(" -"):
        return clipped(((harmless(line), ""),), width)
    return clipped(((harmless(key + colon), "label"), (harmless(rest), "")), width)


def of_plugin(record: Record) -> list[Copyable]:
    """What can be copied of a plugin."""
    words = ("volant", "plugin", "show", str(record["plugin"]), "--version", str(record["version"]))
    command = Copyable("c", "the command that shows it", shlex.join(words), is_command=True)
    return [Copyable("n", "name", str(record["plugin"])), command]


def about(desk: Desk, record: Record, width: int) -> list[Line]:
    """A plugin's facts, as `volant plugin show` tells them."""
    from volant.client.cli.commands.plugin import facts

    lines: list[Line] = [(("VMs         ", "label"), (str(record["vms"]), ""))]
    for name, value in facts({**record, "name": record["plugin"]}, now=desk.wall()):
        pieces = wrapped(harmless(value), max(8, width - 12))
        style = "warm" if name == "warning" or (name == "enabled" and value == "no") else ""
        short = name.replace("sha256 of", "sha256")[:11]
        lines.append(((f"{short:<12}", "label"), (pieces[0], style)))
        lines += [((" " * 12, ""), (piece, style)) for piece in pieces[1:]]
    return [clipped(line, width) for line in lines]
