"""Who was killed for want of memory: read off the kernel's log and counts, and off a real kill where we may make one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from volant.daemon.host.oom import OomWatch, kills_in, logged_kill
from volant.daemon.host.processes import identify
from volant.daemon.ports import ProcessIdentity

WHOLE_HOST = (
    "3,110,5000000,-;Out of memory: Killed process 4711 (qemu-system-x86) total-vm:2209172kB, anon-rss:1922656kB, file-rss:5340kB, "
    "shmem-rss:0kB, UID:0 pgtables:112kB oom_score_adj:0\n"
)
IN_CGROUP = "3,111,6000000,c;Memory cgroup out of memory: Killed process 4712 (qemu-system-x86) total-vm:9kB\n"
OTHERS = ("6,1,1,-;Linux version 6.1.0\n SUBSYSTEM=none\n", "garbage", "", "3,2,3,-;the guest says Out of memory: killed process 4711\n")
GONE = ProcessIdentity(4711, 100, "boot")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with process 4711 in a cgroup."""
    (tmp_path / "proc/4711").mkdir(parents=True)
    (tmp_path / "proc/4711/cgroup").write_text("1:cpu:/\n0::/volant/vm\n")
    (tmp_path / "proc/vmstat").write_text("nr_free_pages 7\noom_kill 3\n")
    (tmp_path / "cgroups/volant/vm").mkdir(parents=True)
    (tmp_path / "cgroups/volant/vm/memory.events").write_text("low 0\noom 1\noom_kill 1\noom_group_kill 0\n")
    return tmp_path


def watch(root: Path) -> OomWatch:
    return OomWatch(GONE, proc=root / "proc", cgroups=root / "cgroups", log=root / "kmsg")


def test_kills_are_found_among_the_records_of_the_log() -> None:
    assert [(kill.pid, kill.us) for kill in kills_in((*OTHERS, WHOLE_HOST, IN_CGROUP))] == [(4711, 5_000_000), (4712, 6_000_000)]


def test_the_log_names_the_very_process(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_text(WHOLE_HOST)
    assert logged_kill(GONE, log=log) == "the kernel's log says 'Out of memory: Killed process 4711 (qemu-system-x86)'"
    assert logged_kill(ProcessIdentity(4712, 100, "boot"), log=log) == ""
    later = ProcessIdentity(4711, 100_000_000, "boot")
    assert logged_kill(later, log=log) == "", "a process of that number which ended long before is another one"
    assert logged_kill(GONE, log=tmp_path / "none") == ""


def test_where_the_log_is_closed_to_us_the_cgroup_tells(proc: Path) -> None:
    watched = watch(proc)
    assert watched.evidence() == ""
    (proc / "cgroups/volant/vm/memory.events").write_text("oom_kill 2\n")
    assert "memory.events counts an OOM kill" in watched.evidence()


def test_without_a_proof_the_host_is_described_and_nothing_claimed(proc: Path) -> None:
    watched = watch(proc)
    assert "perhaps by the host's OOM killer; the host has" in watched.perhaps()
    (proc / "proc/vmstat").write_text("oom_kill 4\n")
    assert watched.evidence() == ""
    assert "perhaps by the host's OOM killer, which has killed since the VM started; " in watched.perhaps()


def test_a_host_that_tells_nothing_is_no_obstacle(tmp_path: Path) -> None:
    watched = watch(tmp_path)
    assert watched.evidence() == "" and watched.perhaps().startswith("SIGKILL from outside")


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """A memory cgroup of 20 MiB, by whichever version this host has."""
    for parent, limit in ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max")):
        folder = parent / f"volant-test-{id(limit):x}"
        with suppress(OSError):
            folder.mkdir()
            try:
                (folder / limit).write_text("20M")
                yield folder
                return
            finally:
                folder.rmdir()
    pytest.skip("no memory cgroup can be made here")


@pytest.mark.root
def test_a_real_kill_is_proven(small_cgroup: Path) -> None:
    hog = subprocess.Popen([sys.executable, "-c", "input(); held = bytearray(200_000_000)"], stdin=subprocess.PIPE)
    identity = identify(hog.pid)
    assert identity is not None
    watched = OomWatch(identity)
    (small_cgroup / "cgroup.procs").write_text(str(hog.pid))
    hog.communicate(b"\n", timeout=60)
    assert hog.returncode == -9
    if not Path("/dev/kmsg").exists() and not (small_cgroup / "memory.events").exists():
        pytest.skip("this host tells nobody of its kills")
    assert watched.evidence()
