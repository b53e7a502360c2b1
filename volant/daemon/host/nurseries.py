"""A nursery for helpers of a block: they end with it, and what went wrong is raised as it is, not inside a group."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def helpers() -> AsyncIterator[trio.Nursery]:
    """Leaving the block cancels the helpers. The first failure, the block's own or a helper's, cancels the rest and is raised bare.

    Use it where one failure is all there is to say; a nursery of equals keeps its group.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _leaf(group) from None


def _leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first failure in the group that is not a cancellation; a cancellation where there is nothing else."""
    leaves: list[BaseException] = []
    todo: list[BaseException] = [group]
    while todo:
        error = todo.pop(0)
        if isinstance(error, BaseExceptionGroup):
            todo[:0] = error.exceptions
        else:
            leaves.append(error)
    return next((error for error in leaves if not isinstance(error, trio.Cancelled)), leaves[0])
