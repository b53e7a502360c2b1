"""Small things about the host: files, memory, clocks."""

from __future__ import annotations

import errno
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from volant.daemon.host.clock import rfc3339, utc_now
from volant.daemon.host.files import first_data, punch_hole, write_atomic
from volant.daemon.host.memory import HostMemory, host_memory, parse_meminfo
from volant.daemon.host.refusals import refused
from volant.daemon.host.tsc import parse_cpu_khz, tsc_khz
from volant.proto.errors import Failed, Fault, HostShort


def test_times_are_utc_with_milliseconds_and_zone() -> None:
    moment = datetime(2026, 1, 31, 13, 0, 0, 123_456, timezone(timedelta(hours=1)))
    assert rfc3339(moment) == "2026-01-31T12:00:00.123Z"
    assert datetime.fromisoformat(utc_now()).utcoffset() == timedelta(0)


def test_memory_is_read_in_mib() -> None:
    text = "MemTotal:       24682060 kB\nMemFree:  1 kB\nMemAvailable:   24364032 kB\nHugePages_Total:       0\n"
    assert parse_meminfo(text) == HostMemory(24_103, 23_793)
    with pytest.raises(ValueError, match="MemAvailable"):
        parse_meminfo("MemTotal: 1 kB\n")
    assert 0 < host_memory().available_mib <= host_memory().total_mib


@pytest.mark.parametrize(
    ("cpuinfo", "khz"),
    [
        ("processor\t: 0\ncpu MHz\t\t: 2596.120\ncpu MHz\t\t: 1.0\n", 2_596_120),
        ("processor\t: 0\n", 0),
        ("cpu MHz\t\t: unknown\n", 0),
    ],
)
def test_the_counters_rate_is_read_in_khz(cpuinfo: str, khz: int) -> None:
    assert parse_cpu_khz(cpuinfo) == khz


def test_this_hosts_counter_has_a_rate() -> None:
    assert tsc_khz() >= 0


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"one")
    write_atomic(path, b"two", mode=0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replacement_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(folder, b"x")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_hole_frees_blocks_and_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
        before = os.fstat(fd).st_blocks
        if not punch_hole(fd, 0, 65_536):
            pytest.skip("the file system of the temporary folder knows no holes")
        assert os.fstat(fd).st_size == 100_000
        assert os.fstat(fd).st_blocks < before
        assert first_data(fd) == 65_536
        with pytest.raises(OSError):
            punch_hole(fd, 0, 0)
    finally:
        os.close(fd)


def test_an_empty_file_has_no_data(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for size in (0, 65_536):
        with path.open("wb") as file:
            file.truncate(size)
            assert first_data(file.fileno()) == size


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (OSError(errno.ENOSPC, "x", "/var/lib/volant/vms"), HostShort, "disk is full (/var/lib/volant/vms)"),
        (OSError(errno.EMFILE, "x"), HostShort, "Too many open files"),
        (OSError(errno.EIO, "x"), Failed, "refuses: Input/output error"),
        (OSError("no number at all"), Failed, "refuses: no number at all"),
    ],
)
def test_what_the_host_refuses_is_told_with_what_to_do(error: OSError, kind: type[Fault], says: str) -> None:
    fault = refused(error)
    assert type(fault) is kind
    assert says in fault.message
    assert fault.hint
