"""The CPUs' times, from what the kernel writes."""

from __future__ import annotations

import pytest

from volant.daemon.host.load import CpuTimes, parse_stat, read_cpu

STAT = b"cpu  1000 10 500 8000 400 5 20 65 300 0\ncpu0 500 5 250 4000 200 2 10 32 150 0\nintr 1 2 3\n"


def test_guests_times_count_once_and_waiting_is_idle() -> None:
    assert parse_stat(STAT) == CpuTimes(busy=1600, total=10_000)


@pytest.mark.parametrize(("busy", "total", "percent"), [(0, 100, 0.0), (31, 100, 31.0), (100, 100, 100.0), (-3, 100, 0.0), (0, 0, 0.0)])
def test_the_share_of_the_time_between_two_looks(busy: int, total: int, percent: float) -> None:
    assert CpuTimes(1_000 + busy, 5_000 + total).percent_since(CpuTimes(1_000, 5_000)) == pytest.approx(percent)


def test_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="no line of all CPUs"):
        parse_stat(b"intr 1 2 3\n")


def test_this_host_has_run() -> None:
    now = read_cpu()
    assert 0 < now.busy < now.total
