"""How many cells a character takes, and runs of characters of one width."""

from __future__ import annotations

import re
from typing import Final

from volant.tui.vt.width_table import WIDE, ZERO

PAD: Final = "\uffff"
"""Stands in a line's text for the second cell of a wide character. A noncharacter, which no guest can print."""

_UNPRINTABLE: Final = f"\x80-\x9f\u2028\u2029\ufffe{PAD}"
"""C1 controls (their 8-bit forms don't exist in UTF-8), separators and noncharacters: without a width in glibc, dropped by tmux."""

RUNS: Final = re.compile(f"([ -~]+)|([{WIDE}]+)|([{ZERO}]+)|([{_UNPRINTABLE}]+)|[^ -~{WIDE}{ZERO}{_UNPRINTABLE}]+")
"""Cuts text without control characters into runs; `lastindex` of a match says which kind it is."""
RUN_OF_ASCII, RUN_OF_WIDE, RUN_OF_ZERO, RUN_OF_UNPRINTABLE = 1, 2, 3, 4

_WIDE: Final = re.compile(f"[{WIDE}]")
_HALVES: Final = re.compile(f"([{WIDE}]{PAD})|[{WIDE}{PAD}]")


def whole(text: str) -> str:
    """The cells of a line with a blank for every half of a wide character that lost its other half."""
    return text if text.isascii() else _HALVES.sub(lambda found: found[1] or " ", text)


def is_wide(character: str) -> bool:
    """Whether it takes two cells."""
    return _WIDE.match(character) is not None
