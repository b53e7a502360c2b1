"""`volant selftest` as a person runs it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.complaints import complaint
from tests.patience import PATIENCE_S, until
from tests.rig import VOLANT
from tests.strangers import as_stranger
from volant.proto.errors import ExitCode


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Where the command makes its folders: short, for there are sockets in them."""
    folder = Path(tempfile.mkdtemp(prefix="vl-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def argv(*words: str) -> list[str]:
    return [*VOLANT, "selftest", *words]


def environ(temporary: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(temporary)}


def ours(temporary: Path) -> list[str]:
    """Command lines of processes that have to do with that folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(temporary).encode() in words:
                found.append(words.replace(b"\0", b" ").decode(errors="replace")[:200])
    return found


@pytest.mark.root
def test_a_case_is_tried_and_shown(temporary: Path) -> None:
    words = ("--faults", "--point", "F16", "--point", "S4", "--harm", "exception", "--harm", "kill-vmm")
    done = subprocess.run(argv(*words, "-o", "json"), capture_output=True, text=True, env=environ(temporary))
    assert done.returncode == ExitCode.OK, done.stderr
    document = json.loads(done.stdout)
    assert [case["id"] for case in document["cases"]] == ["F16-kill-vmm", "F16-exception", "S4-exception"]
    assert all(case["ok"] and not case["wrong"] for case in document["cases"])
    assert "3 cases" in done.stderr and "none went wrong" in done.stderr
    assert list(temporary.iterdir()) == [] and ours(temporary) == []


@pytest.mark.root
def test_the_hosts_own_config_file_is_left_to_its_own_daemon(temporary: Path) -> None:
    socket = temporary / "volantd.sock"
    script = 'mount -t tmpfs none /etc && mkdir /etc/volant && printf \'socket = "%s"\' "$0" > /etc/volant/volantd.toml && exec "$@"'
    words = argv("--faults", "--point", "F1", "--harm", "kill-daemon", "-q", "-o", "json")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(socket), *words], capture_output=True, text=True, env=environ(temporary)
    )
    assert done.returncode == ExitCode.OK, done.stderr
    assert not socket.exists() and not socket.with_suffix(".lock").exists()


@pytest.mark.root
def test_the_table_has_a_row_for_each_point(temporary: Path) -> None:
    done = subprocess.run(
        argv("--faults", "--point", "D1", "--harm", "eio", "-o", "table", "-q"), capture_output=True, text=True, env=environ(temporary)
    )
    header, row = done.stdout.splitlines()
    assert header.split()[:3] == ["POINT", "REQUEST", "WHEN"] and "KILL-DAEMON" in header
    assert row.split()[:2] == ["D1", "delete"] and "ok" in row.split()
    assert done.stderr == ""


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(temporary: Path, number: signal.Signals) -> None:
    with subprocess.Popen(argv("--faults"), env=environ(temporary), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        until(lambda: any("fake.vmm" in words for words in ours(temporary)))
        command.send_signal(number)
        command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 130
    assert ours(temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.root
def test_a_kill_leaves_no_processes_and_the_next_one_removes_the_rest(temporary: Path) -> None:
    with subprocess.Popen(argv("--faults"), env=environ(temporary), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as command:
        until(lambda: any("fake.vmm" in words for words in ours(temporary)))
        command.kill()
    until(lambda: ours(temporary) == [])
    left = list(temporary.iterdir())
    done = subprocess.run(argv("--faults", "--point", "F1", "--harm", "eio"), capture_output=True, text=True, env=environ(temporary))
    assert done.returncode == ExitCode.OK, done.stderr
    assert left and all(str(folder) in done.stderr for folder in left)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say what is to be tested"),
        (("--faults", "--point", "F99"), "there is no point 'F99'"),
        (("--faults", "--harm", "meteor"), "there is no harm 'meteor'"),
        (("--faults", "--point", "F1", "--harm", "kill-vmm"), "no VMM runs at these points"),
        (("--faults", "--hang", "long"), "--hang"),
        (("--faults", "--hang", "0s"), "--hang"),
        (("--faults", "--hang", "1h"), "--hang"),
    ],
)
def test_what_makes_no_sense_is_refused(words: tuple[str, ...], says: str) -> None:
    complaint(subprocess.run(argv(*words), capture_output=True, text=True), ExitCode.USAGE, says)


@pytest.mark.root
def test_who_may_not_is_told_so() -> None:
    done = subprocess.run(as_stranger(argv("--faults")), capture_output=True, text=True)
    complaint(done, ExitCode.PERMISSION, "only root may do that", "neither the running daemon nor its VMs")
