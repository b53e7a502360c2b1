"""Text from elsewhere, made fit for a terminal: control characters shown instead of obeyed, and widths in columns.

Whatever a guest or another peer chose (log lines, labels, event messages, console excerpts in errors) could carry escape
sequences that move the cursor, set the window title or write to the clipboard. On a terminal they are shown as `\\x1b`.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Patterns as text: compiled when first used, since most output needs none.
# C0 and DEL, C1 (which some terminals obey), line separators, zero-width and bidirectional controls, surrogates.
_CONTROL = "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
_CONTROL_IN_BLOCK = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
_SGR = r"\x1b\[[0-9;:]*m"
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TSV = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TSV_SPECIAL = r"[\\\n\r\t]"

WORD_CHARS = 32
"""Longest text whose width is remembered: states with their signs, rules, names; a screen has them again and again."""
KEPT_WIDTHS = 1_024
"""Of such texts: more than a few screens have."""

RESET = "\x1b[0m"


def _shown(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    return _NAMED.get(char) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def harmless(text: str) -> str:
    """`text` as one line that no terminal obeys: every control character is spelled out."""
    return text if text.isascii() and text.isprintable() else re.sub(_CONTROL, _shown, text)


def harmless_block(text: str) -> str:
    """Like `harmless`, but line feeds and tabs stay: for text of several lines. A carriage return before a line feed goes."""
    return re.sub(_CONTROL_IN_BLOCK, _shown, text.replace("\r\n", "\n"))


def harmless_log_line(text: str, *, colour: bool) -> str:
    """One line of a workload's output: its colours stay where colours are wanted (and end with the line), the rest is spelled out."""
    if text.isascii() and text.isprintable():
        return text
    if not colour:
        return re.sub(_CONTROL_IN_BLOCK, _shown, re.sub(_SGR, "", text))
    plain = re.split(_SGR, text)
    if len(plain) == 1:
        return re.sub(_CONTROL_IN_BLOCK, _shown, text)
    marks = [*re.findall(_SGR, text), RESET]
    return "".join(re.sub(_CONTROL_IN_BLOCK, _shown, part) + mark for part, mark in zip(plain, marks, strict=True))


def tsv_field(text: str) -> str:
    """`text` as one field of tab-separated values: backslash, tab and line ends become backslash escapes."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return re.sub(_TSV_SPECIAL, lambda match: _TSV[match[0]], text)


def width_of(text: str) -> int:
    """How many columns `text` takes on a terminal: wide East Asian characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return _width_of_word(text) if len(text) <= WORD_CHARS else _width_of_characters(text)


def _width_of_characters(text: str) -> int:
    from unicodedata import combining, east_asian_width  # 1 MB of tables that an all-ASCII table does not need

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


_width_of_word = lru_cache(KEPT_WIDTHS)(_width_of_characters)


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns; what was cut off shows as an ellipsis."""
    if width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    kept = text[: width - 1]  # no character is narrower than a column but marks, so longer never fits
    while width_of(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """`text` filled up with blanks to `width` columns."""
    fill = " " * (width - width_of(text))
    return fill + text if right else text + fill


def lines_lost(count: int) -> str:
    """What is said of a gap in the numbers of a workload's lines."""
    return (
        f"{count} {'line' if count == 1 else 'lines'} of output {'is' if count == 1 else 'are'} lost: the guest keeps the newest ones only"
    )
