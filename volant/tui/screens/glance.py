"""What the side pane shows of the VM under the cursor besides its record: the end of its console, and its latest events.

Both are asked for only when the cursor has rested, so that going through a list costs nothing, and then they are pushed. No I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volant.tui.lines import Line
from volant.tui.model import Record
from volant.tui.screens.vm_events import VmEvents

if TYPE_CHECKING:
    from volant.tui.console.attachment import Attachment
    from volant.tui.desk import Desk

REST_S = 0.3
"""How long the cursor has to stay on a VM: longer than between two keys of somebody who goes through the list."""
HISTORY_BYTES = 8_192
"""Of the console's end: more than a pane has lines for. A guest that prints more between two frames is shown from so far before its end."""
SCROLLBACK_LINES = 100
"""Kept above the terminal's screen: a pane has fewer lines."""
EVENTS = 20
"""Asked for: more than the pane has room for."""


class Glance:
    """`look` at a VM whenever the pane is drawn, `close` when it is not."""

    def __init__(self) -> None:
        self.events = VmEvents()
        self._id = ""
        self._since = 0.0
        self._boot = -1
        """The VM's start that was asked about; -1: none yet."""
        self._line: Attachment | None = None
        self._waiting = b""
        """Printed since the last frame."""
        self._tag = 0

    def look(self, desk: Desk, record: Record) -> None:
        """This VM is under the cursor."""
        if record["id"] != self._id:
            self.close(desk)
            self._id, self._since = str(record["id"]), desk.clock()
        if desk.past is not None or not desk.snapshot.is_live:
            self._boot = -1
        elif self._rested(desk) and not self._tag and self._boot != record["boot"]:
            self._boot = int(record["boot"])
            self._attach(desk, str(record["name"]))
            self.events.ask(desk, self._id, EVENTS)

    def close(self, desk: Desk) -> None:
        """Nobody looks any more."""
        if self._tag:
            desk.pending.forget(self._tag)
        self.events.forget(desk)
        self._id, self._boot, self._tag, self._line, self._waiting = "", -1, 0, None, b""

    def next_change_s(self, desk: Desk) -> float | None:
        """When the cursor will have rested."""
        waits = self._id and self._boot < 0 and desk.snapshot.is_live and desk.past is None
        return max(0.02, self._since + REST_S - desk.clock()) if waits else None

    def _rested(self, desk: Desk) -> bool:
        return desk.clock() - self._since >= REST_S

    def _attach(self, desk: Desk, name: str) -> None:
        # Imported when needed: no terminal emulator at the start.
        from volant.tui.console.attachment import Attachment
        from volant.tui.vt.terminal import Terminal

        if self._line is None:
            self._line = Attachment(Terminal(scrollback_lines=SCROLLBACK_LINES), offset=-HISTORY_BYTES)
        self._tag = desk.pending.attach(self._line.params(name), self._came, self._ended)

    def _came(self, items: list[Any]) -> None:
        if self._line is None:
            return
        for item in items:
            if isinstance(item, bytes):
                self._waiting = (self._waiting + item)[-HISTORY_BYTES:]
                self._line.offset += len(item)
            else:
                self._line.came([item])

    def _ended(self, result: Any) -> None:
        """The VM has no console now, or the daemon is gone: what was seen stays, until its next start."""
        self._tag = 0

    def console(self, width: int, rows: int) -> list[Line]:
        """The last lines that are not empty, as the guest wants them to look."""
        if self._line is None:
            return []
        from volant.tui.console.painting import painted

        terminal = self._line.terminal
        if self._waiting:
            terminal.feed(self._waiting)
            terminal.take_replies()  # who only looks answers none of the guest's questions
            self._waiting = b""
        end = terminal.end_line
        while end > terminal.first_line and not terminal.line(end - 1).plain().strip():
            end -= 1
        return [painted(terminal.line(number), width) for number in range(max(terminal.first_line, end - rows), end)]
