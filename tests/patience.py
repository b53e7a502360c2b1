"""Waiting for what another process, thread or task does: asked again and again, for as long as a busy machine may need."""

from __future__ import annotations

import time
from collections.abc import Callable

import trio

PATIENCE_S = 90.0
"""For guests that boot under emulation on a machine four times slower. A test that passes never waits that long."""

_AGAIN_S = 0.02


def until(holds: Callable[[], object]) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come about in {PATIENCE_S:g} s")
        time.sleep(_AGAIN_S)


async def wait_until(holds: Callable[[], object]) -> None:
    """The same on trio's clock, a mocked one too."""
    deadline = trio.current_time() + PATIENCE_S
    while not holds():
        if trio.current_time() > deadline:
            raise AssertionError(f"it did not come about in {PATIENCE_S:g} s")
        await trio.sleep(_AGAIN_S)
