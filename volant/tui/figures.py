"""Figures as rows of signs: bars and sparklines. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from volant.tui.glyphs import Glyphs

_EIGHTHS, _ASCII_LEVELS = "▁▂▃▄▅▆▇█", "_.:-=+*#"


def bar(done: float, total: float, width: int, glyphs: Glyphs) -> str:
    """How much of the whole is done. It is full only when all is, and empty only when nothing is."""
    share = min(1.0, max(0.0, done / total)) if total > 0 else 0.0
    full = int(share * width)
    if share > 0 and full == 0 and width > 1:
        full = 1
    return glyphs["full"] * full + glyphs["empty"] * (width - full)


def graph(values: Sequence[float], width: int, rows: int, top: float, glyphs: Glyphs) -> list[str]:
    """The newest `width` values as columns, `rows` lines high, the highest line first."""
    shown = list(values)[-width:] if width > 0 else []
    heights = [value / top * rows if top > 0 else 0.0 for value in shown]
    return [sparkline([height - row for height in heights], width, 1.0, glyphs, blank=row > 0) for row in reversed(range(rows))]


def sparkline(values: Sequence[float], width: int, top: float, glyphs: Glyphs, *, blank: bool = False) -> str:
    """The newest `width` values, the oldest of them first, each as a level between 0 and `top`; blanks where there are none yet, and with
    `blank` where they are not above 0."""
    levels = _ASCII_LEVELS if glyphs.ascii else _EIGHTHS
    shown = list(values)[-width:] if width > 0 else []
    steps = [min(len(levels) - 1, max(0, int(value / top * len(levels)))) if top > 0 else 0 for value in shown]
    signs = [" " if blank and value <= 0 else levels[step] for value, step in zip(shown, steps, strict=True)]
    return "".join(signs).rjust(width)
