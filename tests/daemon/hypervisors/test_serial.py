"""A serial line over a FIFO and a log, without a QEMU at the other end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from volant.daemon.host.growth import GrowthWatch
from volant.daemon.hypervisors.qemu.serial import SerialFiles, SerialLine
from volant.proto.errors import ConnectionLost, LaunchFailed


class Vmm:
    """Opens the files as QEMU does, and appends to its log."""

    def __init__(self, folder: Path) -> None:
        self.files, self.log = SerialFiles.of(folder), folder / "console.log"
        with self.files.made((os.geteuid(), os.getegid())) as fd:
            self.keyboard = os.open(f"/proc/self/fd/{fd}/line.in", os.O_RDWR | os.O_NONBLOCK)
            self.screen = os.open(f"/proc/self/fd/{fd}/line.out", os.O_RDWR)
        self.log.touch()

    def print(self, data: bytes) -> None:
        os.write(self.screen, data)
        with self.log.open("ab") as file:
            file.write(data)

    def die(self) -> None:
        os.close(self.keyboard)
        os.close(self.screen)
        self.keyboard = self.screen = -1


@pytest.fixture
def vmm(tmp_path: Path) -> Iterator[Vmm]:
    made = Vmm(tmp_path)
    yield made
    if made.keyboard >= 0:
        made.die()


@pytest.fixture
def line(vmm: Vmm, nursery: trio.Nursery) -> SerialLine:
    vmm.print(b"before")
    return SerialLine(vmm.files, vmm.log, GrowthWatch(nursery))


async def test_what_is_printed_is_received_and_what_is_typed_arrives(vmm: Vmm, line: SerialLine) -> None:
    async with line:
        vmm.print(b"hello")
        assert await line.receive_some() == b"hello"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.send_all, b"typed")
            await trio.testing.wait_all_tasks_blocked()
            vmm.print(b"more")
            assert await line.receive_some(2) == b"mo"
            assert await line.receive_some() == b"re"
        assert os.read(vmm.keyboard, 100) == b"typed"


async def test_typing_waits_for_a_guest_that_takes_nothing_and_loses_nothing(vmm: Vmm, line: SerialLine) -> None:
    text = b"0123456789" * 30_000
    taken = b""
    async with line, trio.open_nursery() as nursery:
        nursery.start_soon(line.send_all, text)
        while len(taken) < len(text):
            await trio.lowlevel.wait_readable(vmm.keyboard)
            taken += os.read(vmm.keyboard, 65_536)
    assert taken == text


async def test_it_ends_once_all_is_read_when_the_vmm_is_dead(vmm: Vmm, line: SerialLine) -> None:
    async with line:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_expect, line, b"last words")
            await trio.testing.wait_all_tasks_blocked()
            vmm.print(b"last words")
        vmm.die()
        line.end()
        assert await line.receive_some() == b""
        with pytest.raises(trio.BrokenResourceError):
            await line.send_all(b"x")


async def test_a_line_that_is_closed_meanwhile_is_closed(line: SerialLine) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_expect_closed, line)
        await trio.testing.wait_all_tasks_blocked()
        await line.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await line.send_all(b"x")


async def test_a_log_that_was_cut_goes_on_at_its_end(vmm: Vmm, line: SerialLine) -> None:
    async with line:
        os.truncate(vmm.log, 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_expect, line, b"after")
            await trio.testing.wait_all_tasks_blocked()
            vmm.print(b"after")


async def test_nobody_listens(vmm: Vmm, nursery: trio.Nursery) -> None:
    vmm.die()
    with pytest.raises(ConnectionLost):
        SerialLine(vmm.files, vmm.log, GrowthWatch(nursery))
    vmm.files.remove()
    assert not vmm.files.folder.exists()
    with pytest.raises(FileNotFoundError):
        SerialLine(vmm.files, vmm.log, GrowthWatch(nursery))


def test_a_folder_that_takes_no_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(LaunchFailed, match="console"), SerialFiles.of(tmp_path / "missing").made((0, 0)):
        pass


async def _expect(line: SerialLine, data: bytes) -> None:
    assert await line.receive_some() == data


async def _expect_closed(line: SerialLine) -> None:
    with pytest.raises(trio.ClosedResourceError):
        await line.receive_some()
