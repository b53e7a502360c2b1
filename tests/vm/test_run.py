"""`volant run` over real QEMU guests: what the workload says and how it ends come through, whoever is killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.complaints import manifest
from tests.patience import PATIENCE_S, until
from tests.rig import Rig, rig
from volant.client.cli.running.outcome import FENCED, KILLED

pytestmark = [pytest.mark.vm]

COUNTS = "n=0; until [ -s /tmp/end ]; do n=$((n+1)); echo line $n; echo console $n > /dev/console; sleep 0.05; done; exit $(cat /tmp/end)"
"""A workload that goes on until it is told how to end."""

SCRIPTS = {
    "ends": "exit 0",
    "fails": "echo to stdout; echo to stderr >&2; for n in $(seq 1000); do echo line $n; done; exit 3",
    "dies": "kill -KILL $$",
    "counts": COUNTS,
    "heeds": f"trap 'echo bye; exit 42' TERM; {COUNTS}",
    "ignores": f"trap '' TERM; {COUNTS}",
}


@pytest.fixture(scope="module")
def host(media: Path) -> Iterator[Rig]:
    with rig(network="none") as made:
        made.start()
        for name, script in SCRIPTS.items():
            install(made, media / "plugin.json", name, "/bin/sh", "-c", script)
        # What is not in an initramfs is found when it is installed.
        install(made, media / "plugin-squashfs.json", "misses", "/bin/nope")
        install(made, media / "plugin-squashfs.json", "refuses", "/etc/passwd")
        yield made


def install(host: Rig, base: Path, name: str, *entrypoint: str) -> None:
    """The plugin at `base` with a program of its own."""
    workload = json.loads(base.read_text())["workload"] | {"entrypoint": entrypoint}
    path = manifest(base.parent / f"{name}.json", base, name=name, workload=workload, health_check=None)
    host.volant("plugin", "install", path)


@pytest.fixture(autouse=True)
def _nothing_left(host: Rig) -> Iterator[None]:
    yield
    if host.json("vm", "list")["total"]:
        host.volant("vm", "delete", "web", "--force")
    assert not host.json("vm", "list")["total"] and not host.vmms()


class Running:
    """One `volant run`, its output in files."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process, self._folder = process, folder

    @property
    def out(self) -> str:
        return (self._folder / "out").read_bytes().decode()  # a serial line ends its lines with CR LF

    @property
    def err(self) -> str:
        return (self._folder / "err").read_text()

    def ended(self) -> int:
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def run(host: Rig, tmp_path: Path) -> Callable[..., Any]:
    """`volant run` with these words while a block runs, then killed."""

    @contextmanager
    def running(*words: str) -> Iterator[Running]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        with (
            (folder / "out").open("wb") as out,
            (folder / "err").open("wb") as err,
            host.under_way("run", *words, stdin=subprocess.DEVNULL, stdout=out, stderr=err) as process,
        ):
            yield Running(process, folder)

    return running


def vm(host: Rig, name: str) -> dict[str, Any]:
    seen: dict[str, Any] = host.json("vm", "get", name)
    return seen


def end(host: Rig, name: str, code: int) -> None:
    """Tell a workload that counts how to end."""
    host.volant("exec", name, "--", "sh", "-c", f"echo {code} > /tmp/end")


def count(out: str) -> list[str]:
    """The lines 1 to N of a workload that counted so far in this output, which has to hold all of them once."""
    lines = out.splitlines()
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    return lines


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("ends",), 0, ""),
        (("dies",), 128 + signal.SIGKILL, ""),
        (("misses",), 127, "error: VM "),
        (("refuses",), 126, "error: VM "),
        (("nope",), 125, "error: no plugin 'nope' is installed"),
        (("--kernel", "/etc/passwd", "ends"), 125, "error: the kernel /etc/passwd is no kernel"),
    ],
)
def test_the_exit_code_is_the_workloads_or_one_of_ours(run: Callable[..., Any], words: tuple[str, ...], code: int, says: str) -> None:
    with run("--rm", *words) as runner:
        assert runner.ended() == code
        assert runner.out == "" and runner.err.startswith(says), runner.err


def test_all_output_comes_however_soon_the_workload_ends(host: Rig, run: Callable[..., Any]) -> None:
    with run("fails", "web") as runner:
        assert runner.ended() == 3
        assert runner.out.splitlines() == ["to stdout", *(f"line {number}" for number in range(1, 1_001))]
        assert runner.err.startswith("to stderr\n")
    with run("--console", "--reattach", "--name", "web") as runner:
        assert runner.ended() == 3
        assert runner.out.encode() == console(host, "web")
        assert runner.out.count("kestrel: booting") == 2  # the boot before is part of it


def console(host: Rig, name: str) -> bytes:
    """All that the serial line of a VM ever said."""
    return (host.state / "vms" / str(vm(host, name)["id"]) / "console.log").read_bytes()


def test_a_term_is_the_workloads_to_heed_and_a_second_one_does_not_wait(host: Rig, run: Callable[..., Any]) -> None:
    with run("--rm", "--grace", "1h", "heeds", "web") as runner:
        until(lambda: "line 1\n" in runner.out)
        runner.process.terminate()
        assert runner.ended() == 42
        assert runner.out.endswith("\nbye\n") and "error: " not in runner.err
    with run("--rm", "--grace", "1h", "ignores", "web") as runner:
        until(lambda: "line 1\n" in runner.out)
        runner.process.terminate()
        until(lambda: vm(host, "web")["status"] == "stopping")
        assert runner.process.poll() is None
        runner.process.terminate()
        assert runner.ended() == KILLED


def test_a_killed_runner_leaves_the_vm_and_the_next_one_goes_on_with_its_console(host: Rig, run: Callable[..., Any]) -> None:
    with run("--console", "counts", "web") as first:
        until(lambda: "console 1\r\n" in first.out)
        first.process.kill()
        first.process.wait()
    before = vm(host, "web")
    assert before["status"] in ("running", "ready")
    with run("--console", "--reattach", "--name", "web", "counts") as second:
        until(lambda: vm(host, "web")["lease"]["connected"])
        found = vm(host, "web")
        assert (found["boot"], found["pid"], found["lease"]["token"]) == (before["boot"], before["pid"], 2)
        end(host, "web", 9)
        assert second.ended() == 9
        whole, head, tail = console(host, "web"), first.out.encode(), second.out.encode()
    assert whole.startswith(head) and whole.endswith(tail)
    assert len(head) + len(tail) >= len(whole) and len(tail) < len(whole)


def test_a_daemon_that_is_killed_costs_a_runner_nothing(host: Rig, run: Callable[..., Any]) -> None:
    with run("counts", "web") as runner:
        until(lambda: "line 1\n" in runner.out)
        before = vm(host, "web")
        host.kill()
        until(lambda: "volantd is away" in runner.err)
        host.start()
        until(lambda: "volantd is back" in runner.err)
        so_far = len(runner.out.splitlines())
        until(lambda: len(runner.out.splitlines()) > so_far)
        assert vm(host, "web")["pid"] == before["pid"]
        end(host, "web", 6)
        assert runner.ended() == 6
        count(runner.out)


def test_the_newest_engine_has_the_vm_and_the_older_one_leaves_it_alone(host: Rig, run: Callable[..., Any]) -> None:
    with run("--engine-id", "node-a", "counts", "web") as older:
        until(lambda: "line 1\n" in older.out)
        pid = vm(host, "web")["pid"]
        os.kill(older.process.pid, signal.SIGSTOP)
        with run("--reattach", "--engine-id", "node-b", "--name", "web") as newer:
            until(lambda: newer.out)
            os.kill(older.process.pid, signal.SIGTERM)  # what it asks for once it wakes up comes too late
            os.kill(older.process.pid, signal.SIGCONT)
            assert older.ended() == FENCED
            found = vm(host, "web")
            assert (found["pid"], found["lease"]["engine_id"]) == (pid, "node-b") and found["status"] in ("running", "ready")
            end(host, "web", 8)
            assert newer.ended() == 8
            assert str(newer.process.pid) in older.err
