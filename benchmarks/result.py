"""What one measurement says, beside the floor or peer measured in the same run."""

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

    def line(self) -> str:
        """The report's line: name, measured, peer or floor, ratio, goal, ok or miss."""
        beside = f"{self.peer_name} {_number(self.peer)} {self.unit}" if self.peer_name else "-"
        ratio = f"x{self.ratio:.2f}" if self.ratio else "-"
        measured = f"{_number(self.measured)} {self.unit}"
        return f"{self.name:<44} {measured:>16}  {beside:<34} {ratio:>7}  {self.goal:<18} {'ok' if self.ok else 'miss'}"


def at_least(name: str, measured: float, unit: str, goal: float, *, peer_name: str = "", peer: float = 0.0) -> Result:
    """A figure that should be high."""
    return Result(name, measured, unit, peer_name, peer, measured / peer if peer else 0.0, f">= {_number(goal)} {unit}", measured >= goal)


def at_most(name: str, measured: float, unit: str, goal: float, *, peer_name: str = "", peer: float = 0.0) -> Result:
    """A figure that should be low."""
    return Result(name, measured, unit, peer_name, peer, measured / peer if peer else 0.0, f"<= {_number(goal)} {unit}", measured <= goal)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values don't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
