"""Home: the list of VMs, live."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.proto.specs.filter import MEASURED_VM_FIELDS, VM_FIELDS
from volant.proto.specs.filter import parse as parse_filter
from volant.tui import columns
from volant.tui.lines import Line, clipped, wrapped
from volant.tui.model import Delta, Phase, Record
from volant.tui.readings import EVERY_MS, Readings
from volant.tui.screens.base import Copyable
from volant.tui.screens.glance import Glance
from volant.tui.screens.listing import ListScreen
from volant.tui.screens.vm_facts import event_line, of_vm
from volant.tui.screens.vm_pane import pane

if TYPE_CHECKING:
    from volant.tui.desk import Desk

_BAD = ("failed", "crashed")
PROBLEM_FROM, EVENTS_FROM = 12, 24
"""Lines of the list from which one below it tells what failed last, and one what happened last."""
_SORTS = {"name": "name", "plugin": "plugin", "ip": "ip", "cpu_cores": "cpu", "memory_mb": "memory"}
"""Columns by which the command sorts as well, in the same order, and what it calls them."""


class VmsScreen(ListScreen):
    """The VMs as `vm.watch` tells them."""

    contexts = ("vms", "list")
    hints = ("open", "vm.console", "actions", "vm.logs", "filter", "vm.attach", "mark", "sort", "copy", "new")
    fields = MEASURED_VM_FIELDS
    in_past = True
    title = "vms"
    columns = columns.VM
    keyed_by_id = True
    noun = "VM"

    def __init__(self) -> None:
        super().__init__()
        self._readings: Readings | None = None
        """What VMs cost the host; None: nobody wants to know."""
        self._meter = 0
        self._merged: dict[str, Record] = {}
        """The records with those figures."""
        self._glance = Glance()
        self._newest: tuple[object, Record | None] = (None, None)
        """What failed last, of this list of VMs."""

    def records(self, desk: Desk) -> Mapping[str, Record]:
        return self._merged if self._readings is not None and desk.past is None else desk.snapshot.vms

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        if self._readings is not None and desk.past is None:
            vms = desk.snapshot.vms
            if delta.whole or len(self._merged) + delta.added - len(delta.gone) != len(vms):
                self._merged = {vm_id: self._with_figures(vm) for vm_id, vm in vms.items()}
                delta = replace(delta, whole=True)
            else:
                self._merged = {vm_id: vm for vm_id, vm in self._merged.items() if vm_id not in delta.gone}
                self._merged |= {vm_id: self._with_figures(vms[vm_id]) for vm_id in delta.changed}
            self._measure(desk)
        self.update(self.records(desk), delta)

    def shown(self, desk: Desk) -> None:
        super().shown(desk)
        self._measure(desk)

    def hidden(self, desk: Desk) -> None:
        self._glance.close(desk)
        self._stop_measuring(desk)

    def _stop_measuring(self, desk: Desk) -> None:
        if self._meter:
            desk.pending.forget(self._meter)
        self._meter = 0

    # --------------------------------------------------------------------------------------------------------------- usage

    def _with_figures(self, vm: Record) -> Record:
        last = self._readings.of.get(str(vm["id"])) if self._readings is not None else None
        return {**vm, "cpu_percent": last[-1].cpu_percent, "resident_mb": last[-1].memory_bytes / (1 << 20)} if last else vm

    def _toggle_usage(self, desk: Desk) -> None:
        self._readings = Readings() if self._readings is None else None
        self.columns = columns.VM_WITH_USAGE if self._readings is not None else columns.VM
        self._merged = {}
        if self._readings is None:
            self._stop_measuring(desk)
            if self.sorted_by not in {column.id for column in self.columns}:
                self.sort_as("name", reverse=False)
        self.refreshed(desk, Delta(whole=True))

    def _measure(self, desk: Desk) -> None:
        if self._readings is None or self._meter or not desk.snapshot.is_live or desk.screen is not self:
            return

        def read(items: list[Any]) -> None:
            if self._readings is not None:
                for item in items:
                    self._readings.take(item)
                self.refreshed(desk, Delta(changed=frozenset(desk.snapshot.vms)))

        def over(result: Any) -> None:
            self._meter = 0
            if isinstance(result, Fault) and desk.snapshot.is_live and self._readings is not None:
                self._toggle_usage(desk)  # an older daemon does not measure; asking again would not help
                desk.say_fault(result)

        self._meter = desk.pending.follow("vm.stats_watch", {"every_ms": EVERY_MS}, read, over)

    def copies(self, desk: Desk) -> list[Copyable]:
        return of_vm(self.rows.record)

    def command(self, desk: Desk) -> str:
        words = ["volant", "vm", "list"]
        with suppress(Fault):  # fields of what VMs cost are the UI's own
            parse_filter(self.filter, VM_FIELDS, dict.get)
            words += ["--filter", self.filter] if self.filter else []
        field = _SORTS.get(self.sorted_by, "")
        if field and (field != "name" or self.reverse):
            words.append(f"--sort={'-' * self.reverse}{field}")
        return shlex.join(words)

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        if not self.has_pane(width):
            self._glance.close(desk)
        return super().body(desk, width, height)

    def beside(self, desk: Desk, record: Record | None, width: int, height: int) -> list[Line]:
        if record is None:
            return []
        self._glance.look(desk, record)
        readings = self._readings.of.get(str(record["id"]), ()) if self._readings is not None and desk.past is None else ()
        return pane(desk, record, self._glance, readings, width, height)

    def below(self, desk: Desk, width: int, height: int) -> list[Line]:
        """What failed last, and on a large terminal what happened last."""
        lines: list[Line] = []
        failed = self._problem(desk)
        if failed is not None and height >= PROBLEM_FROM:
            when = str(failed.get("stopped_at") or failed.get("started_at") or "")[:16].replace("T", " ")
            why = (failed.get("error") or {}).get("message") or failed.get("reason") or ""
            words = f" {harmless(str(failed['name']))} {failed['status']} {when}: {harmless(str(why))}"
            lines.append(clipped(((f" {desk.key_of('problem')}", "bad"), (words, "bad")), width))
        newest = desk.snapshot.events[-1:] if height >= EVENTS_FROM else ()
        return [*lines, *(clipped(((" ", ""), *event_line(event, width - 1, vm=True, short=True)), width) for event in newest)]

    def _problem(self, desk: Desk) -> Record | None:
        """The VM that failed last; looked for once in each list."""
        vms = desk.snapshot.vms
        if self._newest[0] is not vms:
            bad = [vm for vm in vms.values() if vm["status"] in _BAD] if desk.counts[1] else []
            last = max(bad, key=lambda vm: str(vm.get("stopped_at") or vm.get("started_at") or ""), default=None)
            self._newest = (vms, last)
        return self._newest[1]

    def next_change_s(self, desk: Desk) -> float | None:
        waits = (super().next_change_s(desk), self._glance.next_change_s(desk))
        return min((wait for wait in waits if wait is not None), default=None)

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        link, snapshot = desk.snapshot.link, desk.snapshot
        if desk.past is not None:
            return [(("  There was no VM at this moment, as far as events tell.", "dim"),)]
        if snapshot.listed:
            return [
                (("  No VMs yet.", "name"),),
                (),
                ((f"  {desk.key_of('new'):<9}", "key"), (" make one of a plugin that is installed", "")),
                ((f"  {desk.key_of('screens')} {'p':<7}", "key"), (" the plugins; there one is installed", "")),
                ((f"  {desk.key_of('command'):<9}", "key"), (" any command, as after `volant` in a shell", "")),
                ((f"  {desk.key_of('help'):<9}", "key"), (" the keys", "")),
                (),
                (("  or in a shell:  ", ""), ("volant plugin install ./plugin.json", "name")),
                (("                  ", ""), ("volant vm create web-1 --plugin hello", "name")),
            ]
        if not link.is_lost:
            return [((f"  {'asking for the list' if link.phase is Phase.LISTING else 'connecting to'} {harmless(desk.place)} ...", "dim"),)]
        told: list[Line] = [((f"  {desk.glyphs['lost']} not connected to {harmless(desk.place)}", "bad"),), ()]
        told += [((f"  {piece}", ""),) for piece in wrapped(harmless(link.reason), width - 4)]
        told += [((f"  {piece}", "name"),) for piece in wrapped(harmless(link.hint), width - 4)]
        told += [(), (("  It is tried again by itself; ", "dim"), (desk.key_of("resync"), "key"), (" tries now.", "dim"))]
        return told

    def act(self, desk: Desk, action: str) -> bool:
        if action in ("problem", "usage"):
            (self._to_problem if action == "problem" else self._toggle_usage)(desk)
            return True
        return super().act(desk, action) or desk.vm_action(action, self.victims(), self.rows.record)

    def _to_problem(self, desk: Desk) -> None:
        newest = self._problem(desk)
        if newest is None:
            desk.say("nothing has failed")
        elif not self.rows.select(str(newest["id"])):
            desk.say(f"{harmless(str(newest['name']))} is hidden by the filter")
