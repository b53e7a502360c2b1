"""One daemon for one state folder, and for one runtime folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from volant.daemon.store.lock import LOCK_NAME, folder_locks, state_lock
from volant.proto.errors import StateLocked, StoreFailed

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, pathlib
from volant.daemon.store.lock import state_lock
with state_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_daemon_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with state_lock(tmp_path):
        with pytest.raises(StateLocked, match=rf"pid {os.getpid()}\) runs on {tmp_path}") as refused, state_lock(tmp_path):
            pass
        assert refused.value.data == {"pid": str(os.getpid())}
        assert refused.value.hint


def test_the_folder_is_free_again_after_leaving(tmp_path: Path) -> None:
    for _ in range(2):
        with state_lock(tmp_path):
            assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_a_killed_daemon_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StateLocked, match=f"pid {holder.pid}"), state_lock(tmp_path):
            pass
        holder.kill()
    with state_lock(tmp_path):
        pass


def test_the_lock_is_not_inherited_by_a_program_that_is_started(tmp_path: Path) -> None:
    with state_lock(tmp_path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with state_lock(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="does not exist"), state_lock(tmp_path / "missing"):
        pass


def test_a_daemon_with_another_state_folder_leaves_the_runtime_folder_of_one_that_runs(tmp_path: Path) -> None:
    first, second, runtime = (tmp_path / name for name in ("first", "second", "runtime"))
    for folder in (first, second, runtime):
        folder.mkdir()
    with folder_locks(first, runtime):
        with pytest.raises(StateLocked, match=rf"pid {os.getpid()}\) runs on {runtime}") as refused, folder_locks(second, runtime):
            pass
        assert "--runtime-dir" in refused.value.hint
    with folder_locks(second, runtime):
        pass


def test_one_folder_may_be_both(tmp_path: Path) -> None:
    with folder_locks(tmp_path, tmp_path), pytest.raises(StateLocked), folder_locks(tmp_path, tmp_path):
        pass
