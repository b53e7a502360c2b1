"""What was acknowledged is there after the process is killed in the middle of writing."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.store.writer import TASKS
from volant.daemon.store.store import SqliteStore, open_store

ROOT = Path(__file__).parents[3]
KILLS = 25


def write_and_kill(path: Path, acknowledged: int) -> int:
    """Let a process write, kill it once it has acknowledged so many commits; the greatest number it acknowledged."""
    with subprocess.Popen([sys.executable, "-m", "tests.daemon.store.writer", str(path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        lines += process.stdout.readlines()
    assert all(lines), "the writer ended by itself"
    return max(map(int, lines))


async def check_whole(store: SqliteStore, acknowledged: int, before: int) -> int:
    """Numbers without gaps, nothing acknowledged missing, and each VM as its last event says; the newest number."""
    oldest, newest = await store.event_range()
    assert acknowledged <= newest <= acknowledged + TASKS
    events = await store.events(after=before, limit=1_000_000)
    assert [event.seq for event in events] == list(range(before + 1, newest + 1))
    latest = {event.vm_id: event.data["generation"] for event in events}
    generations = {vm.id: vm.generation for vm in await store.vms()}
    assert latest.items() <= generations.items()
    assert oldest == 1
    return newest


@pytest.mark.slow
async def test_no_acknowledged_commit_is_lost_to_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "volant.db"
    chance = random.Random(20260131)
    newest = 0
    for _ in range(KILLS):
        acknowledged = write_and_kill(path, chance.randrange(1, 400))
        async with open_store(path) as store:
            newest = await check_whole(store, acknowledged, newest)
    assert newest > KILLS
