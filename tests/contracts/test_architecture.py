"""The page on architecture shows the table that the code has."""

from __future__ import annotations

from pathlib import Path

from volant.daemon.vms.lifecycle import mermaid

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"


def test_the_diagram_is_the_table() -> None:
    fresh = 'python -c "from volant.daemon.vms.lifecycle import mermaid; print(mermaid())"'
    assert f"```mermaid\n{mermaid()}```" in PAGE.read_text(), f"put the output of {fresh} into docs/architecture.md"
