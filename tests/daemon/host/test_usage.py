"""What a process has used, read from /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from volant.daemon.host.processes import identify
from volant.daemon.host.usage import Usage, parse_usage, usage_of

STAT = (
    b"4711 (qemu) (sy ) x) S 1 4711 4711 0 -1 4194560 100 0 0 0 250 50 7 8 20 0 3 0 9001 300000000 2560 18446744073709551615 1 1 0 0 0 0 0"
)


def test_a_line_of_proc_is_read_whatever_the_program_is_called() -> None:
    tick, page = 1_000_000_000 // os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert parse_usage(STAT, 9001) == Usage(300 * tick, 2560 * page)


def test_another_process_under_the_same_number_is_not_taken_for_it() -> None:
    assert parse_usage(STAT, 9002) is None


def test_what_is_no_such_line_is_refused() -> None:
    with pytest.raises(ValueError):
        parse_usage(b"no", 1)


def test_a_process_that_works_uses_time_and_one_that_ended_nothing() -> None:
    program = "sum(number * number for number in range(3_000_000)); print('done', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        assert busy.stdout.readline() == b"done\n"
        known = identify(busy.pid)
        assert known is not None
        used = usage_of(known)
        assert used is not None
        assert used.cpu_ns > 50_000_000
        assert 2_000_000 < used.memory_bytes < 200_000_000
        assert usage_of(replace(known, start_time=known.start_time + 1)) is None
        busy.kill()
    assert usage_of(known) is None
