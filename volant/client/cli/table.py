"""Tables that fit their terminal: a pure function from rows and a width to lines."""

from __future__ import annotations

from collections.abc import Callable

from volant.client.cli.text import cut, harmless, pad, width_of

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

GAP = "  "
_MIN_FLEXIBLE = 8
"""Narrower than this a name says nothing; then a less needed column goes instead."""


class Column:
    """One column: `show` gives a cell for people, `raw` (else the record's `key`) the value for machines.

    - `flexible`: it may be cut where the terminal is narrow
    - `keep`: when room is short the column with the lowest goes first; 9 never goes
    - `wide`: only in `-o wide`
    - `sparse`: left out of a table where no record has it
    - `paint`: the SGR parameters for a cell of this text, empty for none
    """

    __slots__ = ("flexible", "keep", "key", "paint", "raw", "right", "show", "sparse", "title", "wide")

    def __init__(
        self,
        title: str,
        key: str,
        show: Callable[[dict[str, Any]], str] | None = None,
        raw: Callable[[dict[str, Any]], object] | None = None,
        right: bool = False,
        flexible: bool = False,
        keep: int = 9,
        wide: bool = False,
        sparse: bool = False,
        paint: Callable[[str], str] | None = None,
    ) -> None:
        self.title, self.key, self.show, self.raw, self.paint = title, key, show, raw, paint
        self.right, self.flexible, self.keep, self.wide, self.sparse = right, flexible, keep, wide, sparse

    def cell(self, record: dict[str, Any]) -> str:
        """What a person sees: one harmless line, `-` where there is nothing."""
        value = self.show(record) if self.show else record.get(self.key)
        return harmless(str(value)) if value not in ("", None) else "-"

    def value(self, record: dict[str, Any]) -> object:
        """What a program sees: the record's own value."""
        return self.raw(record) if self.raw else record.get(self.key)


def render(columns: list[Column], records: list[dict[str, Any]], *, width: int | None, header: bool, colour: bool) -> list[str]:
    """The table's lines. `width` None: as wide as it takes; else columns are cut, then left out, until a line fits."""
    cells = [[column.cell(record) for column in columns] for record in records]
    natural = [max([width_of(column.title) if header else 0, *(width_of(row[at]) for row in cells)]) for at, column in enumerate(columns)]
    shown, widths = fit(columns, natural, width) if width is not None else (list(range(len(columns))), natural)
    lines = []
    if header:
        titles = GAP.join(pad(cut(columns[at].title, widths[at]), widths[at], right=columns[at].right) for at in shown).rstrip()
        lines.append(f"\x1b[1m{titles}\x1b[0m" if colour else titles)
    for row in cells:
        parts = []
        for at in shown:
            column = columns[at]
            last = at == shown[-1] and not column.right
            text = cut(row[at], widths[at])
            padded = text if last else pad(text, widths[at], right=column.right)
            style = column.paint(row[at]) if colour and column.paint else ""
            parts.append(f"\x1b[{style}m{padded}\x1b[0m" if style else padded)
        lines.append(GAP.join(parts).rstrip())
    return lines


def fit(columns: list[Column], natural: list[int], width: int) -> tuple[list[int], list[int]]:
    """Which columns stay, and how wide each may be, for lines of at most `width`."""
    shown = list(range(len(columns)))
    least = [min(taken, _MIN_FLEXIBLE) if column.flexible else taken for column, taken in zip(columns, natural, strict=True)]
    while sum(least[at] for at in shown) + len(GAP) * (len(shown) - 1) > width:
        going = min(shown, key=lambda at: (columns[at].keep, -at))
        if columns[going].keep == 9:
            break
        shown.remove(going)
    widths = list(natural)
    over = sum(widths[at] for at in shown) + len(GAP) * (len(shown) - 1) - width
    while over > 0:
        longest = max((at for at in shown if columns[at].flexible and widths[at] > 1), key=lambda at: widths[at], default=None)
        if longest is None:
            break
        widths[longest] -= 1
        over -= 1
    return shown, widths
