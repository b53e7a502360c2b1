"""One VM's serial line as a viewer has it: what came, what was lost, who types. Pure.

A call of `vm.console` begins with a `ConsolePlace`, and is made again from where the last one ended: after a restart of the daemon, and
when the keyboard is taken or given back. So nothing is shown twice, and what is missing is known to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from volant.tui.vt.terminal import Terminal

HISTORY_BYTES: Final = 262_144
"""Asked for when a console is opened: some thousand lines, parsed in a twentieth of a second."""
MAX_WAITING: Final = 65_536
"""Bytes typed that are kept until the keyboard is ours, which takes a millisecond; what is typed by hand never comes near."""

_CANCEL: Final = b"\x18"
"""Ends a control function that what is lost would have ended."""


class Outgoing(NamedTuple):
    """What is to be sent to the guest now."""

    data: bytes
    last: bool = False
    """The keyboard is given back behind it."""


NOTHING: Final = Outgoing(b"")


@dataclass(slots=True)
class Attachment:
    """`terminal` shows it."""

    terminal: Terminal
    offset: int = -HISTORY_BYTES
    """Of the next byte; until something came, how far from the end to begin."""
    lost: int = 0
    """Bytes that were printed faster than they could be shown, or while nobody listened, and are gone."""
    writer: str = ""
    """Who types; empty: nobody, or not known."""
    size: tuple[int, int] | None = None
    """Columns and rows that the guest was told last in this boot, by whomever; None: none, or not known."""
    wants_keyboard: bool = False
    holds_keyboard: bool = False
    """What is typed goes to the guest."""
    returning: bool = False
    """It was given back, and the daemon has not said so yet: until then it is held by nobody but us."""
    waiting: bytearray = field(default_factory=bytearray)
    """Typed while the keyboard was wanted, and not ours yet."""
    _asked: bool = False
    """The call under way asked for the keyboard, and has not given it back."""

    def params(self, name: str, *, force: bool = False) -> dict[str, Any]:
        """Parameters of the call that goes on from here."""
        self._asked = self.wants_keyboard
        return {"name": name, "write": self.wants_keyboard, "force": force, "from_offset": self.offset}

    def came(self, items: Iterable[bytes | dict[str, Any]]) -> Outgoing:
        """What the call brought, bytes or plain `ConsolePlace`s: what is to be sent to the guest now."""
        for item in items:
            if isinstance(item, bytes):
                self.terminal.feed(item)
                self.offset += len(item)
            else:
                self._placed(item["offset"], item.get("writer", ""))
                columns, rows = item.get("cols", 0), item.get("rows", 0)
                if columns and rows:  # a daemon that was restarted knows of none, and a guest that runs on keeps what it was told
                    self.size = columns, rows
        replies = self.terminal.take_replies()
        if not self.holds_keyboard:
            return NOTHING  # of several viewers only the one that types answers the guest's questions
        typed, self.waiting = bytes(self.waiting), bytearray()
        if not self.wants_keyboard:  # left before the keyboard came
            return Outgoing(typed, last=self._given_back())
        return Outgoing(typed + replies)

    def _placed(self, offset: int, writer: str) -> None:
        if 0 <= self.offset < offset:
            self.lost += offset - self.offset
            self.terminal.feed(_CANCEL)
        self.offset = offset
        self.writer = writer
        self.returning = False
        # The first place of a call that asked for the keyboard says that it is ours.
        self.holds_keyboard = self._asked

    def typed(self, data: bytes) -> bytes:
        """What of the typed bytes goes to the guest now; while the keyboard is not ours yet they wait."""
        if self.holds_keyboard:
            return data
        self.waiting += data[: MAX_WAITING - len(self.waiting)]
        return b""

    def leave(self) -> Outgoing:
        """The keyboard is not wanted any more; what was typed while it was asked for is sent when it comes, and then it is given back."""
        self.wants_keyboard = False
        return Outgoing(b"", last=self._given_back()) if self.holds_keyboard else NOTHING

    def _given_back(self) -> bool:
        self._asked = self.holds_keyboard = False
        self.returning = True
        return True

    def ended(self) -> None:
        """The call is over, and the keyboard not ours, nor wanted."""
        self.wants_keyboard = self.holds_keyboard = self.returning = self._asked = False
        self.waiting.clear()
        self.writer = ""
