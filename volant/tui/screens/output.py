"""The output of a `volant` command, line by line as it comes: what the command bar runs is seen here, and what `l` follows."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.lines import Line, wrapped
from volant.tui.screens.base import Screen
from volant.tui.screens.reader import Reader

if TYPE_CHECKING:
    from volant.tui.desk import Desk


class OutputScreen(Screen):
    """Runs the command when it is made, and ends it when it is left; coming back runs nothing again."""

    contexts = ("stream", "text")
    hints = ("pause", "wrap", "last")

    def __init__(self, desk: Desk, words: tuple[str, ...], *, title: str) -> None:
        self._words, self._title = words, title
        self._reader: Reader[str] = Reader(follow="--follow" in words or "-f" in words or "watch" in words)
        self._wraps = False
        self._ended = ""
        self._tag = desk.pending.run(words, self._came, self._over, foreground=False)

    @property
    def title(self) -> str:
        return self._title

    def _came(self, lines: list[str]) -> None:
        self._reader.add(harmless(line) for line in lines)

    def _over(self, result: object) -> None:
        self._tag = 0
        self._ended = result.message if isinstance(result, Fault) else f"exit {result}" if result else "done"

    def hidden(self, desk: Desk) -> None:
        if self._tag:
            desk.pending.forget(self._tag)
            self._tag, self._ended = 0, "ended, since it was left"

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        lines = self._reader.view(height)
        if not lines:
            return [((f"  volant {harmless(shlex.join(self._words))}: {self._ended or 'nothing yet ...'}", "dim"),)]
        if not self._wraps:
            return [((line, ""),) for line in lines]
        pieces = [piece for line in lines for piece in wrapped(line, width)]
        return [((piece, ""),) for piece in (pieces[-height:] if self._reader.following else pieces[:height])]

    def subtitle(self, desk: Desk) -> str:
        return self._ended or "running"

    def command(self, desk: Desk) -> str:
        return shlex.join(("volant", *self._words))

    def status(self, desk: Desk) -> list[str]:
        reader = self._reader
        words = [reader.place]
        if reader.held:
            words.append(f"held, {len(reader.waiting)} lines wait: {desk.key_of('pause')} goes on, {desk.key_of('last')} jumps to the end")
        if reader.dropped:
            words.append(f"{reader.dropped} older lines dropped")
        return words

    def act(self, desk: Desk, action: str) -> bool:
        if action == "pause":
            self._reader.hold(not self._reader.held)
        elif action == "wrap":
            self._wraps = not self._wraps
        else:
            return self._reader.act(action)
        return True
