"""Consoles: history, readers at their own pace, one writer, a bounded log."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock

from volant.daemon.consoles import log as log_module
from volant.daemon.consoles.console import Console
from volant.daemon.consoles.consoles import ConsoleRoom
from volant.daemon.consoles.log import CONSOLE_KEEP, TRIM_STEP, ConsoleLog
from volant.proto.errors import Denied, WriterTaken

Pipe = trio.StapledStream[MemorySendStream, MemoryReceiveStream]


class Vmm:
    """A VMM's end of a serial line: logs and sends, in that order or the other, as QEMU does."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.guest, self.host = trio.testing.memory_stream_pair()

    def write_log(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)

    async def print(self, data: bytes) -> None:
        self.write_log(data)
        await self.guest.send_all(data)


@pytest.fixture
def vmm(tmp_path: Path) -> Vmm:
    return Vmm(tmp_path / "console.log")


@pytest.fixture
async def console(vmm: Vmm, nursery: trio.Nursery) -> Console:
    console = Console("0123456789ab", vmm.log)
    nursery.start_soon(console.hold, vmm.host)
    await trio.testing.wait_all_tasks_blocked()
    return console


async def collect(console: Console, wanted: bytes, **options: int | bool | None) -> bytes:
    """What a reader gets, up to and with `wanted`."""
    seen = b""
    with trio.fail_after(60):
        async for chunk in console.read(**options):  # type: ignore[arg-type]
            seen += chunk.data
            if wanted in seen:
                return seen
    raise AssertionError(f"the reader ended after {seen!r}")


async def everything(console: Console, **options: int) -> bytes:
    return b"".join([chunk.data async for chunk in console.read(follow=False, **options)])


async def test_a_reader_gets_history_first_and_then_what_comes(console: Console, vmm: Vmm, nursery: trio.Nursery) -> None:
    await vmm.print(b"old\n")
    nursery.start_soon(vmm.print, b"new\n")
    assert await collect(console, b"new\n") == b"old\nnew\n"


async def test_history_is_there_without_any_vm(vmm: Vmm) -> None:
    vmm.write_log(b"from an earlier boot\n")
    assert await everything(Console("0123456789ab", vmm.log)) == b"from an earlier boot\n"


async def test_a_console_without_a_log_is_empty(vmm: Vmm) -> None:
    console = Console("0123456789ab", vmm.log)
    assert await everything(console) == b""
    assert console.tail() == ""


async def test_as_much_history_as_asked_for(console: Console, vmm: Vmm) -> None:
    await vmm.print(b"0123456789")
    assert await everything(console, history_bytes=4) == b"6789"
    assert await everything(console, history_bytes=0) == b""


async def test_a_byte_that_is_seen_before_it_is_logged_is_not_lost(
    console: Console, vmm: Vmm, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def seen_first() -> None:
        await vmm.guest.send_all(b"login: ")
        await trio.sleep(1.5)
        vmm.write_log(b"login: ")

    nursery.start_soon(seen_first)
    assert await collect(console, b"login: ") == b"login: "


async def test_who_waits_for_the_first_boot_sees_what_was_said_before_the_line_was_held(vmm: Vmm, nursery: trio.Nursery) -> None:
    console = Console("0123456789ab", vmm.log)
    seen: list[bytes] = []

    async def watch() -> None:
        seen.append(await collect(console, b"up\n"))

    async with trio.open_nursery() as waiting:
        waiting.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked()
        vmm.write_log(b"guest is up\n")
        nursery.start_soon(console.hold, vmm.host)
    assert seen == [b"guest is up\n"]


async def test_following_goes_on_over_the_next_boot(console: Console, vmm: Vmm, nursery: trio.Nursery) -> None:
    await vmm.print(b"first boot\n")
    await vmm.guest.aclose()
    await trio.testing.wait_all_tasks_blocked()
    second = Vmm(vmm.log)
    nursery.start_soon(console.hold, second.host)
    nursery.start_soon(second.print, b"second boot\n")
    assert await collect(console, b"second boot\n") == b"first boot\nsecond boot\n"


async def test_readers_of_a_destroyed_vm_end(console: Console, vmm: Vmm) -> None:
    await vmm.print(b"last words")
    seen: list[bytes] = []

    async def follow() -> None:
        seen.extend([chunk.data async for chunk in console.read()])

    with trio.fail_after(60):
        async with trio.open_nursery() as readers:
            readers.start_soon(follow)
            readers.start_soon(follow)
            await trio.testing.wait_all_tasks_blocked()
            console.close()
    assert seen == [b"last words", b"last words"]


async def test_a_flood_stays_within_its_bound_and_a_slow_reader_is_told_what_it_missed(
    console: Console, vmm: Vmm, nursery: trio.Nursery
) -> None:
    await vmm.print(b"the beginning")
    reader = console.read()
    first = await anext(reader)
    assert first.data == b"the beginning"
    block = b"x" * 65_535 + b"\n"
    for _ in range(40 * CONSOLE_KEEP // len(block)):
        await vmm.print(block)
    await trio.testing.wait_all_tasks_blocked()
    assert os.stat(vmm.log).st_blocks * 512 <= CONSOLE_KEEP + 2 * TRIM_STEP
    after = await anext(reader)
    assert after.missed > 30 * CONSOLE_KEEP
    assert after.offset == len(first.data) + after.missed
    assert after.data.strip(b"x\n") == b""


async def test_what_was_printed_while_no_daemon_ran_is_cut_at_the_start(vmm: Vmm, nursery: trio.Nursery) -> None:
    vmm.write_log(b"y" * (3 * CONSOLE_KEEP))
    nursery.start_soon(Console("0123456789ab", vmm.log).hold, vmm.host)
    await trio.testing.wait_all_tasks_blocked()
    assert os.stat(vmm.log).st_blocks * 512 <= CONSOLE_KEEP + TRIM_STEP


async def test_the_hole_is_known_after_a_restart_of_the_daemon(vmm: Vmm) -> None:
    vmm.write_log(b"z" * (2 * CONSOLE_KEEP))
    ConsoleLog(vmm.log).trim()
    start, end = ConsoleLog(vmm.log).span()
    assert (start, end) == (CONSOLE_KEEP, 2 * CONSOLE_KEEP)
    assert b"\0" not in await everything(Console("0123456789ab", vmm.log), history_bytes=end)


async def test_a_file_system_without_holes_is_bounded_too(vmm: Vmm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "punch_hole", lambda fd, offset, length: False)
    log = ConsoleLog(vmm.log, keep=1000, step=100)
    vmm.write_log(b"a" * 5000 + b"b" * 1000)
    log.trim()
    assert vmm.log.read_bytes() == b"b" * 1000
    vmm.write_log(b"c")
    assert log.span() == (5000, 6001)
    late = log.read(100, 4096)
    assert (late.offset, late.missed, late.data) == (5000, 4900, b"b" * 1000 + b"c")


async def test_what_the_writer_types_reaches_the_guest(console: Console, vmm: Vmm) -> None:
    async with console.writer("alice") as writer:
        await writer.send(b"ls\n")
        assert await vmm.guest.receive_some() == b"ls\n"


async def test_a_second_writer_is_told_who_types(console: Console) -> None:
    async with console.writer("alice"):
        with pytest.raises(WriterTaken, match="alice"):
            async with console.writer("bob"):
                pass
    async with console.writer("bob"):
        pass


async def test_the_place_can_be_taken_and_the_loser_hears_by_whom(console: Console, vmm: Vmm) -> None:
    async with console.writer("alice") as alice:
        async with console.writer("bob", force=True) as bob:
            with trio.fail_after(60):
                assert await alice.wait_lost() == "bob"
            with pytest.raises(WriterTaken, match="bob"):
                await alice.send(b"lost")
            await bob.send(b"hello")
            assert await vmm.guest.receive_some() == b"hello"
        # Alice does not get the place back by Bob's leaving.
        async with console.writer("carol"):
            pass


async def test_a_writer_stuck_at_a_guest_that_does_not_read_can_be_replaced(vmm: Vmm, nursery: trio.Nursery) -> None:
    host, guest = trio.testing.lockstep_stream_pair()
    console = Console("0123456789ab", vmm.log)
    nursery.start_soon(console.hold, host)
    await trio.testing.wait_all_tasks_blocked()
    lost: list[str] = []

    async def stuck() -> None:
        async with console.writer("alice") as alice:
            try:
                await alice.send(b"never taken")
            except WriterTaken as fault:
                lost.append(fault.message)

    nursery.start_soon(stuck)
    await trio.testing.wait_all_tasks_blocked()
    with trio.fail_after(60):
        async with console.writer("bob", force=True):
            await trio.testing.wait_all_tasks_blocked()
    assert lost == ["bob took over this console"]
    await guest.aclose()


async def test_nobody_types_to_a_vm_that_does_not_run(console: Console, vmm: Vmm) -> None:
    async with console.writer("alice") as writer:
        await vmm.guest.aclose()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Denied):
            await writer.send(b"?")


async def test_the_tail_is_the_newest_lines_made_harmless(console: Console, vmm: Vmm) -> None:
    await vmm.print(b"one\r\ntwo\r\n\x1b]0;title\x07\x1b[31mthree\x1b[0m\x07\r\n\xff\r\n\r\n")
    assert console.tail(2) == "three\n\N{REPLACEMENT CHARACTER}"
    assert console.tail() == "one\ntwo\nthree\n\N{REPLACEMENT CHARACTER}"
    assert console.tail(0) == ""


async def test_a_room_has_one_console_per_vm_until_it_is_destroyed(vmm: Vmm) -> None:
    room = ConsoleRoom()
    first = room.console("0123456789ab", vmm.log)
    assert room.console("0123456789ab", vmm.log) is first
    room.forget("0123456789ab")
    assert room.console("0123456789ab", vmm.log) is not first
    room.forget("ba9876543210")


async def test_a_slow_reader_holds_up_nobody(console: Console, vmm: Vmm, autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    async def slow(seen: Callable[[], None]) -> None:
        async for _ in console.read():
            seen()
            await trio.sleep(3600)

    nursery.start_soon(partial(slow, lambda: None))
    await trio.testing.wait_all_tasks_blocked()
    started = trio.current_time()
    for number in range(50):
        await vmm.print(b"%d\n" % number)
    assert (await collect(console, b"49\n")).endswith(b"49\n")
    assert trio.current_time() - started < 60


async def test_a_negative_offset_counts_from_the_end(console: Console, vmm: Vmm) -> None:
    await vmm.print(b"old lines and new ones")
    for offset, begins, text in ((-8, 14, b"new ones"), (-999, 0, b"old lines and new ones")):
        reader = console.read(from_offset=offset, follow=False)
        assert reader.offset == begins
        assert [chunk.data async for chunk in reader] == [text]


async def test_readers_hear_at_once_who_types(console: Console, vmm: Vmm) -> None:
    await vmm.print(b"login: ")
    reader = console.read(from_offset=0)
    assert reader.writer == ""
    first = await anext(reader)
    assert (first.data, first.writer) == (b"login: ", "")
    async with console.writer("ann"):
        told = await anext(reader)
        assert (told.offset, told.data, told.writer) == (7, b"", "ann")
        async with console.writer("bob", force=True):
            assert (await anext(reader)).writer == "bob"
        assert (await anext(reader)).writer == ""
    await vmm.print(b"more")
    assert (await anext(reader)).data == b"more"
