"""The line at the bottom while something is typed: a filter or a command, with completion, history, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from volant.client.cli.text import cut, harmless
from volant.proto.errors import Fault
from volant.tui.commands import Completion
from volant.tui.field import Field, Past
from volant.tui.lines import Line, clipped, wrapped

MAX_CHOICES = 6
"""Completions shown above the line; the rest is counted."""


class Prompt(Enum):
    """What is being typed."""

    FILTER = "/"
    COMMAND = ":"


@dataclass(slots=True)
class Bar:
    """`changed` hears every change of the text and may raise a Fault that says what is wrong, `accepted` the text at the end."""

    prompt: Prompt
    changed: Callable[[str], None]
    accepted: Callable[[str], None]
    cancelled: Callable[[], None]
    past: Past
    completing: Callable[[str, int], Completion] = lambda line, at: Completion(at, ())
    """What the word at the cursor of a line could become."""
    field: Field = field(default_factory=Field)
    fault: Fault | None = None
    choices: Completion | None = None
    _round: int = 0

    def act(self, action: str) -> bool:
        """Do what an action of context `line` means to the text; whether the bar stays open."""
        if action == "cancel":
            self.cancelled()
            return False
        if action == "accept":
            return not self._accept()
        if action == "complete":
            self._complete()
        elif action in ("older", "newer"):
            self._set(Field.of(self.past.step(self.field.text, -1 if action == "older" else 1)))
        elif action == "backspace" and not self.field.text:
            self.cancelled()
            return False
        elif (edited := self.field.edit(action)) is not None:
            self._set(edited)
        return True

    def insert(self, text: str) -> None:
        """Something was typed or pasted."""
        self._set(self.field.insert(text))

    def _set(self, changed: Field) -> None:
        same = changed.text == self.field.text
        self.field, self.choices = changed, None
        if not same:
            self._try(self.changed)

    def _try(self, hear: Callable[[str], None]) -> bool:
        self.fault = None
        try:
            hear(self.field.text)
        except Fault as fault:
            self.fault = fault
        return self.fault is None

    def _accept(self) -> bool:
        text = self.field.text.strip()
        if not text and self.prompt is Prompt.COMMAND:
            self.cancelled()
            return True
        taken = self._try(self.accepted)
        if taken and text:
            self.past.add(text)
        return taken

    def _complete(self) -> None:
        """The first Tab completes as far as it is certain; further ones go round the choices."""
        again = self.choices
        found = again or self.completing(self.field.text, self.field.at)
        if not found.choices:
            return
        word = self.field.text[found.start : self.field.at]
        if again is None and (len(found.common) > len(word) or len(found.choices) == 1):
            chosen = found.common + (" " if len(found.choices) == 1 and not found.common.endswith((":", "=", ".")) else "")
            kept = found if len(found.choices) > 1 else None
            self._round = 0
        else:
            chosen, kept = found.choices[self._round % len(found.choices)][0], found
            self._round += 1
        after = self.field.text[self.field.at :]
        self.field = Field(self.field.text[: found.start] + chosen + after, found.start + len(chosen))
        self.choices, self.fault = kept, None

    def lines(self, width: int, room: int, pointer: str) -> list[Line]:
        """What belongs above the line (at most `room`), and the line itself; `pointer` is the sign that points down at it."""
        if self.fault is not None:
            return [*self._wrong(self.fault, width, room, pointer), self._line(width)]
        above: list[Line] = []
        shown = self.choices or (self.completing(self.field.text, self.field.at) if self.prompt is Prompt.COMMAND else None)
        if shown is not None:
            listed = shown.choices[:MAX_CHOICES]
            above += [((f"  {cut(harmless(word), 20):<20}  ", "panel.key"), (help, "dim")) for word, help in listed]
            if len(shown.choices) > MAX_CHOICES:
                above.append(((f"  and {len(shown.choices) - MAX_CHOICES} more", "dim"),))
        above = above[-room:] if room > 0 else []
        return [*(clipped(line, width) for line in above), self._line(width)]

    @staticmethod
    def _wrong(fault: Fault, width: int, room: int, pointer: str) -> list[Line]:
        """What is wrong and what helps, and right above the line the place that it is about."""
        if room < 1:
            return []
        told: list[Line] = [((piece, "bad"),) for piece in wrapped(harmless(fault.message), width)]
        told += [((piece, "dim"),) for piece in wrapped(harmless(fault.hint), width) if fault.hint]
        at = min(int(fault.data.get("at", 0)) + 1, max(0, width - 2))
        return [*told[: max(1, room - 1)], *([((" " * at + pointer, "bad"),)] if room > 1 else [])]

    def _line(self, width: int) -> Line:
        """The prompt and as much of the text around the cursor as fits."""
        text, at = self.field.text, self.field.at
        first = max(0, at - (width - 3))
        shown = text[first : first + width - 2]
        inside = at - first
        return (
            (self.prompt.value, "prompt"),
            (harmless(shown[:inside]), ""),
            (harmless(shown[inside : inside + 1]) or " ", "cursor"),
            (harmless(shown[inside + 1 :]), ""),
        )
