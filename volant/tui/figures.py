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


def sparkline(values: Sequence[float], width: int, top: float, glyphs: Glyphs) -> str:
    """The newest `width` values, the oldest of them first, each as a level between 0 and `top`; blanks where there are none yet."""
    levels = _ASCII_LEVELS if glyphs.ascii else _EIGHTHS
    shown = list(values)[-width:] if width > 0 else []
    signs = [levels[min(len(levels) - 1, max(0, int(value / top * len(levels))))] if top > 0 else levels[0] for value in shown]
    return "".join(signs).rjust(width)
