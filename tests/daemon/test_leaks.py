"""Hundreds of VMs that come and go leave nothing in the daemon's process, on the host, or in the folders."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.fakes.hello import hello
from tests.orchestra import Orchestra
from tests.rig import SURVIVING, Rig, rig
from volant.client.blocking import Client
from volant.proto.api.vm import DeleteVm
from volant.selftest.processes import vmms

WARM_UP = 20
"""Lifecycles after which whatever is made once is there."""

LIFECYCLES = 200

SQLITE_FILES = {"volant.db", "volant.db-wal", "volant.db-shm", "volant.lock"}
"""They grow with the events, which are kept on purpose."""


@dataclass(frozen=True)
class Holdings:
    """What a daemon has, seen from outside."""

    descriptors: int
    threads: int
    children: int
    files: frozenset[str]


def holdings(host: Rig) -> Holdings:
    assert host.daemon is not None
    proc = Path(f"/proc/{host.daemon.pid}")
    found = (path for folder in (host.state, host.runtime) for path in folder.rglob("*") if "kernels" not in path.parts)
    return Holdings(
        descriptors=len(os.listdir(proc / "fd")),
        threads=len(os.listdir(proc / "task")),
        children=len((proc / "task" / str(host.daemon.pid) / "children").read_text().split()),
        files=frozenset(str(path.relative_to(host.root)) for path in found if path.name not in SQLITE_FILES),
    )


@pytest.fixture
def host() -> Iterator[Rig]:
    with rig(program=SURVIVING, network="none") as made:
        made.start()
        made.volant("plugin", "install", hello(made.root))
        yield made
        assert "Traceback" not in made.log.read_text()


def live(client: Client, name: str) -> None:
    """One VM's whole life."""
    client.call_plain("vm.create", {"name": name, "plugin": "hello", "wait": "ready"})
    client.call_plain("vm.patch", {"name": name, "memory_mb": 256})
    with client.bytes_call("vm.exec", {"name": name, "argv": ["echo", "here"]}) as call:
        assert b"".join(iter(call.read, b"")) == b"here\n"
    client.call_plain("vm.delete", {"name": name, "force": True})


def settled(host: Rig, before: Holdings) -> Holdings:
    """What the daemon holds once it is no more than `before`, or after a while: idle threads end by themselves after some seconds."""
    for _ in range(150):
        found = holdings(host)
        if found.files <= before.files and found.descriptors <= before.descriptors and found.threads <= before.threads:
            break
        threading.Event().wait(0.1)
    return found


def live_all(host: Rig, names: list[str], *, at_once: int) -> None:
    """Each of these VMs' whole lives, so many beside each other."""
    failed: list[BaseException] = []

    def work(mine: list[str]) -> None:
        try:
            with Client(str(host.socket)) as client:
                for name in mine:
                    live(client, name)
        except BaseException as fault:
            failed.append(fault)

    workers = [threading.Thread(target=work, args=(names[number::at_once],)) for number in range(at_once)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failed == []


@pytest.mark.slow
def test_two_hundred_lifecycles_leave_no_descriptor_thread_process_or_file(host: Rig) -> None:
    live_all(host, [f"warm-{number}" for number in range(WARM_UP)], at_once=4)
    before = holdings(host)
    live_all(host, [f"web-{number}" for number in range(LIFECYCLES)], at_once=4)
    after = settled(host, before)
    assert after.files == before.files
    assert after.children == before.children == 0
    assert after.descriptors <= before.descriptors
    assert after.threads <= before.threads


def test_many_lifecycles_at_once_leave_nothing(host: Rig) -> None:
    at_once = 8 * (os.cpu_count() or 1)
    live_all(host, ["warm"], at_once=1)
    before = holdings(host)
    live_all(host, [f"web-{number}" for number in range(at_once)], at_once=at_once)
    host.volant("ledger", "--check")
    assert host.json("ledger")["items"] == [] and vmms(host.runtime) == []
    assert settled(host, before).files == before.files


async def test_two_hundred_lifecycles_leave_no_task(tmp_path: Path) -> None:
    orchestra = Orchestra(tmp_path)
    async with orchestra.playing():
        await orchestra.install()
        counts = []
        for number in range(LIFECYCLES + WARM_UP):
            await orchestra.create(f"web-{number}")
            await orchestra.app.vms.delete(DeleteVm(name=f"web-{number}", force=True))
            if number >= WARM_UP:
                counts.append(trio.lowlevel.current_statistics().tasks_living)
        await trio.testing.wait_all_tasks_blocked()
        assert counts[-1] <= min(counts[:10])
