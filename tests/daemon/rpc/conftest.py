"""The echo service for these tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import echo


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A path short enough for a socket, whatever the name of the test."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "s"


@pytest.fixture
def journal(socket_path: Path) -> Iterator[echo.Journal]:
    with echo.serving(socket_path) as journal:
        yield journal
