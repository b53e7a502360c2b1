"""The fake launcher's guests: they speak the agent's protocol, misbehave on demand, and cost next to nothing."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from volant.daemon.guests.link import AgentLink
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.hypervisors.fake.launcher import FakeHost, FakeHypervisor
from volant.daemon.ports import LaunchPlan, Vmm
from volant.proto.api import guest as api
from volant.proto.api.vm import Done, ExecResult
from volant.proto.errors import ConnectionLost, GuestFailed, LaunchFailed

ID = "0123456789ab"
IN, OUT, ERR = 0, 1, 2


def plan(folder: Path, vm_id: str = ID) -> LaunchPlan:
    return LaunchPlan(
        vm_id=vm_id, name="web-1", runtime_dir=folder, console_log=folder / f"{vm_id}.log", kernel=folder, initramfs=folder,
        cmdline="", vcpus=1, memory_mib=128, accel="none",
    )  # fmt: skip


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def launch(host: FakeHost, tmp_path: Path) -> Callable[[Behaviour], Awaitable[Vmm]]:
    async def start(behaviour: Behaviour) -> Vmm:
        host.behaviour = behaviour
        return await FakeHypervisor(host).launch(plan(tmp_path))

    return start


Launch = Callable[[Behaviour], Awaitable[Vmm]]


async def attached(vmm: Vmm, nursery: trio.Nursery) -> AgentLink:
    link = AgentLink(await vmm.open_agent())
    with trio.fail_after(60):
        await link.attach()
    nursery.start_soon(link.run)
    return link


@pytest.fixture
async def link(launch: Launch, nursery: trio.Nursery) -> AsyncIterator[AgentLink]:
    link = await attached(await launch(Behaviour()), nursery)
    yield link
    await link.aclose()


async def run(link: AgentLink, *argv: str, typed: bytes = b"") -> tuple[bytes, ExecResult]:
    async with link.open(api.EXEC, api.Exec(argv=argv)) as call:
        for start in range(0, len(typed), 10_000):
            await call.send(IN, typed[start : start + 10_000])
        await call.end(IN)
        out = await everything(lambda: call.receive(OUT))
        result = await call.result()
    return out, ExecResult(**result)


async def everything(receive: Callable[[], Awaitable[bytes]]) -> bytes:
    seen = b""
    while data := await receive():
        seen += data
    return seen


async def test_it_gets_ready_after_its_time_and_says_so_on_the_console(
    launch: Launch, tmp_path: Path, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    vmm = await launch(Behaviour(ready_s=30))
    link = await attached(vmm, nursery)
    started = trio.current_time()
    async with link.open(api.WATCH, api.Watch()) as call:
        assert (await call.next_item())["phase"] == "starting"
        assert (await call.next_item())["phase"] == "ready"
    assert 29 < trio.current_time() - started < 31
    log = (tmp_path / f"{ID}.log").read_text()
    assert log.index("guest is up") < log.index("kestrel: ready")


async def test_echo_cat_and_exit(link: AgentLink) -> None:
    assert await run(link, "echo", "a", "b") == (b"a b\n", ExecResult(0))
    assert await run(link, "exit", "3") == (b"", ExecResult(3))
    text = bytes(range(256)) * 400
    assert await run(link, "cat", typed=text) == (text, ExecResult(0))


async def test_what_it_has_not_got_exits_127(link: AgentLink) -> None:
    async with link.open(api.EXEC, api.Exec(argv=("ls",))) as call:
        assert b"not found" in await call.receive(ERR)
        assert (await call.result())["exit_code"] == 127


async def test_its_http_workload_echoes(link: AgentLink) -> None:
    async with link.open(api.HTTP, api.Request(method="POST", path="/echo")) as call:
        assert (await call.next_item())["status"] == 200
        await call.send(IN, b"body")
        await call.end(IN)
        assert await everything(lambda: call.receive(OUT)) == b"body"
        await call.result()
    async with link.open(api.HTTP, api.Request(method="GET", path="/hello")) as call:
        await call.end(IN)
        assert await everything(lambda: call.receive(OUT)) == b"GET /hello\n"


async def test_it_answers_the_small_calls(link: AgentLink) -> None:
    assert await link.call(api.SYNC, api.Sync(time_ns=1)) == Done()
    assert (await link.call(api.INFO, api.Watch())).kernel == "fake"
    async with link.open(api.LOGS, api.Logs(tail=-1)) as call:
        assert (await call.next_item())["text"] == "workload started"
        await call.result()
    with pytest.raises(GuestFailed):
        await link.call(api.COPY_OUT, api.GuestPath(path="/etc"))


async def test_shutdown_ends_it(launch: Launch, nursery: trio.Nursery) -> None:
    vmm = await launch(Behaviour())
    link = await attached(vmm, nursery)
    await link.call(api.SHUTDOWN, api.Shutdown())
    assert (await vmm.wait_exited()).cause == "guest-shutdown"


async def test_it_can_ignore_the_shutdown(launch: Launch, nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    vmm = await launch(Behaviour(ignores_shutdown=True))
    link = await attached(vmm, nursery)
    await link.call(api.SHUTDOWN, api.Shutdown())
    with trio.move_on_after(3600) as scope:
        await vmm.wait_exited()
    assert scope.cancelled_caught
    assert (await vmm.kill()).cause == "killed"


async def test_it_can_crash_in_the_middle_of_a_call(launch: Launch, host: FakeHost, nursery: trio.Nursery) -> None:
    vmm = await launch(Behaviour())
    link = await attached(vmm, nursery)
    with pytest.raises(ConnectionLost):
        async with link.open(api.EXEC, api.Exec(argv=("cat",))) as call:
            host.guest(ID).crash()
            await call.result()
    assert (await vmm.wait_exited()).cause == "guest-panic"


async def test_it_can_turn_unhealthy(launch: Launch, host: FakeHost, nursery: trio.Nursery) -> None:
    link = await attached(await launch(Behaviour()), nursery)
    async with link.open(api.WATCH, api.Watch()) as call:
        while (await call.next_item())["phase"] != "ready":
            pass
        host.guest(ID).turn("unhealthy", health="unhealthy", message="no answer")
        told = await call.next_item()
        assert (told["phase"], told["message"]) == ("unhealthy", "no answer")


async def test_it_can_fail_to_launch(launch: Launch, host: FakeHost) -> None:
    with pytest.raises(LaunchFailed, match="for a test"):
        await launch(Behaviour(launch_fault=LaunchFailed("for a test")))
    with pytest.raises(KeyError):
        host.guest(ID)


@pytest.mark.parametrize("behaviour", [Behaviour(mute=True), Behaviour(ready_s=float("inf"))])
async def test_it_can_be_mute_or_never_get_ready(launch: Launch, behaviour: Behaviour, autojump_clock: MockClock) -> None:
    vmm = await launch(behaviour)
    link = AgentLink(await vmm.open_agent())
    with trio.move_on_after(3600) as scope:
        await link.attach()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.run)
            async with link.open(api.WATCH, api.Watch()) as call:
                while (await call.next_item())["phase"] != "ready":
                    pass
    assert scope.cancelled_caught
    await vmm.kill()
    await link.aclose()


async def test_a_daemon_that_attaches_anew_gets_a_fresh_session(launch: Launch, nursery: trio.Nursery) -> None:
    vmm = await launch(Behaviour())
    first = await attached(vmm, nursery)
    second = await attached(vmm, nursery)
    assert (await run(second, "echo", "hi"))[0] == b"hi\n"
    with pytest.raises(ConnectionLost):
        await first.call(api.INFO, api.Watch())


async def test_the_same_vm_runs_only_once(launch: Launch) -> None:
    vmm = await launch(Behaviour())
    with pytest.raises(GuestFailed):
        await launch(Behaviour())
    await vmm.kill()
    assert (await launch(Behaviour())).identity != vmm.identity


async def test_a_thousand_cost_little_memory(host: FakeHost, tmp_path: Path) -> None:
    launcher = FakeHypervisor(host)
    host.behaviour = replace(host.behaviour, ready_s=1.0)
    kept: list[object] = []
    gc.collect()
    tracemalloc.start()
    for number in range(1_000):
        vmm = await launcher.launch(plan(tmp_path, f"{number:012x}"))
        kept += [vmm, await vmm.open_agent(), await vmm.open_console()]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 20 * 1024 * 1024
