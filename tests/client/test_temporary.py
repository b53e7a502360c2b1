"""`volant.vm(...)`: however a program leaves the block, the VM and all that was its own is gone.

A real daemon on real taps and rules; the VMMs are processes without guests.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import volant
from tests.complaints import Holdings, holdings
from tests.fakes.hello import hello
from tests.netns import NetNs, new_netns
from tests.patience import PATIENCE_S, until
from tests.rig import SURVIVING, Rig, rig
from volant.client import TemporaryVm
from volant.proto.errors import ConnectionLost, Fenced, NoSuchPlugin, NoSuchVm, Timeout

pytestmark = [pytest.mark.root]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def namespace() -> Iterator[NetNs]:
    with new_netns() as made:
        yield made


@pytest.fixture(scope="module")
def host(namespace: NetNs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(netns=namespace, program=SURVIVING) as made:
        made.start()
        made.volant("plugin", "install", hello(tmp_path_factory.mktemp("hello")))
        with volant.vm("hello", "first", socket=str(made.socket)):
            pass  # now there is whatever is made once: bridge, firewall, folders
        yield made
        assert "Traceback" not in made.log.read_text()


class Scene:
    """What the host holds beside the VMs of a test."""

    def __init__(self, host: Rig, namespace: NetNs) -> None:
        self.host, self._namespace = host, namespace
        self._before = self._now()

    def _now(self) -> tuple[Holdings, str]:
        return holdings(self.host), self._namespace.run("nft", "list", "ruleset")

    def vm(self, name: str = "web", **asked: Any) -> TemporaryVm:
        return TemporaryVm("hello", name, socket=str(self.host.socket), **asked)

    def check_there(self, vms: int = 1) -> None:
        """So many VMs, each with process, tap, firewall entry, address, folders and rows."""
        before, now = self._before[0], self._now()
        for one, other in ((now[0].vms, before.vms), (now[0].processes, before.processes), (now[0].taps, before.taps)):
            assert len(one - other) == vms
        assert len(now[0].leases - before.leases) == vms and now[0].folders > before.folders and now[0].objects > before.objects
        assert now[1] != self._before[1]

    def check_gone(self) -> None:
        assert self._now() == self._before
        assert self.host.volant("ledger", "--check").returncode == 0

    def wait_gone(self) -> None:
        until(lambda: self._now() == self._before)
        self.check_gone()

    @contextmanager
    def program(self, script: str) -> Iterator[subprocess.Popen[bytes]]:
        """A program that has `path`, the daemon's socket."""
        head = f"import asyncio, sys, volant\npath = {str(self.host.socket)!r}\n"
        with subprocess.Popen(
            [sys.executable, "-c", head + script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as program:
            try:
                yield program
            finally:
                program.kill()


@pytest.fixture
def scene(host: Rig, namespace: NetNs) -> Iterator[Scene]:
    made = Scene(host, namespace)
    yield made
    made.check_gone()


# ----------------------------------------------------------------------------------------------------------------- leaving on asyncio


class Unforeseen(Exception):
    """What goes wrong in a block."""


async def _ends(vm: TemporaryVm) -> None:
    assert (await vm.get()).status == "ready"


async def _fails(vm: TemporaryVm) -> None:
    raise Unforeseen


async def _is_cancelled(vm: TemporaryVm) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(PATIENCE_S)


async def _is_cancelled_again_and_again(vm: TemporaryVm) -> None:
    task = asyncio.current_task()
    assert task is not None
    for after_s in (0.0, 0.001, 0.01, 0.02, 0.05):  # most of them while it leaves
        asyncio.get_running_loop().call_later(after_s, task.cancel)
    await asyncio.sleep(PATIENCE_S)


async def _takes_too_long(vm: TemporaryVm) -> None:
    async with asyncio.timeout(0.01), vm.exec(argv=("cat",)) as call:
        await call.result()


@pytest.mark.parametrize(
    ("body", "raised"),
    [
        (_ends, ()),
        (_fails, Unforeseen),
        (_is_cancelled, asyncio.CancelledError),
        (_is_cancelled_again_and_again, asyncio.CancelledError),
        (_takes_too_long, TimeoutError),
    ],
)
def test_it_is_gone_once_the_block_is_left(scene: Scene, body: Callable[[TemporaryVm], Awaitable[None]], raised: Any) -> None:
    async def use() -> None:
        try:
            async with scene.vm() as vm:
                scene.check_there()
                await body(vm)
        finally:
            scene.check_gone()

    async def main() -> None:
        task = asyncio.ensure_future(use())
        await asyncio.wait([task])
        if raised:
            with pytest.raises(raised):
                await task
        else:
            await task

    asyncio.run(main())


def test_one_that_fails_in_a_group_takes_the_others_along(scene: Scene) -> None:
    async def use(number: int, all_there: asyncio.Barrier) -> None:
        async with scene.vm(f"web-{number}"):
            await all_there.wait()
            if number == 2:
                scene.check_there(3)
                raise Unforeseen
            await asyncio.sleep(PATIENCE_S)

    async def main() -> None:
        all_there = asyncio.Barrier(3)
        with pytest.raises(ExceptionGroup) as raised:
            async with asyncio.TaskGroup() as group:
                for number in range(3):
                    group.create_task(use(number, all_there))
        assert [type(error) for error in raised.value.exceptions] == [Unforeseen]
        scene.check_gone()

    asyncio.run(main())


@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.01, 0.03, 0.1])
def test_cancelled_while_it_is_made_it_is_gone_too(scene: Scene, after_s: float) -> None:
    async def use() -> None:
        async with scene.vm():
            await asyncio.sleep(PATIENCE_S)

    async def main() -> None:
        task = asyncio.ensure_future(use())
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        scene.check_gone()

    asyncio.run(main())


def test_what_can_not_be_made_or_started_leaves_nothing(scene: Scene) -> None:
    with pytest.raises(NoSuchPlugin), volant.vm("nope", socket=str(scene.host.socket)):
        pytest.fail("there is no such plugin")
    with pytest.raises(Timeout), scene.vm(timeout_ms=1):
        pytest.fail("nothing is ready so soon")
    scene.check_gone()


# ------------------------------------------------------------------------------------------------------------------ leaving elsewhere


def test_the_blocking_form_leaves_nothing_either(scene: Scene) -> None:
    with scene.vm() as vm:
        scene.check_there()
        assert vm.get().status == "ready" and [line.text for line in vm.logs(tail=1)]
    scene.check_gone()
    with pytest.raises(Unforeseen), scene.vm():
        raise Unforeseen
    scene.check_gone()
    with pytest.raises(ConnectionLost):
        vm.get()


BLOCKING = """
with volant.vm("hello", "web", socket=path) as vm:
    print(vm.name, flush=True)
    sys.stdin.read()
"""

ASYNC = """
async def main():
    async with volant.vm("hello", "web", socket=path) as vm:
        print(vm.name, flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.mark.parametrize("script", [BLOCKING, ASYNC])
def test_an_interrupted_program_ends_once_it_is_gone(scene: Scene, script: str) -> None:
    with scene.program(script) as program:
        assert program.stdout is not None and program.stdout.readline() == b"web\n"
        scene.check_there()
        program.send_signal(signal.SIGINT)
        assert program.wait(PATIENCE_S) == -signal.SIGINT
        scene.check_gone()


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.03, 0.1])
def test_an_interrupt_while_it_is_made_leaves_nothing(scene: Scene, after_s: float) -> None:
    with scene.program("import volant.client.temporary\nprint('begins', flush=True)\n" + BLOCKING) as program:
        assert program.stdout is not None and program.stdout.readline() == b"begins\n"
        time.sleep(after_s)
        program.send_signal(signal.SIGINT)
        assert program.wait(PATIENCE_S) == -signal.SIGINT
        scene.check_gone()


@pytest.mark.parametrize("script", [BLOCKING, ASYNC])
def test_whoever_does_not_wait_for_the_end_leaves_it_to_the_daemon(scene: Scene, script: str) -> None:
    with scene.program(script) as program:
        assert program.stdout is not None and program.stdout.readline() == b"web\n"
        deadline = time.monotonic() + PATIENCE_S
        while program.poll() is None and time.monotonic() < deadline:
            program.send_signal(signal.SIGINT)
            time.sleep(0.001)
        assert program.poll() is not None
    scene.wait_gone()


@pytest.mark.parametrize("script", [BLOCKING, ASYNC])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_program_takes_it_along(scene: Scene, script: str, number: int) -> None:
    with scene.program(script) as program:
        assert program.stdout is not None and program.stdout.readline() == b"web\n"
        program.send_signal(number)
        program.wait(PATIENCE_S)
    scene.wait_gone()


# ------------------------------------------------------------------------------------------------------------- the daemon, and others


@pytest.mark.parametrize("killed", [True, False])
def test_it_outlives_the_daemon_and_so_do_its_verbs(scene: Scene, killed: bool) -> None:
    host = scene.host

    def again() -> None:
        host.kill() if killed else host.stop()
        host.start()

    async def settled(vm: TemporaryVm) -> Any:
        while True:
            with suppress(ConnectionLost):  # the call was on its way to the daemon that was killed
                found = await vm.get()
                if found.lease.connected:  # the lease looks for the daemon by itself
                    return found
            await asyncio.sleep(0.02)

    async def main() -> None:
        async with scene.vm() as vm:
            again()
            found = await asyncio.wait_for(settled(vm), PATIENCE_S)
            assert (found.pid, found.lease.connected) == (vm.view.pid, True)
        scene.check_gone()

    asyncio.run(main())
    with scene.vm() as vm:
        again()
        assert vm.get().pid == vm.view.pid
    scene.check_gone()


def test_leaving_waits_for_a_daemon_that_is_away(scene: Scene) -> None:
    async def main() -> None:
        async with scene.vm():
            scene.host.kill()
            starting = asyncio.ensure_future(asyncio.to_thread(scene.host.start))
        await starting
        scene.check_gone()

    asyncio.run(main())


def test_who_deletes_it_takes_nothing_from_the_block_and_who_takes_it_over_keeps_it(scene: Scene) -> None:
    with scene.vm() as vm:
        scene.host.volant("vm", "delete", "web", "--force")
        with pytest.raises(NoSuchVm):
            vm.get()
    scene.check_gone()
    with pytest.raises(Fenced), scene.vm(), scene.host.under_way("run", "--reattach", "--engine-id", "other", "--name", "web") as other:
        assert other.stdout is not None and other.stdout.readline()
    assert scene.host.json("vm", "get", "web")["status"] == "ready"
    scene.host.volant("vm", "delete", "web", "--force")
