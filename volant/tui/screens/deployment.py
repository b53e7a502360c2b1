"""One deployment: how far it is, its VMs, and its revisions with what each of them changed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault, NoSuchDeployment
from volant.proto.specs.filter import VM_FIELDS
from volant.tui import columns
from volant.tui.deploying import deployment_action
from volant.tui.differing import difference
from volant.tui.lines import Line, Span, clipped
from volant.tui.model import Delta, Record
from volant.tui.screens.base import Copyable
from volant.tui.screens.deployments import about, flat, of_deployment
from volant.tui.screens.listing import ListScreen
from volant.tui.screens.reader import Reader
from volant.tui.screens.vm import VmScreen
from volant.tui.work import Came

if TYPE_CHECKING:
    from volant.tui.desk import Desk

TABS = ("replicas", "history")
SHORT = 18
"""Lines from which there is room for all facts above the VMs; below it the head is one line."""


class DeploymentScreen(ListScreen):
    """Known by its name. Its VMs come from the desk's list, itself from its own watch."""

    contexts = ("deployment", "deployments", "list")
    hints = ("open", "tab.next", "actions", "deployment.scale", "deployment.pause", "deployment.undo")
    fields = VM_FIELDS
    columns = tuple(column for column in columns.VM if column.id != "deployment")
    noun = "VM"

    def __init__(self, record: Record, tab: str = "replicas") -> None:
        super().__init__()
        self._name, self._record, self._tab = str(record["name"]), record, tab
        self._vms: dict[str, Record] = {}
        self._tag = 0
        self._ended = ""
        self._revisions: Any = None
        self._reader: Reader[Line] = Reader(follow=False)
        self._drawn: object = None
        self._live = False

    @property
    def title(self) -> str:
        return self._name

    def records(self, desk: Desk) -> Mapping[str, Record]:
        return self._vms

    # ---------------------------------------------------------------------------------------------------------------- news

    def shown(self, desk: Desk) -> None:
        super().shown(desk)
        self._live = False
        self._own(desk)
        self.refreshed(desk, Delta())

    def hidden(self, desk: Desk) -> None:
        if self._tag:
            desk.pending.forget(self._tag)
        self._tag, self._live = 0, False

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        if delta.changed or delta.gone or delta.whole:
            self._own(desk)
        came_back = desk.screen is self and desk.snapshot.is_live and not self._live
        self._live = desk.snapshot.is_live
        if came_back:
            self._tag = desk.pending.follow("deployment.status", {"name": self._name, "watch": True}, self._came(desk), self._over)
            self._ask_history(desk)

    def _own(self, desk: Desk) -> None:
        """Take the VMs that are its own out of the desk's list."""
        now = {vm_id: vm for vm_id, vm in desk.snapshot.vms.items() if vm.get("deployment") == self._name}
        changed = frozenset(vm_id for vm_id, vm in now.items() if self._vms.get(vm_id) is not vm)
        gone = frozenset(self._vms.keys() - now.keys())
        if changed or gone:
            self._vms = now
            self.update(now, Delta(changed, gone))

    def _came(self, desk: Desk) -> Came:
        def came(items: list[Any]) -> None:
            before, self._record = self._record, flat(items[-1])
            if before["revision"] != self._record["revision"]:
                self._ask_history(desk)

        return came

    def _over(self, result: Any) -> None:
        self._tag = 0
        if not isinstance(result, Fault) or isinstance(result, NoSuchDeployment):
            self._ended = "it was deleted; this is how it was last seen"

    def _ask_history(self, desk: Desk) -> None:
        def heard(result: Any) -> None:
            self._revisions = result

        desk.pending.call("deployment.history", {"name": self._name}, heard)

    def out_of_sight(self, records: Sequence[Record]) -> int:
        return 0  # what is done here is done with the deployment

    # --------------------------------------------------------------------------------------------------------------- looks

    def subtitle(self, desk: Desk) -> str:
        status = "gone" if self._ended else str(self._record["status"])
        return f"{desk.glyphs.state(status).sign} {status}"

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        tabs: list[Span] = [(" ", "")]
        for tab in TABS:
            tabs += [(f"[{tab.capitalize()}]" if tab == self._tab else f" {tab} ", "title" if tab == self._tab else "dim"), (" ", "")]
        head: list[Line] = [clipped(tuple(tabs), width)]
        if self._ended:
            head.append(((f"  {self._ended}", "warm"),))
        if self._tab == "history":
            return [*head, *self._history(desk, width, height - len(head))]
        head += [*about(desk, self._record, width, short=height < SHORT), ()]
        return [*head, *super().body(desk, width, max(2, height - len(head)))]

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        return [(("  it has no VMs", "dim"),)]

    def _history(self, desk: Desk, width: int, height: int) -> list[Line]:
        answer = self._revisions
        if answer is None or isinstance(answer, Fault):
            return [((f"  {harmless(answer.message) if answer is not None else 'asking ...'}", "dim"),)]
        basis = (id(answer), width, self._record["revision"], self._record["rolling_revision"])
        if basis != self._drawn:
            self._drawn = basis
            self._reader.replace(self._told(answer["items"], desk.wall(), width))
        return self._reader.view(max(1, height))

    def _told(self, items: list[Any], now: float, width: int) -> list[Line]:
        lines: list[Line] = []
        for at, each in enumerate(items):
            age = human.age(str(each["created_at"]), now=now)
            head = f"revision {each['revision']}  {each['note']}  {age} ago  {each['author']}"
            marks = [
                word
                for word, number in (("wanted", "revision"), ("rolled out", "rolling_revision"))
                if self._record[number] == each["revision"]
            ]
            lines.append(clipped(((harmless(head), "header"), (f"  {', '.join(marks)}", "good")), width))
            before = items[at + 1]["template"] if at + 1 < len(items) else {}
            lines += difference(before, each["template"], width) if before else _whole(each["template"], width)
        return lines

    def status(self, desk: Desk) -> list[str]:
        if self._tab == "history":
            return [self._reader.place]
        return super().status(desk)

    def copies(self, desk: Desk) -> list[Copyable]:
        return of_deployment(self._record)

    def command(self, desk: Desk) -> str:
        words = ("history",) if self._tab == "history" else ("status", "--watch")
        return shlex.join(("volant", "deployment", *words, self._name))

    # ---------------------------------------------------------------------------------------------------------------- keys

    def offers(self, desk: Desk, action: str) -> bool:
        return super().offers(desk, action) and (action != "open" or self._tab == "replicas")

    def act(self, desk: Desk, action: str) -> bool:
        if action in ("tab.next", "tab.previous", "deployment.history"):
            self._tab = "history" if action == "deployment.history" or self._tab == "replicas" else "replicas"
            return True
        if self._tab == "history" and self._reader.act(action):
            return True
        if action == "open" and self._tab == "replicas":
            if self.rows.selected:
                desk.open(VmScreen(self.rows.selected))
            return True
        if action in ("deployment.delete", "deployment.pause", "actions"):
            return deployment_action(desk, action, () if self._ended else (self._record,), self._record)
        return super().act(desk, action) or deployment_action(desk, action, (), None if self._ended else self._record)


def _whole(template: Mapping[str, Any], width: int) -> list[Line]:
    """The oldest revision that is kept, all that it says."""
    return difference({}, {name: value for name, value in template.items() if value not in (None, "", {}, [], ())}, width)
