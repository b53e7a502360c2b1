"""A stage to play on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.daemon.deployments.stage import Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage().playing() as stage:
        yield stage
