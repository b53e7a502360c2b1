"""A bash command line up to its cursor, read as bash would, unfinished quotes and all; and words written so that bash reads them. Pure.

bash hands a completion nothing but the line, and what it puts in place is only the end of the word: what stands behind the quote that is
open, or behind the last of the characters that break words for completion (COMP_WORDBREAKS, `:` and `=` among them).
"""

from __future__ import annotations

_SPECIAL = frozenset(" \t\"'\\`$!&;|()<>*?[]{}~#^%=:@,+")
_PLAIN = frozenset("=:@,+%^")
"""Special to completion only: written as they are."""
_SPECIAL_IN_DOUBLE = frozenset('"\\`$')


class Line:
    """The words before the cursor, and the one at it: what is `typed` of it, how much of that bash keeps, and the open quote."""

    __slots__ = ("is_redirection", "kept", "quote", "typed", "words")

    def __init__(self, words: list[str], typed: str, kept: int, quote: str, is_redirection: bool) -> None:
        self.words, self.typed, self.kept, self.quote, self.is_redirection = words, typed, kept, quote, is_redirection


def read(line: str, breaks: str) -> Line:
    """The line up to the cursor, the command's own word included."""
    words: list[str] = []
    typed, quote = "", ""
    kept = 0
    begun = redirected = False
    at = 0
    while at < len(line):
        char = line[at]
        at += 1
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and line[at : at + 1] in _SPECIAL_IN_DOUBLE and at < len(line):
                typed += line[at]
                at += 1
            else:
                typed += char
        elif char in "'\"":
            quote, begun, kept = char, True, len(typed)
        elif char == "\\" and at < len(line):
            typed, begun = typed + line[at], True
            at += 1
        elif char.isspace() or char in "<>":
            if begun and not redirected:
                words.append(typed)
            redirected = char in "<>" or (redirected and not begun)
            typed, begun, kept = "", False, 0
        else:
            typed, begun = typed + char, True
            kept = len(typed) if char in breaks else kept
    return Line(words, typed, kept, quote, redirected)


def written(line: Line, word: str, *, is_whole: bool) -> str:
    """What bash is to put where the cursor is, so that the word there becomes `word`; with a blank behind a whole one."""
    rest = word[line.kept :]
    if line.quote == "'":
        return rest.replace("'", "'\\''")
    if line.quote == '"':
        return "".join(f"\\{char}" if char in _SPECIAL_IN_DOUBLE else char for char in rest)
    escaped = "".join(f"\\{char}" if char in _SPECIAL - _PLAIN else char for char in rest)
    return f"{escaped} " if is_whole else escaped
