"""A file that can't be used is one clear sentence, and is left as it was."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio

from tests.fakes.records import config_record, vm_record
from volant.daemon.ports import DropVm, EventDraft, Put
from volant.daemon.store import store as store_module
from volant.daemon.store.reserve import Reserve
from volant.daemon.store.store import open_store
from volant.proto.errors import Fault, HostShort, StoreFailed
from volant.proto.specs.states import VmState, Wanted

NOBODY = 65534
DISK_BYTES = 1024 * 1024


async def refusal(path: Path) -> Fault:
    with pytest.raises(Fault) as refused:
        async with open_store(path, busy_timeout_ms=50):
            pass
    assert str(path) in refused.value.message or str(path.parent) in refused.value.message
    assert refused.value.hint
    return refused.value


async def fill(path: Path, events: int = 2_000) -> None:
    async with open_store(path) as store:
        await store.commit(Put(vm_record(1)))
        await store.commit(*(EventDraft(kind="VM_LOG", vm="vm-1", message="m" * 200) for _ in range(events)))


async def test_what_was_stored_is_there_when_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "volant.db"
    await fill(path)
    async with open_store(path) as store:
        assert await store.vms() == (vm_record(1),)
        assert await store.event_range() == (1, 2_000)


async def test_the_file_is_private_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "volant.db"
    async with open_store(path) as store:
        await store.commit(Put(vm_record(1)), Put(config_record(vm_record(1).id, env={"SECRET": "x"})))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"volant.db": 0o600, "volant.db-wal": 0o600, "volant.db-shm": 0o600}


async def test_a_missing_folder(tmp_path: Path) -> None:
    fault = await refusal(tmp_path / "missing" / "volant.db")
    assert isinstance(fault, StoreFailed)
    assert "does not exist" in fault.message
    assert "mkdir" in fault.hint


async def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "volant.db").mkdir()
    assert "is not a file" in (await refusal(tmp_path / "volant.db")).message


@pytest.mark.parametrize("content", [b"this is no database\n" * 100, os.urandom(8192), b"SQLite format 3\0" + b"\xff" * 4080])
async def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "volant.db"
    path.write_bytes(content)
    fault = await refusal(path)
    assert isinstance(fault, StoreFailed)
    assert "Recovery" in fault.hint
    assert path.read_bytes() == content


async def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "volant.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    assert "another program (tables bookmarks)" in (await refusal(path)).message


async def test_a_damaged_page(tmp_path: Path) -> None:
    path = tmp_path / "volant.db"
    await fill(path)
    with path.open("r+b") as file:
        for page in range(20, 60):
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)
    fault = await refusal(path)
    assert "is damaged" in fault.message
    assert "volant.db.bak-N" in fault.hint


async def test_a_file_that_lost_its_end(tmp_path: Path) -> None:
    path = tmp_path / "volant.db"
    await fill(path)
    os.truncate(path, path.stat().st_size // 2)
    assert "is damaged" in (await refusal(path)).message


async def test_a_file_that_somebody_else_keeps_locked(tmp_path: Path) -> None:
    path = tmp_path / "volant.db"
    await fill(path, 1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA locking_mode = exclusive")
        other.execute("BEGIN EXCLUSIVE")
        fault = await refusal(path)
    assert "locked by another process" in fault.message
    assert "fuser" in fault.hint


async def test_a_lock_taken_later_refuses_commits_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "volant.db"
    async with open_store(path, busy_timeout_ms=50) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreFailed, match="locked by another process"):
                await store.commit(Put(vm_record(1)))
            assert await store.vms() == ()
            other.execute("ROLLBACK")
        await store.commit(Put(vm_record(1)))
        assert await store.vms() == (vm_record(1),)


@pytest.fixture
def others_folder() -> Iterator[Path]:
    """A folder that everybody can reach (pytest's own is closed), looked at by somebody who isn't root: root passes every check."""
    with TemporaryDirectory(prefix="volant-test-") as name:
        Path(name).chmod(0o755)
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        try:
            yield Path(name)
        finally:
            os.seteuid(os.getuid())


@pytest.mark.root
async def test_a_folder_that_may_not_be_written(others_folder: Path) -> None:
    fault = await refusal(others_folder / "volant.db")
    assert f"(uid {NOBODY}) may not read and write {others_folder}" in fault.message
    assert "chown" in fault.hint


@pytest.mark.root
async def test_a_file_of_somebody_else(others_folder: Path) -> None:
    path = others_folder / "volant.db"
    os.seteuid(0)
    others_folder.chmod(0o777)
    await fill(path, 1)
    os.seteuid(NOBODY)
    assert f"may not read and write {path}" in (await refusal(path)).message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of DISK_BYTES of its own."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", mounted], check=True)
    try:
        yield mounted
    finally:
        # Lazily: the traceback of a refusal may still hold a cursor on the file.
        subprocess.run(["umount", "--lazy", mounted], check=True)


def fill_disk(folder: Path) -> Path:
    """Take all the room there is, to the last page."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


@pytest.mark.root
async def test_a_read_only_file_system(small_disk: Path) -> None:
    path = small_disk / "volant.db"
    await fill(path, 1)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    fault = await refusal(path)
    assert "lies on a read-only file system" in fault.message


@pytest.mark.root
async def test_a_full_disk_refuses_whole_commits_and_serves_again_when_there_is_room(small_disk: Path) -> None:
    path = small_disk / "volant.db"
    async with open_store(path) as store:
        await store.commit(Put(vm_record(1)), EventDraft(kind="VM_CREATED"))
        ballast = fill_disk(small_disk)
        big = [EventDraft(kind="VM_LOG", message="m" * 4_000) for _ in range(500)]
        with pytest.raises(HostShort, match=f"no space left for {path}") as refused:
            await store.commit(Put(vm_record(2)), *big)
        assert "df -h" in refused.value.hint
        assert await store.vms() == (vm_record(1),)
        assert await store.event_range() == (1, 1)
        ballast.unlink()
        (event,) = await store.commit(Put(vm_record(2)), EventDraft(kind="VM_CREATED"))
        assert event.seq == 2
        assert await store.vms() == (vm_record(1), vm_record(2))
    async with open_store(path) as store:
        assert await store.vms() == (vm_record(1), vm_record(2))


@pytest.mark.root
async def test_a_full_disk_lets_vms_go_and_takes_nothing_in(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "TAKE_BACK_S", 0.0)
    held = small_disk / "volant.reserve"
    async with open_store(small_disk / "volant.db", reserve=Reserve(held, 256 * 1024)) as store:
        for number in (1, 2):
            await store.commit(Put(vm_record(number)), EventDraft(kind="VM_CREATED"))
        ballast = fill_disk(small_disk)
        assert held.stat().st_blocks * 512 >= 256 * 1024
        with pytest.raises(HostShort):
            for _ in range(100):  # what is left of the last page of the log may hold some
                await store.commit(Put(vm_record(3)), EventDraft(kind="VM_LOG", message="m" * 4_000))
        for wanted, state in ((Wanted.DESTROYED, VmState.STOPPED), (Wanted.DESTROYED, VmState.DESTROYING)):
            await store.commit(Put(replace(vm_record(1), wanted=wanted, state=state)), EventDraft(kind="VM_REQUEST"))
            assert not held.exists()
        await store.commit(DropVm(vm_record(1).id), EventDraft(kind="VM_DELETED"))
        await store.commit(Put(replace(vm_record(2), wanted=Wanted.STOPPED)))
        ballast.unlink()
        await store.commit(EventDraft(kind="VM_LOG"))
        assert held.stat().st_blocks * 512 >= 256 * 1024
        assert vm_record(1).name not in {vm.name for vm in await store.vms()}


@pytest.mark.root
async def test_a_disk_without_room_for_a_reserve_is_used_all_the_same(small_disk: Path) -> None:
    async with open_store(small_disk / "volant.db", reserve=Reserve(small_disk / "volant.reserve", 2 * DISK_BYTES)) as store:
        await store.commit(Put(vm_record(1)), EventDraft(kind="VM_CREATED"))
        assert not (small_disk / "volant.reserve").exists()


@pytest.mark.root
async def test_a_commit_too_big_for_the_disk_leaves_its_neighbours_alone(small_disk: Path) -> None:
    outcomes: dict[int, Fault | None] = {}
    async with open_store(small_disk / "volant.db") as store:

        async def commit(number: int) -> None:
            size = DISK_BYTES if number == 3 else 10
            try:
                await store.commit(Put(vm_record(number)), EventDraft(kind="VM_LOG", message="m" * size))
            except HostShort as fault:
                outcomes[number] = fault
            else:
                outcomes[number] = None

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(commit, number)
        assert {number for number, fault in outcomes.items() if fault} == {3}
        assert {vm.name for vm in await store.vms()} == {f"vm-{number}" for number in range(8) if number != 3}
        assert await store.event_range() == (1, 7)


@pytest.mark.root
async def test_opening_on_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "volant.db"
    fill_disk(small_disk)
    fault = await refusal(path)
    assert isinstance(fault, HostShort)
    assert "no space left" in fault.message
