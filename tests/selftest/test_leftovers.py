"""What a selftest that was killed leaves: found and removed by the next one, and nothing else is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from volant.daemon.hypervisors.marks import FOLDER_MARKER, MARKER
from volant.selftest.leftovers import FOLDER_MODE, PREFIX, remove_leftovers, trial_folder

HOLDS = """
import time
from volant.selftest.leftovers import trial_folder
with trial_folder() as folder:
    print(folder, flush=True)
    time.sleep(600)
"""
VM_ID = "0a0000000001"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, here and in what is started here."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@contextmanager
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a trial folder, and that folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def left_behind() -> Path:
    """The folder of a process that was killed."""
    with holder() as (process, folder):
        process.kill()
        process.wait()
    assert folder.is_dir()
    return folder


def test_a_folder_goes_with_its_block(temporary: Path) -> None:
    with trial_folder() as folder:
        (folder / "file").touch()
        assert folder.parent == temporary and folder.stat().st_mode & 0o777 == FOLDER_MODE
    assert list(temporary.iterdir()) == []


def test_what_a_killed_one_left_is_removed_and_what_one_that_lives_has_is_not(temporary: Path) -> None:
    left = left_behind()
    (left / "s").mkdir()
    with holder() as (_, held), trial_folder() as own:
        assert remove_leftovers() == [left]
        assert {path.name for path in temporary.iterdir()} == {held.name, own.name}
        assert remove_leftovers() == []


def test_its_daemon_and_its_vmms_are_killed_and_no_others() -> None:
    left = left_behind()
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    environ = {MARKER: VM_ID, FOLDER_MARKER: str(left / "r/vms" / VM_ID)}
    with ExitStack() as stack:

        def start(*more: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
            process = stack.enter_context(subprocess.Popen([*sleeper, *more], env={**os.environ, **(env or {})}))
            stack.callback(process.kill)
            return process

        theirs = [start("volant.selftest.saboteur", "--boot-id", str(left / "boot-id-1")), start(env=environ)]
        others = [
            start("volant.selftest.saboteur", "--boot-id", f"{left}-other/boot-id-1"),
            start(env=environ | {FOLDER_MARKER: f"{left}-other/r/vms/{VM_ID}"}),
            start(str(left / "s")),
        ]
        assert remove_leftovers() == [left]
        assert [process.wait(60) for process in theirs] == [-signal.SIGKILL] * len(theirs)
        assert [process.poll() for process in others] == [None] * len(others)


@pytest.mark.root
def test_a_folder_of_another_user_is_left_alone(temporary: Path) -> None:
    """Anybody may make a folder of that name where temporary files lie."""
    strange = temporary / f"{PREFIX}strange"
    strange.mkdir()
    shutil.chown(strange, user=65_534)
    assert remove_leftovers() == []
    assert strange.is_dir()


def test_what_is_no_folder_is_left_alone(temporary: Path) -> None:
    (temporary / f"{PREFIX}file").touch()
    (temporary / "elsewhere").mkdir()
    (temporary / f"{PREFIX}link").symlink_to(temporary / "elsewhere")
    assert remove_leftovers() == []
    assert len(list(temporary.iterdir())) == 3
