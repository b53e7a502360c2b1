"""What streams have in common: one line may be chosen, is shown as a whole beside them, opens its VM, and leads to its moment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic

from volant.client.cli.text import harmless
from volant.proto.errors import Usage
from volant.tui import travelling
from volant.tui.lines import Line, filled, restyled
from volant.tui.overlays import CHOICE_KEYS, Choice, Menu
from volant.tui.screens.base import Copyable, Screen
from volant.tui.screens.detail import told
from volant.tui.screens.listing import PANE_FROM, PANE_GAP, beside_pane, side_by_side
from volant.tui.screens.picker import Picker
from volant.tui.screens.reader import T
from volant.tui.screens.vm import VmScreen
from volant.tui.screens.vm_pane import section

if TYPE_CHECKING:
    from volant.tui.desk import Desk


class StreamScreen(Screen, Generic[T]):
    """Subclasses say what a line is, and draw it."""

    contexts = ("stream", "text")

    def __init__(self) -> None:
        self._reader: Picker[T] = Picker()
        self._times = 0
        """What stands in front: the time of the clock, how long ago, nothing."""
        self._pane = True

    # ------------------------------------------------------------------------------------------------------ what a line is

    def fields_of(self, line: T) -> Mapping[str, Any]:
        """All that is known of it, by name."""
        raise NotImplementedError

    def vm_of(self, line: T) -> str:
        """Name of the VM that it is of; empty for none."""
        raise NotImplementedError

    def moment_of(self, line: T) -> str:
        """Its moment, as `past.moments` reads it."""
        raise NotImplementedError

    def drawn(self, desk: Desk, line: T, width: int) -> list[Line]:
        """It in one line, or in several."""
        raise NotImplementedError

    def nothing(self, desk: Desk, width: int) -> list[Line]:
        """What is shown where there is no line."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------------------------- looks

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        if not self._reader.shown:
            return self.nothing(desk, width)
        if width < PANE_FROM or not self._pane:
            return self._stream(desk, width, height)
        left = beside_pane(width)
        pane = self._beside(desk, width - left - PANE_GAP, height)
        return side_by_side(desk, self._stream(desk, left, height), pane, left, height)

    def _stream(self, desk: Desk, width: int, height: int) -> list[Line]:
        """What is seen of it; the chosen line whole, whatever long lines do to the others."""
        found: list[Line] = []
        end = height
        seen = self._reader.view(height)
        for at, line in enumerate(seen):
            rows = self.drawn(desk, line, width - 1)
            if at == self._reader.chosen:
                cursor = (desk.glyphs["cursor"], "")
                found += [restyled(filled((cursor if not row else (" ", ""), *each), width), "selected") for row, each in enumerate(rows)]
                end = max(height, len(found))
            else:
                found += [((" ", ""), *each) for each in rows]
        return found[-height:] if self._reader.following else found[end - height : end]

    def _beside(self, desk: Desk, width: int, height: int) -> list[Line]:
        """The chosen line, else the newest, with all that it says."""
        line = self._reader.line
        heading = section(desk, "newest line" if self._reader.following else "line", width)
        return [heading, *(told(self.fields_of(line), width) if line is not None else ())][:height]

    def status(self, desk: Desk) -> list[str]:
        reader = self._reader
        words = [f"filter {self.filter}"] if self.filter else []
        words.append(reader.place)
        if reader.held:
            words.append(f"held, {len(reader.waiting):,} wait: {desk.key_of('pause')} goes on, {desk.key_of('last')} jumps to the end")
        elif not reader.following:
            words.append(f"{desk.key_of('last')} follows the end")
        if reader.dropped:
            words.append(f"{reader.dropped:,} older ones dropped")
        return words

    def offers(self, desk: Desk, action: str) -> bool:
        line = self._reader.line
        if action in ("open", "stream.console"):
            return line is not None and bool(self.vm_of(line))
        if action == "last":
            return not self._reader.following or self._reader.held
        return super().offers(desk, action) and (action != "stream.moment" or line is not None)

    def copies(self, desk: Desk) -> list[Copyable]:
        line = self._reader.line
        if line is None:
            return []
        fields = dict(self.fields_of(line))
        text = str(fields.get("text") or fields.get("message") or "")
        return [Copyable("l", "line", text), Copyable("j", "line as JSON", json.dumps(fields, ensure_ascii=False))]

    # ---------------------------------------------------------------------------------------------------------------- keys

    def act(self, desk: Desk, action: str) -> bool:
        if action == "pause":
            self._reader.hold(not self._reader.held)
        elif action == "time":
            self._times = (self._times + 1) % 3
        elif action == "pane":
            self._pane = not self._pane
        elif action == "open":
            self._open(desk)
        elif action in ("stream.moment", "stream.console"):
            self._look_back(desk, console=action == "stream.console")
        else:
            return self._reader.act(action)
        return True

    def _open(self, desk: Desk) -> None:
        """The VM of the chosen line; while none is chosen one of those that are seen."""
        line = self._reader.line
        chosen = line is not None and not self._reader.following
        seen = [line] if chosen and line is not None else self._reader.view(self._reader.page)
        open_one_of(desk, [self.vm_of(each) for each in seen])

    def _look_back(self, desk: Desk, *, console: bool) -> None:
        """How things were when the line came: the VM's page, or what its console had said by then."""
        line = self._reader.line
        if line is None:
            return
        record = next((vm for vm in desk.snapshot.vms.values() if vm["name"] == self.vm_of(line)), None)
        if console and record is None:
            desk.say("its VM is no more, and its console went with it")
            return
        try:
            travelling.go_to(desk, self.moment_of(line))
        except Usage as fault:  # a guest says when its lines were written, and may say anything
            desk.say_fault(fault)
            return
        if record is not None:
            path: list[Screen] = [desk.home, VmScreen(str(record["id"]))]
            if console:
                from volant.tui.screens.past_output import PastConsole

                path.append(PastConsole(record))
            desk.go(tuple(path))


def open_one_of(desk: Desk, names: Sequence[str]) -> None:
    """Open the VM that is seen; of several, one to choose."""
    ids = {str(vm["name"]): str(vm["id"]) for vm in desk.snapshot.vms.values()}
    seen = [name for name in dict.fromkeys(reversed(names)) if name in ids]
    if not seen:
        desk.say("no VM that is here still exists")
    elif len(seen) == 1:
        desk.open(VmScreen(ids[seen[0]]))
    else:
        choices = [Choice(key, harmless(name), partial(_open, desk, ids[name])) for key, name in zip(CHOICE_KEYS, seen, strict=False)]
        desk.overlay = Menu("Open which VM?", choices)


def _open(desk: Desk, vm_id: str) -> None:
    desk.open(VmScreen(vm_id))
