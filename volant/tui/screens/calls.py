"""What a VM's workload can be asked: its plugin's actions, the operations of its OpenAPI document, and the calls that were made before."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault, NoSuchVm
from volant.tui.calling.answer import Answer
from volant.tui.calling.form import Form, Target, targets
from volant.tui.calling.kept import Made
from volant.tui.calling.openapi import MAX_DOCUMENT_BYTES, Operation, parse
from volant.tui.lines import Line, clipped, filled, restyled
from volant.tui.model import Record
from volant.tui.screens.base import Screen
from volant.tui.screens.call import AnswerScreen, FormScreen, kept
from volant.tui.screens.cursor import Cursor

if TYPE_CHECKING:
    from volant.tui.desk import Desk


class CallsScreen(Screen):
    """Known by the VM's name, since calls are remembered by it."""

    contexts = ("calls",)
    hints = ("open", "call.send", "copy")

    def __init__(self, record: Record) -> None:
        self._vm = str(record["name"])
        self._record = record
        self._cursor = Cursor()
        self._actions: list[Any] | None = None
        self._operations: tuple[Operation, ...] = ()
        self._fault: Fault | None = None
        self._remark = ""
        """Why there are no operations."""

    @classmethod
    def opened(cls, desk: Desk, argument: str) -> CallsScreen:
        record = next((vm for vm in desk.snapshot.vms.values() if vm["name"] == argument), None)
        if record is None:
            raise NoSuchVm(argument)
        return cls(record)

    @property
    def title(self) -> str:
        return f"call {self._vm}"

    # ---------------------------------------------------------------------------------------------------------- asking

    def shown(self, desk: Desk) -> None:
        if self._actions is None and desk.snapshot.is_live:
            desk.pending.call("vm.actions", {"name": self._vm}, self._listed)
            plugin = {"name": self._record["plugin"], "version": self._record["plugin_version"]}
            desk.pending.call("plugin.show", plugin, lambda result: self._shown_plugin(desk, result))

    def _listed(self, result: Any) -> None:
        if isinstance(result, Fault):
            self._fault = result
        else:
            self._actions, self._fault = result["items"], None

    def _shown_plugin(self, desk: Desk, result: Any) -> None:
        """Look for the OpenAPI document where the manifest says it is: at the workload itself, or in a file of this host."""
        manifest = {} if isinstance(result, Fault) else result["manifest"]
        place, base = str(manifest.get("openapi") or ""), str((manifest.get("workload") or {}).get("base_url") or "").rstrip("/")
        if not place:
            return
        if base and place.startswith(f"{base}/"):
            if desk.read_only:
                self._remark = "its OpenAPI document is not asked for: read-only"
                return
            path = place.removeprefix(base)
            desk.pending.send({"name": self._vm, "method": "GET", "path": path}, None, self._answered)
        elif place.startswith(("/", "file:///")):
            desk.pending.read(place.removeprefix("file://"), MAX_DOCUMENT_BYTES, self._document)
        else:
            self._remark = f"its OpenAPI document at {place} is not fetched: only the workload's own and files of this host are read"

    def _answered(self, result: Any) -> None:
        if isinstance(result, Answer) and result.status != 200:
            self._remark = f"its OpenAPI document: the workload answered {result.summary}"
        else:
            self._document(result.body if isinstance(result, Answer) else result)

    def _document(self, result: Any) -> None:
        try:
            if isinstance(result, Fault):
                raise result
            self._operations = parse(result)
        except Fault as fault:
            self._remark = f"its OpenAPI document: {fault.message}"

    # ----------------------------------------------------------------------------------------------------------- looks

    def _targets(self) -> list[Target]:
        return targets(self._actions or (), self._operations)

    def subtitle(self, desk: Desk) -> str:
        return str(desk.snapshot.vms.get(str(self._record["id"]), {}).get("status", "gone"))

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        found, made = self._targets(), kept(desk).of(self._vm)
        head: list[Line] = [((f"  {'CALL':<20} {'REQUEST':<30} WHAT", "header"),)]
        rows: list[Line] = [_target_line(each) for each in found]
        rows += [_made_line(each, desk.wall()) for each in made]
        notes: list[Line] = []
        if self._fault is not None:
            notes += [((f"  {harmless(self._fault.message)}", "bad"),), ((f"  {harmless(self._fault.hint)}", "dim"),)]
        elif self._actions is None:
            notes.append((("  asking ...", "dim"),))
        elif not found:
            notes.append((("  its plugin declares no actions; :vm call takes any request", "dim"),))
        if self._remark:
            notes.append(((f"  {harmless(self._remark)}", "warm"),))
        if made:
            notes.append(((f"  {len(made)} made before, newest first, below {len(found)} that are declared", "dim"),))
        seen = self._cursor.view(len(rows), max(1, height - len(head) - len(notes)))
        drawn: list[Line] = []
        for at in seen:
            chosen = at == self._cursor.at
            line: Line = ((desk.glyphs["cursor"] if chosen else " ", ""), *rows[at])
            drawn.append(restyled(filled(line, width), "selected") if chosen else line)
        return [clipped(line, width) for line in (*head, *drawn, *notes)]

    def command(self, desk: Desk) -> str:
        return shlex.join(["volant", "vm", "actions", self._vm])

    def status(self, desk: Desk) -> list[str]:
        return [harmless(self._vm), f"{len(self._targets())} to call", f"{len(kept(desk).of(self._vm))} made before"]

    # ------------------------------------------------------------------------------------------------------------ keys

    def act(self, desk: Desk, action: str) -> bool:
        found, made = self._targets(), kept(desk).of(self._vm)
        if self._cursor.act(action, len(found) + len(made)):
            return True
        if action not in ("open", "call.send"):
            return False
        form = self._chosen(found, made)
        if form is None:
            desk.say("there is nothing to call")
            return True
        screen = FormScreen(self._vm, form)
        if action == "open" or form.obstacle:
            desk.open(screen)
        elif not desk.refuses("call"):
            desk.go((*desk.path, screen, AnswerScreen(screen)))
        return True

    def _chosen(self, found: list[Target], made: list[Made]) -> Form | None:
        at = self._cursor.at
        if at < len(found):
            return Form.of(found[at])
        return made[at - len(found)].form(found) if at - len(found) < len(made) else None


def _target_line(target: Target) -> Line:
    name = target.action or "-"
    request = f"{target.method:<6} {target.path}"
    return ((f" {harmless(name):<20} ", "name"), (f"{harmless(request):<30} ", "dim"), (harmless(target.description), ""))


def _made_line(made: Made, now: float) -> Line:
    values = " ".join(f"{name}={value}" for _, name, value in made.values if value is not None)
    ago = human.age(made.time, now=now)
    return ((f" {harmless(made.title):<20} ", "cool"), (f"{ago + ' ago':<10} {harmless(made.outcome):<30} ", "dim"), (harmless(values), ""))
