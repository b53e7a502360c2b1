"""Shares of the CPU from two readings."""

from __future__ import annotations

from typing import Any

from volant.client.usage import shares

SECOND = 1_000_000_000


def reading(at_s: float, **cpu_s: tuple[int, float]) -> dict[str, Any]:
    """Of VMs: their boot, and the time they have run."""
    items = [{"id": name, "boot": boot, "cpu_ns": round(seconds * SECOND)} for name, (boot, seconds) in cpu_s.items()]
    return {"at_ns": round(at_s * SECOND), "items": items}


def test_time_used_is_a_share_of_the_time_that_passed() -> None:
    assert shares(reading(10, a=(1, 5), b=(1, 0)), reading(12, a=(1, 6), b=(1, 4))) == {"a": 50.0, "b": 200.0}


def test_a_vm_that_is_new_or_was_started_anew_has_no_share_yet() -> None:
    assert shares(reading(10, a=(1, 5)), reading(12, a=(2, 1), b=(1, 1))) == {}


def test_two_readings_of_one_moment_say_nothing() -> None:
    assert shares(reading(10, a=(1, 5)), reading(10, a=(1, 6))) == {}
