from __future__ import annotations

import random

import pytest

from volant.daemon.plugins.versions import version_key

IN_ORDER = [
    "0.9", "1.0-alpha", "1.0-alpha.1", "1.0-beta", "1.0-rc1", "1.0-rc2", "1.0-rc10", "1.0", "1.0+build1", "1.0+build2", "1.0.1",
    "1.2", "v1.9", "1.10", "2", "2.0", "10", "2024.1", "2024.01.2",
]  # fmt: skip


def test_newer_versions_sort_behind_older_ones() -> None:
    shuffled = IN_ORDER[:]
    random.Random(1).shuffle(shuffled)
    assert sorted(shuffled, key=version_key) == IN_ORDER


@pytest.mark.parametrize("version", ["latest", "main", "-", "a1b2", "1__2", "V"])
def test_any_text_has_a_place(version: str) -> None:
    assert sorted(["1.0", version], key=version_key)
