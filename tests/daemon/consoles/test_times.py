"""When a serial line printed what: noted about once a second, found again by the next daemon, and bounded."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

WALL = 1_769_860_800
QUIET_S = sum(LATE_LOOKS_S) + 0.1
"""After so long without a byte everything is noted."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "console.times"


async def say(vmm: Vmm, data: bytes, at: float, *, heard: bool = True) -> None:
    """The guest prints at this time."""
    vmm.write_log(data)
    os.utime(vmm.log, (at, at))
    if heard:
        await vmm.guest.send_all(data)


@asynccontextmanager
async def holding(vmm: Vmm) -> AsyncIterator[Console]:
    """A daemon holds the console meanwhile."""
    async with trio.open_nursery() as nursery:
        console = Console("0123456789ab", vmm.log)
        nursery.start_soon(console.hold, vmm.host)
        await trio.testing.wait_all_tasks_blocked()
        yield console
        nursery.cancel_scope.cancel()


async def test_what_was_printed_is_found_by_its_time(tmp_path: Path, autojump_clock: MockClock) -> None:
    vmm = Vmm(tmp_path / "console.log")
    async with holding(vmm) as console:
        await say(vmm, b"booting\n", WALL)
        await trio.sleep(10)
        await say(vmm, b"ready\n", WALL + 10)
        await trio.sleep(QUIET_S)
        assert console.times(0) == ((8, WALL * 1000), (14, (WALL + 10) * 1000))
        assert console.times(8) == ((14, (WALL + 10) * 1000),)


async def test_a_guest_that_prints_all_the_while_is_noted_once_a_second(tmp_path: Path, autojump_clock: MockClock) -> None:
    vmm = Vmm(tmp_path / "console.log")
    async with holding(vmm) as console:
        for tenth in range(300):
            await say(vmm, b"x" * 100, WALL + tenth / 10)
            await trio.sleep(0.1)
        await trio.sleep(QUIET_S)
        marks = console.times(0)
        assert 25 <= len(marks) <= 35
        offset, at_ms = marks[-1]
        assert (offset, round(at_ms / 100)) == (30_000, WALL * 10 + 299)


async def test_the_next_daemon_goes_on_and_knows_when_the_guest_last_printed_meanwhile(tmp_path: Path, autojump_clock: MockClock) -> None:
    vmm = Vmm(tmp_path / "console.log")
    async with holding(vmm):
        await say(vmm, b"before\n", WALL)
        await trio.sleep(QUIET_S)
    await say(vmm, b"alone\n", WALL + 50, heard=False)
    async with holding(Vmm(vmm.log)) as console:
        assert console.times(0) == ((7, WALL * 1000), (13, (WALL + 50) * 1000))


async def test_a_folder_that_takes_no_notes_harms_no_console(tmp_path: Path, autojump_clock: MockClock) -> None:
    vmm = Vmm(tmp_path / "console.log")
    (tmp_path / "console.times").mkdir()
    async with holding(vmm) as console:
        await vmm.print(b"up\n")
        await trio.sleep(QUIET_S)
        assert console.tail() == "up"
        assert console.times(0) == ()


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
