"""What one measurement says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the benchmarks' report."""

    name: str
    measured: float
    """In `unit`."""
    unit: str
    peer_name: str
    """What was measured beside it in the same run; empty for none."""
    peer: float
    """The peer's figure in `unit`; 0 for none."""
    ratio: float
    """measured / peer; 0 without a peer."""
    goal: str
    """The bound in words, for example `<= 10 ms`."""
    ok: bool
