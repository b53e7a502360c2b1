"""Home: the list of VMs, live."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from volant.client.cli.text import harmless
from volant.proto.specs.filter import VM_FIELDS
from volant.tui import columns
from volant.tui.lines import Line, wrapped
from volant.tui.model import Delta, Phase, Record
from volant.tui.screens.base import Copyable
from volant.tui.screens.listing import ListScreen
from volant.tui.screens.vm_facts import of_vm, pane

if TYPE_CHECKING:
    from volant.tui.desk import Desk

_BAD = ("failed", "crashed")


class VmsScreen(ListScreen):
    """The VMs as `vm.watch` tells them."""

    contexts = ("vms", "list")
    hints = ("open", "vm.console", "vm.attach", "vm.logs", "actions", "filter", "mark", "sort", "copy")
    fields = VM_FIELDS
    in_past = True
    title = "vms"
    columns = columns.VM
    noun = "VM"

    def records(self, desk: Desk) -> Mapping[str, Record]:
        return desk.snapshot.vms

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        self.update(desk.snapshot.vms, delta)

    def copies(self, desk: Desk) -> list[Copyable]:
        return of_vm(self.rows.record)

    def command(self, desk: Desk) -> str:
        words = ["volant", "vm", "list", *(["--filter", self.filter] if self.filter else [])]
        return shlex.join(words)

    def beside(self, desk: Desk, record: Record | None, width: int, height: int) -> list[Line]:
        return pane(desk, record, width, height)

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        link, snapshot = desk.snapshot.link, desk.snapshot
        if snapshot.listed:
            return [
                (("  No VMs yet.", "name"),),
                (),
                (("  n", "key"), ("         make one of a plugin that is installed", "")),
                (
                    ("  :", "key"),
                    ("         any command, for example ", ""),
                    ("plugin list", "name"),
                    (" shows what they can be made of", ""),
                ),
                (("  ?", "key"), ("         the keys", "")),
                (),
                (("  or in a shell:  ", ""), ("volant plugin install ./plugin.json", "name")),
                (("                  ", ""), ("volant run hello web-1", "name")),
            ]
        if link.phase is not Phase.LOST:
            return [((f"  {'asking for the list' if link.phase is Phase.LISTING else 'connecting to'} {harmless(desk.place)} ...", "dim"),)]
        told: list[Line] = [((f"  {desk.glyphs['lost']} no daemon answers at {harmless(desk.place)}", "bad"),), ()]
        told += [((f"  {piece}", ""),) for piece in wrapped(harmless(link.reason), width - 4)]
        told += [((f"  {piece}", "name"),) for piece in wrapped(harmless(link.hint), width - 4)]
        told += [(), (("  It is tried again by itself; ", "dim"), ("Ctrl-R", "key"), (" tries now.", "dim"))]
        return told

    def act(self, desk: Desk, action: str) -> bool:
        if action == "problem":
            self._to_problem(desk)
            return True
        return super().act(desk, action) or desk.vm_action(action, self.victims(), self.rows.record)

    def _to_problem(self, desk: Desk) -> None:
        bad = [vm for vm in desk.snapshot.vms.values() if vm["status"] in _BAD]
        newest = max(bad, key=lambda vm: str(vm.get("stopped_at") or vm.get("started_at") or ""), default=None)
        if newest is None:
            desk.say("nothing has failed")
        elif not self.rows.select(str(newest["id"])):
            desk.say(f"{harmless(str(newest['name']))} is hidden by the filter")
