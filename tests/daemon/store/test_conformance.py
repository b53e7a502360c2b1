"""Both stores pass the kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.store import MemoryStore
from tests.kits.store import StoreKit
from volant.daemon.ports import Store
from volant.daemon.store.store import open_store


class TestSqliteStore(StoreKit):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        async with open_store(tmp_path / "volant.db") as store:
            yield store


class TestMemoryStore(StoreKit):
    @pytest.fixture
    async def store(self) -> Store:
        return MemoryStore()
