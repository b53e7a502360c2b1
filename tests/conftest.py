"""What tests of several rooms share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes import echo

# Kits hold assertions; have pytest explain those too.
pytest.register_assert_rewrite("tests.kits")

# On a busy machine an example takes many times as long as on an idle one, and is no worse for it.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A path short enough for a socket, whatever the name of the test."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "s"


@pytest.fixture
def journal(socket_path: Path) -> Iterator[echo.Journal]:
    """What the echo service that runs at `socket_path` notes."""
    with echo.serving(socket_path) as journal:
        yield journal
