"""The deployments of the host: what is wanted, what is there, and how far a rollout is. Live by the watch of each."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless, width_of
from volant.proto.specs.filter import Field, Fields, Kind
from volant.tui import columns
from volant.tui.deploying import deployment_action
from volant.tui.figures import bar
from volant.tui.glyphs import Glyphs
from volant.tui.lines import Line, Span, cell, clipped, wrapped
from volant.tui.model import Delta, Record
from volant.tui.relisting import Relisting
from volant.tui.screens.base import Copyable
from volant.tui.screens.last_change import LastChange
from volant.tui.screens.relisted import RelistedScreen
from volant.tui.screens.vm_pane import section

if TYPE_CHECKING:
    from volant.tui.desk import Desk

MOST_FOLLOWED = 100
"""Deployments whose every step is heard: each takes one of the 256 calls that a connection may have open. Of those beyond it what was asked
of them is heard, and their getting ready or degraded."""
PAGE = 1_000
"""As `proto.api.deployment.MAX_PAGE`."""

FIELDS = Fields(
    {
        "name": Field("name"), "state": Field("status"), "status": Field("status"),
        "plugin": Field("plugin"), "version": Field("plugin_version"), "reason": Field("reason"),
        "replicas": Field("replicas", Kind.NUMBER), "ready": Field("ready", Kind.NUMBER),
        "rev": Field("revision", Kind.NUMBER), "age": Field("created_at", Kind.AGE),
    },
    searched=("name", "plugin", "status"), labels="labels",
)  # fmt: skip


def flat(view: Record) -> Record:
    """A deployment's record with the words of its template that lists show and filters know."""
    template = view["template"]
    more = {key: template[key] for key in ("plugin", "plugin_version", "labels")}
    return {**view, **more, "id": view["name"]}


def revision(record: Record, glyphs: Glyphs) -> str:
    """The revision that is wanted, and while another one is rolled out or waits, that one before it."""
    wanted, rolling = record["revision"], record["rolling_revision"]
    return str(wanted) if wanted == rolling else f"{rolling}{glyphs['to']}{wanted}"


def _ready(record: Record, glyphs: Glyphs, now: float) -> Span:
    return f"{record['ready']}/{record['replicas']}", "" if record["ready"] >= record["replicas"] else "warm"


def _rollout(record: Record, glyphs: Glyphs, now: float) -> Span:
    done, total = int(record["updated"]), int(record["replicas"])
    return f"{bar(done, total, 8, glyphs)} {done}/{total}", "dim" if done >= total else "warm"


DEPLOYMENT: tuple[columns.Column, ...] = (
    columns.Column("NAME", "name", 14, columns.text("name", "name"), lambda record: "", keep=99, letter="n", flexible=True),
    columns.Column("STATE", "status", 13, columns.state, lambda record: str(record["status"]), keep=98, letter="s"),
    columns.Column("READY", "ready", 7, _ready, lambda record: record["ready"] - record["replicas"], keep=97, right=True, letter="r"),
    columns.Column("UP TO DATE", "updated", 15, _rollout, lambda record: record["updated"] - record["replicas"], keep=6, letter="u"),
    columns.Column("REV", "revision", 5, lambda record, glyphs, now: (revision(record, glyphs), ""), lambda record: record["revision"],
                   keep=5, right=True, letter="v"),
    columns.Column("PLUGIN", "plugin", 12, columns.text("plugin"), lambda record: str(record["plugin"]), keep=3, letter="p"),
    columns.Column("AGE", "created_at", 5, columns.age("created_at"), lambda record: columns.Descending(str(record["created_at"])), keep=4,
                   right=True, letter="a"),
    columns.Column("VERSION", "plugin_version", 9, columns.text("plugin_version"), lambda record: str(record["plugin_version"]), keep=1,
                   wide=True),
)  # fmt: skip


class DeploymentsScreen(RelistedScreen):
    """A list that is asked anew when one comes or goes; what becomes of each is followed."""

    contexts = ("deployments", "list")
    hints = ("open", "actions", "deployment.scale", "deployment.pause", "deployment.undo", "filter")
    fields = FIELDS
    title = "deployments"
    columns = DEPLOYMENT
    noun = "deployment"

    def __init__(self) -> None:
        super().__init__()
        self._followed: dict[str, int] = {}
        """Tags of the watches, by name."""
        self._last_change = LastChange()
        self._list = Relisting("deployment.list", {"limit": PAGE}, lambda kind: kind.startswith("DEPLOYMENT_"), self._listed)

    # ---------------------------------------------------------------------------------------------------------------- news

    def hidden(self, desk: Desk) -> None:
        super().hidden(desk)
        for tag in self._followed.values():
            desk.pending.forget(tag)
        self._followed.clear()

    def _listed(self, items: list[Any]) -> None:
        now = {str(view["name"]): flat(view) for view in items}
        self._replace(now)
        desk = self._desk
        if desk is None:
            return
        for name in self._followed.keys() - now.keys():
            desk.pending.forget(self._followed.pop(name))
        for name in sorted(now.keys() - self._followed.keys())[: MOST_FOLLOWED - len(self._followed)]:
            self._follow(desk, name)

    def _follow(self, desk: Desk, name: str) -> None:
        def came(items: list[Any]) -> None:
            record = flat(items[-1])
            if name in self._all and self._all[name] != record:
                self._all = {**self._all, name: record}
                self.update(self._all, Delta(frozenset({name})))

        def ended(result: Any) -> None:
            self._followed.pop(name, None)

        self._followed[name] = desk.pending.follow("deployment.status", {"name": name, "watch": True}, came, ended)

    # --------------------------------------------------------------------------------------------------------------- looks

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        return self._list.missing(desk) or [
            (("  No deployments yet.", "name"), ("  One keeps a number of like VMs up and up to date.", "")),
            (),
            (
                (f"  {desk.key_of('new'):<9}", "key"),
                (" make one here: ", ""),
                ("deployment create NAME --plugin PLUGIN --replicas 2", "name"),
            ),
            (("  or in a shell:  ", ""), ("volant deployment create web --plugin hello --replicas 2", "name")),
        ]

    def beside(self, desk: Desk, record: Record | None, width: int, height: int) -> list[Line]:
        if record is None:
            return []
        told = [((harmless(str(record["name"])), "title"),), *about(desk, record, width), *self._last_change.lines(desk, record, width)]
        return [*told, *_replicas(desk, record, width)][:height]

    def copies(self, desk: Desk) -> list[Copyable]:
        record = self.rows.record
        return [] if record is None else of_deployment(record)

    def command(self, desk: Desk) -> str:
        return "volant deployment list"

    # ---------------------------------------------------------------------------------------------------------------- keys

    def act(self, desk: Desk, action: str) -> bool:
        record = self.rows.record
        if action in ("open", "deployment.history") and record is not None:
            from volant.tui.screens.deployment import DeploymentScreen

            desk.open(DeploymentScreen(record, "history" if action == "deployment.history" else "replicas"))
            return True
        return super().act(desk, action) or deployment_action(desk, action, self.victims(), record)


def _replicas(desk: Desk, record: Record, width: int) -> list[Line]:
    """Its VMs, and how each is."""
    name = str(record["name"])
    # By the name first: of most VMs nothing else has to be known.
    mine = [vm for vm in desk.snapshot.vms.values() if str(vm["name"]).startswith(f"{name}-") and vm.get("deployment") == name]
    if not mine:
        return []
    longest = max(width_of(harmless(str(vm["name"]))) for vm in mine)
    lines = [section(desk, "VMs", width)]
    for vm in sorted(mine, key=lambda vm: (len(str(vm["name"])), vm["name"])):
        sign = desk.glyphs.state(str(vm["status"]))
        age = human.age(str(vm.get("started_at") or vm.get("created_at") or ""), now=desk.wall())
        told = f" {age:>4}  rev {vm.get('revision') or '?'}  {harmless(str(vm.get('reason') or ''))}"
        state = (f"{sign.sign} {vm['status']:<11}", sign.style)
        lines.append(clipped(((f"{cell(harmless(str(vm['name'])), longest)}  ", "name"), state, (told, "dim")), width))
    return lines


def of_deployment(record: Record) -> list[Copyable]:
    """What can be copied of a deployment."""
    name = str(record["name"])
    command = shlex.join(("volant", "deployment", "get", name))
    return [Copyable("n", "name", name), Copyable("c", "the command that shows it", command, is_command=True)]


def about(desk: Desk, record: Record, width: int, *, short: bool = False) -> list[Line]:
    """A deployment's facts, as `volant deployment get` tells them, and how far its rollout is; `short`: only what is under way, and why."""
    from volant.client.cli.commands.deployment import facts

    sign = desk.glyphs.state(str(record["status"]))
    lines: list[Line] = []
    for name, value in facts(dict(record), now=desk.wall()):
        if name in ("name", "environment") or (short and name != "reason"):
            continue
        shown = f"{sign.sign} {value}" if name == "status" else value
        pieces = wrapped(harmless(shown), max(8, width - 12))
        style = sign.style if name == "status" else "warm" if name in ("reason", "paused") else ""
        lines.append(((f"{name:<12}", "label"), (pieces[0], style)))
        lines += [((" " * 12, ""), (piece, style)) for piece in pieces[1:]]
    done, total = int(record["updated"]), int(record["replicas"])
    lines.append((("rollout     ", "label"), (bar(done, total, max(4, min(24, width - 20)), desk.glyphs), ""), (f" {done}/{total}", "")))
    return [clipped(line, width) for line in lines]
