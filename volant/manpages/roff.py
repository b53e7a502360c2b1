"""Text as the `man` macros want it (groff_man(7)). Pure; whoever writes a page never sees a backslash or a dot of theirs obeyed."""

from __future__ import annotations

from collections.abc import Iterable

from volant import __version__

ENTRIES = tuple[str, ...]


def literal(text: str) -> str:
    """`text` within a line of roff, as it is: backslashes, and hyphens that are to be typed, which groff would make typographic."""
    return (
        text.replace("\\", "\\e")
        .replace("-", "\\-")
        .replace("'", "\\(aq")
        .replace("`", "\\(ga")
        .replace("^", "\\(ha")
        .replace("~", "\\(ti")
    )


def bold(text: str) -> str:
    """To be typed as it stands."""
    return f"\\fB{literal(text)}\\fR"


def italic(text: str) -> str:
    """To be replaced by a value."""
    return f"\\fI{literal(text)}\\fR"


def title(name: str, section: int, *, about: str) -> list[str]:
    """The head of a page: its name, and what it is about in one line. Without a date, so that a page changes only with its contents."""
    return [
        f'.TH "{literal(name.upper())}" {section} "" "Volant {__version__}" "Volant"',
        ".SH NAME",
        f"{literal(name)} \\- {literal(about)}",
    ]


def section(heading: str) -> str:
    return f'.SH "{literal(heading)}"'


def paragraph(text: str) -> list[str]:
    """Text that is filled, behind a heading; an empty line begins a new paragraph."""
    return [_line(literal(line)) if line else ".PP" for line in text.split("\n")]


def entry(term: str, text: str) -> list[str]:
    """A term, already in roff, with what it means below it."""
    return [".TP", _line(term), _line(literal(text) or "\\&")]


def example(lines: Iterable[str]) -> list[str]:
    """Lines as they stand, behind a heading."""
    return [".EX", *(_line(literal(line)) for line in lines), ".EE"]


def see_also(pages: Iterable[tuple[str, int]]) -> list[str]:
    """References to other pages."""
    return [section("SEE ALSO"), ",\n".join(f"{bold(name)}({number})" for name, number in pages)]


def page(*parts: Iterable[str]) -> str:
    """A whole page of its lines."""
    return "\n".join(line for part in parts for line in part) + "\n"


def _line(text: str) -> str:
    """A line that is no request, whatever it begins with."""
    return f"\\&{text}" if text[:1] in (".", "'") else text
