"""Network namespaces for tests.

@pytest.fixture
def netns() -> Iterator[NetNs]:
    with fresh_netns() as namespace:
        yield namespace
"""

from __future__ import annotations

from volant.selftest.namespaces import NetNs, fresh_netns, new_netns

__all__ = ["NetNs", "fresh_netns", "new_netns"]
