"""What the launchers' tests share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for VMs' sockets: those have 107 bytes for their paths, of which pytest's folders may take most, by test and worker."""
    with tempfile.TemporaryDirectory(prefix="vl-") as folder:
        yield Path(folder)
