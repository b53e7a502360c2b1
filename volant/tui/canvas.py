"""The one widget: shows lines, and writes only those that are different from the last time."""

from __future__ import annotations

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from volant.tui.lines import Line
from volant.tui.themes import Look


class Canvas(Widget):
    """As large as the screen. `show` hands it the lines; `render_line` is Textual's line API."""

    DEFAULT_CSS = "Canvas { width: 100%; height: 100%; }"
    can_focus = False

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._lines: list[Line] = []
        self._strips: list[Strip] = []

    def show(self, lines: list[Line], look: Look) -> int:
        """Draw these lines; how many of them were different."""
        if look is not self._look or len(lines) != len(self._lines):
            self._look, self._lines = look, lines
            self._strips = [self._strip(line) for line in lines]
            self.refresh()
            return len(lines)
        changed = [at for at, line in enumerate(lines) if line != self._lines[at]]
        if changed:
            self._lines = lines
            for at in changed:
                self._strips[at] = self._strip(lines[at])
            width = self.size.width
            self.refresh(*(Region(0, at, width, 1) for at in changed))
        return len(changed)

    def render_line(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self._look[""])

    def _strip(self, line: Line) -> Strip:
        return Strip([Segment(text, self._look[style]) for text, style in line if text])
