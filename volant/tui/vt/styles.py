"""How a cell looks: its colours and attributes, and SGR, the control function that changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntFlag
from typing import Final, NamedTuple

DEFAULT_COLOUR: Final = -1
"""The viewer's own foreground or background."""
RGB: Final = 1 << 24
"""Set in a colour that is 24-bit red, green, blue; without it, 0 to 255 is a place in the palette of xterm's 256."""


class Attribute(IntFlag):
    """What SGR switches on besides colours."""

    BOLD = 1
    DIM = 2
    ITALIC = 4
    BLINK = 8
    REVERSE = 16
    CONCEAL = 32
    STRIKE = 64
    OVERLINE = 128
    UNDERLINE = 256
    DOUBLE_UNDERLINE = 512
    CURLY_UNDERLINE = 1024
    DOTTED_UNDERLINE = 2048
    DASHED_UNDERLINE = 4096


class Style(NamedTuple):
    """The look of one cell. Colours are DEFAULT_COLOUR, 0 to 255, or RGB | 0xRRGGBB."""

    foreground: int = DEFAULT_COLOUR
    background: int = DEFAULT_COLOUR
    underline_colour: int = DEFAULT_COLOUR
    attributes: int = 0
    """Of `Attribute`; a plain int, because making flags costs more than all else that is done with them."""


DEFAULT: Final = Style()

Parameters = tuple[int | tuple[int | None, ...] | None, ...]
"""Of a control sequence: numbers, None for one left out, tuples for those with colons (sub-parameters)."""

_UNDERLINES: Final = int(
    Attribute.UNDERLINE | Attribute.DOUBLE_UNDERLINE | Attribute.CURLY_UNDERLINE | Attribute.DOTTED_UNDERLINE | Attribute.DASHED_UNDERLINE
)
_UNDERLINE_STYLES: Final = (
    0,
    int(Attribute.UNDERLINE),
    int(Attribute.DOUBLE_UNDERLINE),
    int(Attribute.CURLY_UNDERLINE),
    int(Attribute.DOTTED_UNDERLINE),
    int(Attribute.DASHED_UNDERLINE),
)
"""By the second number of `4:n`."""

_SWITCHES: Final[dict[int, tuple[int, int]]] = {
    1: (0, int(Attribute.BOLD)),
    2: (0, int(Attribute.DIM)),
    3: (0, int(Attribute.ITALIC)),
    4: (_UNDERLINES, int(Attribute.UNDERLINE)),
    5: (0, int(Attribute.BLINK)),
    6: (0, int(Attribute.BLINK)),
    7: (0, int(Attribute.REVERSE)),
    8: (0, int(Attribute.CONCEAL)),
    9: (0, int(Attribute.STRIKE)),
    21: (_UNDERLINES, int(Attribute.DOUBLE_UNDERLINE)),
    22: (int(Attribute.BOLD | Attribute.DIM), 0),
    23: (int(Attribute.ITALIC), 0),
    24: (_UNDERLINES, 0),
    25: (int(Attribute.BLINK), 0),
    27: (int(Attribute.REVERSE), 0),
    28: (int(Attribute.CONCEAL), 0),
    29: (int(Attribute.STRIKE), 0),
    53: (0, int(Attribute.OVERLINE)),
    55: (int(Attribute.OVERLINE), 0),
}
"""SGR number to the attributes that it clears and those that it then sets."""

_FOREGROUND, _BACKGROUND, _UNDERLINE_COLOUR = 0, 1, 2
_COLOURS: Final[dict[int, tuple[int, int]]] = {
    **{30 + n: (_FOREGROUND, n) for n in range(8)},
    **{40 + n: (_BACKGROUND, n) for n in range(8)},
    **{90 + n: (_FOREGROUND, 8 + n) for n in range(8)},
    **{100 + n: (_BACKGROUND, 8 + n) for n in range(8)},
    39: (_FOREGROUND, DEFAULT_COLOUR),
    49: (_BACKGROUND, DEFAULT_COLOUR),
    59: (_UNDERLINE_COLOUR, DEFAULT_COLOUR),
}
"""SGR number to the field of the three colours, and its new value."""
_EXTENDED: Final = {38: _FOREGROUND, 48: _BACKGROUND, 58: _UNDERLINE_COLOUR}
_PALETTE_FORM, _RGB_FORM = 5, 2


def select_graphic_rendition(style: Style, parameters: Parameters) -> Style:
    """The style after `CSI parameters m`. What isn't known or is out of range changes nothing, as in tmux."""
    colours = list(style[:3])
    attributes = style.attributes
    rest = list(reversed(parameters)) or [0]
    while rest:
        parameter = rest.pop()
        if isinstance(parameter, tuple):
            attributes = _with_colons(parameter, colours, attributes)
            continue
        number = parameter or 0
        if number == 0:
            colours, attributes = list(DEFAULT[:3]), 0
        elif number in _SWITCHES:
            cleared, added = _SWITCHES[number]
            attributes = attributes & ~cleared | added
        elif number in _COLOURS:
            field, colour = _COLOURS[number]
            colours[field] = colour
        elif number in _EXTENDED:
            _extended(_EXTENDED[number], rest, colours)
    return Style(colours[0], colours[1], colours[2], attributes)


def _extended(field: int, rest: list[int | tuple[int | None, ...] | None], colours: list[int]) -> None:
    """`38;5;n` and `38;2;r;g;b`, whose later numbers are taken from the end of `rest`."""
    form = rest.pop() if rest else None
    if form == _PALETTE_FORM:
        number = rest.pop() if rest else None
        colours[field] = _palette(number)
    elif form == _RGB_FORM and len(rest) >= 3:
        colour = _rgb(rest[-1], rest[-2], rest[-3])
        if colour is not None:
            colours[field] = colour
            del rest[-3:]


def _with_colons(parameter: tuple[int | None, ...], colours: list[int], attributes: int) -> int:
    """`4:n`, `38:5:n`, `38:2:r:g:b` and `38:2:space:r:g:b`; changes `colours`, returns the attributes."""
    kind, *values = parameter
    if kind == 4 and len(values) == 1 and values[0] is not None and 0 <= values[0] < len(_UNDERLINE_STYLES):
        return attributes & ~_UNDERLINES | _UNDERLINE_STYLES[values[0]]
    field = _EXTENDED.get(kind if kind is not None else -1)
    if field is None or len(values) < 2:
        return attributes
    if values[0] == _PALETTE_FORM:
        colours[field] = _palette(values[1])
    elif values[0] == _RGB_FORM:
        # Four values have no colour space before the three; that was KDE's reading of the standard, and is still met.
        triple = values[1:4] if len(values) == 4 else values[2:5]
        colour = _rgb(*triple) if len(triple) == 3 else None
        if colour is not None:
            colours[field] = colour
    return attributes


def _palette(number: object) -> int:
    return number if isinstance(number, int) and 0 <= number <= 255 else DEFAULT_COLOUR


def _rgb(red: object, green: object, blue: object) -> int | None:
    if isinstance(red, int) and isinstance(green, int) and isinstance(blue, int) and max(red, green, blue) <= 255:
        return RGB | red << 16 | green << 8 | blue
    return None


COLLECT_AT: Final = 16_384
"""Styles held before those that no cell uses any more are dropped: some 4 MB."""
MAX_STYLES: Final = 0x110000
"""The code points there are. Both screens at their largest (`screen.MAX_COLUMNS` by `MAX_ROWS`) have fewer cells."""


class StyleTable:
    """Numbers the styles in use, so that a line holds one character for each cell's style: the code point is the number.

    A line's styles are then a str that is cut and joined as fast as its text. Number 0 is always the default style.
    """

    def __init__(self) -> None:
        self.styles: list[Style] = [DEFAULT]
        self._marks = {DEFAULT: "\0"}
        self._collect_at = COLLECT_AT

    def mark(self, style: Style) -> str:
        """The character that stands for the style."""
        mark = self._marks.get(style)
        if mark is None:
            mark = self._marks[style] = chr(len(self.styles))
            self.styles.append(style)
        return mark

    @property
    def full(self) -> bool:
        """Whether it is time to `collect`."""
        return len(self.styles) >= self._collect_at

    def collect(self, used: Iterable[str]) -> Callable[[str], str]:
        """Forget every style whose mark isn't in `used`; returns what turns marks made before into those valid now."""
        old = self.styles
        kept = set().union(*used) - {"\0"}
        self.styles = [DEFAULT, *(old[ord(mark)] for mark in kept)]
        self._marks = {style: chr(number) for number, style in enumerate(self.styles)}
        self._collect_at = max(COLLECT_AT, 2 * len(self.styles))
        renumbered = {ord(mark): number for number, mark in enumerate(kept, start=1)}
        return lambda marks: marks.translate(renumbered)
