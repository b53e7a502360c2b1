"""Who waits for a file to grow hears of it, with the kernel's help and without."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio
import trio.testing

from volant.daemon.host import growth
from volant.daemon.host.growth import GrowthWatch


async def grown(watch: GrowthWatch, path: Path, size: int) -> None:
    with watch.watching(path) as growing:
        while path.stat().st_size < size:
            await growing.wait()


def _refuse(*_: object) -> int:
    ctypes.set_errno(errno.ENOSPC)
    return -1


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize("kernel", ["helps", "has no instance left", "watches no more files"])
async def test_growth_is_heard(kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery) -> None:
    if kernel != "helps":
        call = "inotify_init1" if "instance" in kernel else "inotify_add_watch"
        monkeypatch.setattr(growth._libc, call, _refuse)
    watch, path = GrowthWatch(nursery), tmp_path / "log"
    path.touch()
    async with trio.open_nursery() as waiting:
        waiting.start_soon(grown, watch, path, 1)
        waiting.start_soon(grown, watch, path, 2)
        for _ in range(2):
            await trio.testing.wait_all_tasks_blocked()
            append(path, b"x")


async def test_what_the_kernel_has_no_room_to_tell_is_heard_all_the_same(tmp_path: Path, nursery: trio.Nursery) -> None:
    watch, quiet = GrowthWatch(nursery), tmp_path / "quiet"
    busy = [tmp_path / "one", tmp_path / "other"]
    with ExitStack() as stack:
        for path in (quiet, *busy):
            path.touch()
        for path in busy:
            stack.enter_context(watch.watching(path))
        async with trio.open_nursery() as waiting:
            waiting.start_soon(grown, watch, quiet, 1)
            await trio.testing.wait_all_tasks_blocked()
            files = [stack.enter_context(path.open("ab", buffering=0)) for path in busy]
            for _ in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())):
                for file in files:  # in turns, for the same event twice in a row is told once
                    file.write(b"x")
            append(quiet, b"x")


async def test_a_file_that_is_not_there_is_not_watched(tmp_path: Path, nursery: trio.Nursery) -> None:
    with pytest.raises(FileNotFoundError), GrowthWatch(nursery).watching(tmp_path / "log"):
        pass


async def test_nothing_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    async with trio.open_nursery() as nursery:
        watch, path = GrowthWatch(nursery), tmp_path / "log"
        path.touch()
        with watch.watching(path), watch.watching(path):
            pass
        nursery.cancel_scope.cancel()
    assert len(os.listdir("/proc/self/fd")) == before
