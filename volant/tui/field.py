"""A line that is being typed: text and cursor, and what editing keys do to it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

MAX_CHARS = 4_096
"""Longest line: a command line of a few hundred names. Pastes are cut."""


@dataclass(frozen=True, slots=True)
class Field:
    """`at` is the cursor: the index of the character under it, or the length of the text."""

    text: str = ""
    at: int = 0

    @staticmethod
    def of(text: str) -> Field:
        """A line with the cursor behind it."""
        return Field(text, len(text))

    def insert(self, text: str) -> Field:
        """With `text` at the cursor; line breaks become blanks."""
        text = "".join(" " if char in "\n\t" else char for char in text if char.isprintable() or char in "\n\t")
        text = text[: max(0, MAX_CHARS - len(self.text))]
        return Field(self.text[: self.at] + text + self.text[self.at :], self.at + len(text))

    def edit(self, action: str) -> Field | None:
        """What the action of context `line` makes of it; None for one that doesn't edit."""
        before, after = self.text[: self.at], self.text[self.at :]
        match action:
            case "left":
                return replace(self, at=max(0, self.at - 1))
            case "right":
                return replace(self, at=min(len(self.text), self.at + 1))
            case "home":
                return replace(self, at=0)
            case "end":
                return replace(self, at=len(self.text))
            case "backspace":
                return Field(before[:-1] + after, max(0, self.at - 1))
            case "erase":
                return Field(before + after[1:], self.at)
            case "erase.word":
                kept = before.rstrip()
                kept = kept[: kept.rfind(" ") + 1]
                return Field(kept + after, len(kept))
            case "erase.all":
                return Field(after, 0)
        return None


class Past:
    """Lines typed before, to go through with the arrow keys."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self._at = len(lines)
        self._draft = ""

    def begin(self) -> None:
        """A new line is begun."""
        self._at, self._draft = len(self.lines), ""

    def add(self, line: str) -> None:
        """Remember a line that was carried out, once."""
        if line in self.lines:
            self.lines.remove(line)
        self.lines.append(line)
        self.begin()

    def step(self, current: str, by: int) -> str:
        """The line `by` steps newer (older when negative) than where we are; after the newest comes what was being typed."""
        if self._at == len(self.lines):
            self._draft = current
        self._at = max(0, min(len(self.lines), self._at + by))
        return self._draft if self._at == len(self.lines) else self.lines[self._at]
