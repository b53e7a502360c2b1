"""When a serial line printed what: noted about once a second, found again by the next daemon, and bounded."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.daemon.consoles.test_console import Vmm
from volant.daemon.consoles import times as times_module
from volant.daemon.consoles.console import LATE_LOOKS_S, Console
from volant.daemon.consoles.times import MAX_MARKS, ConsoleTimes

WALL = 1_769_860_800.0
QUIET_S = sum(LATE_LOOKS_S) + 0.1
"""After so long without a byte everything is noted."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "console.times"


def held(vmm: Vmm) -> Console:
    """A console whose wall clock goes with trio's."""
    return Console("0123456789ab", vmm.log, wall=lambda: WALL + trio.current_time())


async def test_what_was_printed_is_found_by_its_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    vmm = Vmm(tmp_path / "console.log")
    async with trio.open_nursery() as nursery:
        console = held(vmm)
        began = WALL + trio.current_time()
        nursery.start_soon(console.hold, vmm.host)
        await trio.testing.wait_all_tasks_blocked()
        await vmm.print(b"booting\n")
        await trio.sleep(10)
        await vmm.print(b"ready\n")
        await trio.sleep(QUIET_S)
        (first, at), (end, later) = console.times(0)
        assert (first, end) == (8, 14)
        assert at == pytest.approx(began * 1000, abs=10)
        assert later == pytest.approx((began + 10) * 1000, abs=10)
        assert console.times(8) == ((end, later),)
        nursery.cancel_scope.cancel()


async def test_a_guest_that_prints_all_the_while_is_noted_once_a_second(tmp_path: Path, autojump_clock: MockClock) -> None:
    vmm = Vmm(tmp_path / "console.log")
    async with trio.open_nursery() as nursery:
        console = held(vmm)
        nursery.start_soon(console.hold, vmm.host)
        for _ in range(300):
            await vmm.print(b"x" * 100)
            await trio.sleep(0.1)
        await trio.sleep(QUIET_S)
        marks = console.times(0)
        assert 25 <= len(marks) <= 35
        assert marks[-1][0] == 30_000
        nursery.cancel_scope.cancel()


async def test_the_next_daemon_goes_on_and_knows_when_the_guest_last_printed_meanwhile(tmp_path: Path, autojump_clock: MockClock) -> None:
    vmm = Vmm(tmp_path / "console.log")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(held(vmm).hold, vmm.host)
        await trio.testing.wait_all_tasks_blocked()
        await vmm.print(b"before\n")
        await trio.sleep(QUIET_S)
        nursery.cancel_scope.cancel()
    vmm.write_log(b"alone\n")
    os.utime(vmm.log, (WALL + 50, WALL + 50))
    async with trio.open_nursery() as nursery:
        console = held(vmm)
        nursery.start_soon(console.hold, Vmm(vmm.log).host)
        await trio.testing.wait_all_tasks_blocked()
        assert [offset for offset, _ in console.times(0)] == [7, 13]
        assert console.times(7) == ((13, int((WALL + 50) * 1000)),)
        nursery.cancel_scope.cancel()


async def test_a_folder_that_takes_no_notes_harms_no_console(tmp_path: Path, autojump_clock: MockClock) -> None:
    vmm = Vmm(tmp_path / "console.log")
    (tmp_path / "console.times").mkdir()
    async with trio.open_nursery() as nursery:
        console = held(vmm)
        nursery.start_soon(console.hold, vmm.host)
        await vmm.print(b"up\n")
        await trio.sleep(QUIET_S)
        assert console.tail() == "up"
        assert console.times(0) == ()
        nursery.cancel_scope.cancel()


def test_marks_survive_and_only_grow(path: Path) -> None:
    times = ConsoleTimes(path)
    times.note(10, 1_000)
    times.note(10, 2_000)
    times.note(20, 500)  # the clock was set back
    assert ConsoleTimes(path).marks() == [(10, 1_000), (20, 1_000)]
    again = ConsoleTimes(path)
    assert again.offset == 20
    again.note(30, 3_000)
    assert again.marks() == [(10, 1_000), (20, 1_000), (30, 3_000)]


def test_the_times_of_another_log_are_forgotten(path: Path) -> None:
    ConsoleTimes(path).note(1_000, 1_000)
    times = ConsoleTimes(path)
    times.note(10, 2_000)
    assert ConsoleTimes(path).marks() == [(10, 2_000)]


def test_half_a_mark_is_passed_over_and_written_anew(path: Path) -> None:
    times = ConsoleTimes(path)
    times.note(10, 1_000)
    times.note(20, 2_000)
    path.write_bytes(path.read_bytes()[:-5])
    again = ConsoleTimes(path)
    assert again.marks() == [(10, 1_000)]
    again.note(30, 3_000)
    assert ConsoleTimes(path).marks() == [(10, 1_000), (30, 3_000)]


def test_there_is_a_bound_and_what_is_new_stays_exact(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times_module, "MAX_MARKS", 64)
    monkeypatch.setattr(os, "fsync", lambda fd: pytest.fail("the daemon's loop waits for a disk"))
    times = ConsoleTimes(path)
    for second in range(1_000):
        times.note(second + 1, second * 1_000)
    marks = times.marks()
    assert len(marks) <= 64
    assert marks[0][1] < 200_000, "what is old is kept, if not as exactly"
    assert marks[-16:] == [(second + 1, second * 1_000) for second in range(984, 1_000)]
    for second in range(1_000, 1_100):
        times.note(second + 1, second * 1_000, kept_from=990)
    assert min(offset for offset, _ in times.marks()) >= 990
    assert path.stat().st_size <= MAX_MARKS * 16


@given(st.binary(max_size=200))
def test_no_bytes_in_its_file_break_it(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("times") / "console.times"
    path.write_bytes(junk)
    times = ConsoleTimes(path)
    marks = times.marks()
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(marks))
    times.note(1 << 40, 5)
    assert ConsoleTimes(path).offset == 1 << 40
