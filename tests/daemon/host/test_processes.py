"""Processes: identity, death, and being found again."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from volant.daemon.host.processes import Process, Spawn, all_marked, boot_id, command_line_of, identify, parse_start_time, spawn
from volant.daemon.ports import ProcessIdentity

MARK = "VOLANT_TEST_MARK"


class Nest:
    """Starts programs and leaves none behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Process] = []

    def start(self, *argv: str, mark: str = "", fds: tuple[int, ...] = (), user: str = "") -> Process:
        with (self._folder / "stderr").open("ab") as stderr:
            wanted = Spawn(argv=argv, env={MARK: mark}, stderr=stderr.fileno(), pass_fds=fds, user=user)
            process = spawn(wanted)
        self._started.append(process)
        return process

    def output(self) -> bytes:
        return (self._folder / "stderr").read_bytes()

    def clear(self) -> None:
        for process in self._started:
            process.close()
            if again := Process.open(process.identity):
                again.send_signal(signal.SIGKILL)
                again.close()


@pytest.fixture
def nest(tmp_path: Path) -> Iterator[Nest]:
    nest = Nest(tmp_path)
    yield nest
    nest.clear()


async def test_the_exit_code_of_a_child_is_known(nest: Nest) -> None:
    process = nest.start("/bin/sh", "-c", "echo words; exit 7")
    await process.wait_dead()
    assert process.exit_code == 7
    assert not process.alive
    assert nest.output() == b"words\n"


async def test_killing_is_proven_and_everybody_hears(nest: Nest) -> None:
    process = nest.start("/bin/sleep", "1000")
    assert process.alive
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(process.wait_dead)
            nursery.start_soon(process.wait_dead)
            nursery.start_soon(process.kill)
    assert process.exit_code == -signal.SIGKILL
    assert identify(process.identity.pid) is None
    process.send_signal(signal.SIGKILL)


async def test_it_lives_in_a_session_of_its_own_and_outlives_its_handle(nest: Nest) -> None:
    process = nest.start("/bin/sleep", "1000")
    pid = process.identity.pid
    assert os.getsid(pid) == pid
    again = Process.open(process.identity)
    assert again is not None
    process.close()
    assert again.alive
    await again.kill()
    assert again.exit_code == -signal.SIGKILL


async def test_a_zombie_counts_as_dead(nest: Nest) -> None:
    process = nest.start("/bin/true")
    with trio.fail_after(10):
        while process.alive:
            await trio.sleep(0.01)
    assert identify(process.identity.pid) is not None
    assert Process.open(process.identity) is None


def test_a_host_without_descriptors_gets_back_the_one_that_was_taken() -> None:
    identity = identify(os.getpid())
    assert identity is not None
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    # Enough for the pidfd, and not for looking whose it is.
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, limits[1]))
    try:
        for _ in range(2):
            with pytest.raises(OSError, match="Too many open files"):
                Process.open(identity)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    again = os.dup(0)
    os.close(again)
    assert again == free


async def test_another_process_under_the_same_pid_is_not_opened(nest: Nest) -> None:
    identity = nest.start("/bin/sleep", "1000").identity
    assert Process.open(replace(identity, start_time=identity.start_time + 1)) is None
    assert Process.open(replace(identity, boot_id="another boot")) is None
    assert Process.open(replace(identity, pid=4_194_304)) is None


async def test_a_process_that_is_no_child_is_watched_and_killed_too(nest: Nest) -> None:
    parent = nest.start("/bin/sh", "-c", "sleep 1000 & echo $!; exit 0")
    await parent.wait_dead()
    identity = identify(int(nest.output()))
    assert identity is not None
    orphan = Process.open(identity)
    assert orphan is not None
    with trio.fail_after(10):
        await orphan.kill()
    assert orphan.exit_code is None
    assert not orphan.alive
    orphan.close()


def marked(value: str) -> list[ProcessIdentity]:
    return [identity for identity, environ in all_marked(MARK) if environ[MARK] == value]


async def test_it_is_found_by_its_mark(nest: Nest) -> None:
    process = nest.start("/bin/sleep", "1000", mark="here I am")
    with trio.fail_after(10):
        # Whoever starts a program hears of its exec before the kernel has laid its environment out.
        while marked("here I am") != [process.identity]:
            await trio.sleep(0.01)
    assert marked("here I") == []
    assert command_line_of(process.identity.pid) == ("/bin/sleep", "1000")
    await process.kill()
    assert marked("here I am") == []
    assert command_line_of(process.identity.pid) == ()


async def test_only_the_named_descriptors_are_passed_on(nest: Nest) -> None:
    read, write = os.pipe()
    # Descriptor 3 is the listing's own.
    code = "import os; print(sorted({int(fd) for fd in os.listdir('/proc/self/fd')} - {0, 1, 2, 3}))"
    try:
        await nest.start(sys.executable, "-I", "-c", code, fds=(write,)).wait_dead()
    finally:
        os.close(read)
        os.close(write)
    assert nest.output().strip() == f"[{write}]".encode()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may start programs as somebody else")
async def test_it_runs_as_another_user_without_our_groups(nest: Nest) -> None:
    await nest.start("/usr/bin/id", "-un", user="nobody").wait_dead()
    await nest.start("/usr/bin/id", "-G", user="nobody").wait_dead()
    assert nest.output() == b"nobody\n65534\n"


def test_a_program_that_is_not_there_is_told(nest: Nest) -> None:
    with pytest.raises(FileNotFoundError):
        nest.start("/no/such/program")


def test_start_time_is_read_behind_any_name() -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    assert parse_start_time(f"12 (a) b) S {fields}".encode()) == 22
    with pytest.raises(ValueError):
        parse_start_time(b"nothing")


def test_we_are_ourselves() -> None:
    identity = identify(os.getpid())
    assert identity is not None
    assert (identity.pid, identity.boot_id) == (os.getpid(), boot_id())
