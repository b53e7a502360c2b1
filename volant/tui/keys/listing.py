"""The keys as text: for `volant tui --keys`, and for docs/tui.md.

python -m volant.tui.keys.listing docs/tui.md   writes the table into the page anew
"""

from __future__ import annotations

import sys
from pathlib import Path

from volant.tui.keys.bindings import BINDINGS, CONTEXTS, shown_key

COMMAND = "python -m volant.tui.keys.listing docs/tui.md"
"""What brings the committed page up to date."""
_BEGIN, _END = f"<!-- Written by `{COMMAND}`; don't edit. -->\n", "<!-- end of the keys -->\n"


def listing() -> str:
    """One line for each action: `context.action`, its keys, its help. The first word is what `tui.toml` calls it."""
    return "\n".join(
        f"{f'{context}.{binding.id}':<24} {','.join(binding.keys):<18} {binding.help}"
        for context, bindings in BINDINGS.items()
        for binding in bindings
    )


def tables() -> str:
    """The keys as Markdown, a table for each context."""
    parts = []
    for context, heading in CONTEXTS.items():
        rows = [f"| {_keys(binding.keys)} | {_cell(binding.help)} | `{context}.{binding.id}` |" for binding in BINDINGS[context]]
        parts.append("\n".join([f"**{heading}**", "", "| keys | action | id |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def _keys(keys: tuple[str, ...]) -> str:
    return " ".join(f"<kbd>{_cell(shown_key(key))}</kbd>" for key in keys)


def _cell(text: str) -> str:
    return text.replace("|", "&#124;").replace("<", "&lt;")


def renewed(page: str) -> str:
    """The page with the tables as they are now."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{tables()}\n{_END}{after}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text()))
