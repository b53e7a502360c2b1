"""The look of a guest's cells in Rich's terms."""

from __future__ import annotations

from typing import Final

from rich.color import Color
from rich.style import Style as RichStyle

from volant.tui.console.painting import read
from volant.tui.vt.styles import DEFAULT_COLOUR, RGB, Attribute

_UNDERLINED: Final = int(
    Attribute.UNDERLINE | Attribute.CURLY_UNDERLINE | Attribute.DOTTED_UNDERLINE | Attribute.DASHED_UNDERLINE | Attribute.DOUBLE_UNDERLINE
)
"""All drawn as one line: terminals that lack the others would show a colour instead."""


def rich_style(name: str, plain: RichStyle, *, colours: bool) -> RichStyle:
    """The style of a name that `painting.named` gave, on top of what plain text looks like; without `colours` its attributes alone."""
    style = read(name)
    has = style.attributes
    return plain + RichStyle(
        color=_colour(style.foreground) if colours else None,
        bgcolor=_colour(style.background) if colours else None,
        bold=bool(has & Attribute.BOLD) or None,
        dim=bool(has & Attribute.DIM) or None,
        italic=bool(has & Attribute.ITALIC) or None,
        blink=bool(has & Attribute.BLINK) or None,
        reverse=bool(has & Attribute.REVERSE) or None,
        conceal=bool(has & Attribute.CONCEAL) or None,
        strike=bool(has & Attribute.STRIKE) or None,
        overline=bool(has & Attribute.OVERLINE) or None,
        underline=bool(has & _UNDERLINED) or None,
    )


def _colour(number: int) -> Color | None:
    if number == DEFAULT_COLOUR:
        return None
    if number & RGB:
        return Color.from_rgb(number >> 16 & 255, number >> 8 & 255, number & 255)
    return Color.from_ansi(number)
