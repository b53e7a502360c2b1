"""Callers who want the same thing at the same time share one attempt to make it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(eq=False, slots=True)
class _Flight(Generic[V]):
    """One thing that is being made, and how many wait for it."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    waiting: int = 0
    results: list[V] = field(default_factory=list)


class Shared(Generic[K, V]):
    """The first caller of a key makes the value in its own task; those who come meanwhile get the same.

    When the first one fails or is cancelled, the next of them tries again: nobody suffers from another's cancellation.
    """

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}

    async def get(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """The value of `key`, made by `make` unless somebody makes it already."""
        flight = self._flights.setdefault(key, _Flight())
        flight.waiting += 1
        try:
            async with flight.lock:
                if not flight.results:
                    flight.results.append(await make())
                return flight.results[0]
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                del self._flights[key]
