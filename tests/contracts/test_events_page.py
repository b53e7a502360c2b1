"""The page about events knows every kind that the daemon makes."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
KIND = re.compile(r'"((?:VM|DEPLOYMENT|PLUGIN|SYSTEM)_[A-Z_]+)"')


def test_every_kind_of_event_is_on_the_page() -> None:
    page = (ROOT / "docs" / "events.md").read_text()
    made = {kind for path in (ROOT / "volant" / "daemon").rglob("*.py") for kind in KIND.findall(path.read_text())}
    assert "VM_READY" in made
    told = set(re.findall(r"[A-Z]+_[A-Z_]+", page)) | {f"DEPLOYMENT{short}" for short in re.findall(r"`(_[A-Z]+)`", page)}
    assert made - told == set(), "docs/events.md lists the kinds"
