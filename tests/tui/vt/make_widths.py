"""Makes volant/tui/vt/width_table.py from this interpreter's Unicode data.

    .venv/bin/python tests/tui/vt/make_widths.py > volant/tui/vt/width_table.py

The rule is glibc's (its `localedata/unicode-gen/utf8_gen.py`), because glibc's `wcwidth` is what tmux and the programs in a guest
ask. Code points that glibc doesn't know yet have to be shown too: those of blocks that hold nothing but wide characters are wide.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from itertools import groupby

JAMO = [*range(0x1160, 0x1200), *range(0xD7B0, 0xD800)]
"""Vowels and trailing consonants of Hangul, which join the leading one's cell."""
PREPENDED = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Format characters with a shape of their own (Prepended_Concatenation_Mark)."""
SOFT_HYPHEN = 0xAD
CIRCLED, HEXAGRAMS = range(0x3248, 0x3250), range(0x4DC0, 0x4E00)
"""Wide by glibc's rule, against their neutral or ambiguous East Asian width."""
RESERVED_WIDE = [*range(0x1FA70, 0x1FB00), *range(0x20000, 0x2FFFE), *range(0x30000, 0x3FFFE)]
"""Blocks of emoji and ideographs whose free places will be wide too."""


def is_zero(code: int) -> bool:
    category = unicodedata.category(chr(code))
    if code in JAMO:
        return category != "Cn"
    return category in ("Mn", "Me") or (category == "Cf" and code != SOFT_HYPHEN and code not in PREPENDED)


def is_wide(code: int) -> bool:
    if is_zero(code):
        return False
    if code in CIRCLED or code in HEXAGRAMS:
        return True
    if unicodedata.category(chr(code)) == "Cn":
        return code in RESERVED_WIDE
    return unicodedata.east_asian_width(chr(code)) in "WF"


def ranges(wanted: Callable[[int], bool]) -> list[tuple[int, int]]:
    """First and last code point of every run of those that are `wanted`."""
    codes = [code for code in range(0xA0, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000 and wanted(code)]
    groups = [[code for _, code in group] for _, group in groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0])]
    return [(group[0], group[-1]) for group in groups]


def module() -> str:
    """The text of the module."""
    lines = [
        '"""Widths of characters; made by tests/tui/vt/make_widths.py from Unicode data by glibc\'s rule, not edited by hand."""',
        "",
        "from __future__ import annotations",
        "",
        f'UNICODE = "{unicodedata.unidata_version}"',
        '"""The version of the data."""',
        "",
    ]
    for name, wanted, meaning in (("ZERO", is_zero, "no cell"), ("WIDE", is_wide, "two cells")):
        escaped = [f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges(wanted)]
        lines += [f"{name} = ("]
        lines += [f'    "{"".join(escaped[at : at + 6])}"' for at in range(0, len(escaped), 6)]
        lines += [")", f'"""Inside of a character class of `re`: those that take {meaning}."""', ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(module(), end="")
