"""The orchestrator with its rooms, on a fake host and on a clock of the test's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ensemble import Ensemble, no_threads
from volant.proto.specs.states import NetworkMode


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[Ensemble]:
    with no_threads():
        yield Ensemble(tmp_path)


@pytest.fixture
def bridged(ensemble: Ensemble) -> Ensemble:
    """The same, its VMs on a bridge."""
    ensemble.network = NetworkMode.BRIDGED
    return ensemble
