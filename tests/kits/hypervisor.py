"""What every launcher has to do, the fake included (`ports.Hypervisor`, `ports.Vmm`).

A launcher's tests inherit `HypervisorKit` and give it a `rig`. The rig's guest prints `GREETING` when it is up, and powers
itself off when it reads `poweroff` and a newline on its serial line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
import trio
import trio.testing

from volant.daemon.host.nurseries import helpers
from volant.daemon.host.processes import Process
from volant.daemon.ports import ExitReport, Hypervisor, LaunchPlan, ProcessIdentity, Vmm
from volant.proto.errors import Fault

GREETING = b"guest is up"


class Rig(Protocol):
    """One host and what launches on it."""

    patience: float
    """Seconds within which the guest is up, or notices what is typed."""

    def launcher(self) -> Hypervisor:
        """A new launcher over the same host, as a restarted daemon has it."""

    def plan(self, vm_id: str) -> LaunchPlan: ...
    def alive(self, identity: ProcessIdentity) -> bool: ...


def plan_without_guest(parent: Path, vm_id: str) -> LaunchPlan:
    """For launchers that boot nothing; the VM's folder is made below `parent`."""
    folder = parent / vm_id
    folder.mkdir(exist_ok=True)
    return LaunchPlan(
        vm_id=vm_id,
        name="kit",
        runtime_dir=folder,
        console_log=folder / "console.log",
        kernel=Path("/none"),
        initramfs=Path("/none"),
        cmdline="",
        vcpus=1,
        memory_mib=128,
        accel="none",
    )


def alive_on_this_host(identity: ProcessIdentity) -> bool:
    """Whether that process runs, asked from the kernel."""
    process = Process.open(identity)
    if process is None:
        return False
    process.close()
    return True


async def wait_log(rig: Rig, plan: LaunchPlan, wanted: bytes) -> bytes:
    """The console log once it holds `wanted`."""
    with trio.fail_after(rig.patience):
        while not plan.console_log.exists() or wanted not in plan.console_log.read_bytes():
            await trio.sleep(0.05)
    return plan.console_log.read_bytes()


@asynccontextmanager
async def typed(vmm: Vmm, line: bytes) -> AsyncIterator[None]:
    """`line` has been typed on the serial line. It stays connected, for a VMM may drop what it has not read of a connection that
    is closed, and is drained, for a guest stands still after some hundred bytes that nobody reads."""
    async with await vmm.open_console() as console, helpers() as nursery:
        nursery.start_soon(_read_to_end, console)
        await console.send_all(line + b"\n")
        yield


async def power_off(rig: Rig, vmm: Vmm) -> ExitReport:
    """Let the guest power itself off."""
    async with typed(vmm, b"poweroff"):
        with trio.fail_after(rig.patience):
            return await vmm.wait_exited()


class HypervisorKit:
    """Inherit as `Test...` beside a fixture `rig`."""

    async def test_a_guest_starts_and_its_own_power_off_is_told_apart(self, rig: Rig) -> None:
        plan = rig.plan("0a0000000001")
        vmm = await rig.launcher().launch(plan)
        assert rig.alive(vmm.identity)
        await wait_log(rig, plan, GREETING)
        report = await power_off(rig, vmm)
        assert report.cause == "guest-shutdown"
        assert not rig.alive(vmm.identity)

    async def test_kill_returns_once_it_is_dead_and_leaves_no_socket(self, rig: Rig) -> None:
        plan = rig.plan("0a0000000002")
        vmm = await rig.launcher().launch(plan)
        report = await vmm.kill()
        assert report.cause == "killed"
        assert not rig.alive(vmm.identity)
        assert list(plan.runtime_dir.glob("*.sock")) == []
        assert await vmm.kill() == report
        assert await vmm.wait_exited() == report

    async def test_everybody_who_waits_hears_of_the_end(self, rig: Rig) -> None:
        vmm = await rig.launcher().launch(rig.plan("0a0000000003"))
        causes: list[str] = []

        async def wait() -> None:
            causes.append((await vmm.wait_exited()).cause)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            await vmm.kill()
        assert causes == ["killed", "killed"]

    async def test_a_released_guest_lives_on_and_is_adopted(self, rig: Rig) -> None:
        plan = rig.plan("0a0000000004")
        first = await rig.launcher().launch(plan)
        await first.release()
        assert rig.alive(first.identity)
        second = await rig.launcher().adopt(first.identity, plan)
        assert second is not None
        assert second.identity == first.identity
        await wait_log(rig, plan, GREETING)
        assert (await power_off(rig, second)).cause == "guest-shutdown"

    async def test_an_adopted_guest_can_be_killed(self, rig: Rig) -> None:
        plan = rig.plan("0a0000000005")
        first = await rig.launcher().launch(plan)
        await first.release()
        second = await rig.launcher().adopt(first.identity, plan)
        assert second is not None
        assert (await second.kill()).cause == "killed"
        assert not rig.alive(first.identity)

    async def test_the_dead_are_not_adopted(self, rig: Rig) -> None:
        plan = rig.plan("0a0000000006")
        vmm = await rig.launcher().launch(plan)
        await vmm.kill()
        assert await rig.launcher().adopt(vmm.identity, plan) is None

    async def test_another_process_under_the_same_pid_is_not_adopted(self, rig: Rig) -> None:
        plan = rig.plan("0a0000000007")
        vmm = await rig.launcher().launch(plan)
        identity = vmm.identity
        try:
            other = ProcessIdentity(identity.pid, identity.start_time + 1, identity.boot_id)
            another_boot = ProcessIdentity(identity.pid, identity.start_time, "00000000-0000-0000-0000-000000000000")
            assert await rig.launcher().adopt(other, plan) is None
            assert await rig.launcher().adopt(another_boot, plan) is None
            assert rig.alive(identity)
        finally:
            await vmm.kill()

    async def test_a_running_guest_is_found_by_its_plan_alone(self, rig: Rig) -> None:
        plan = rig.plan("0a0000000008")
        assert await rig.launcher().find(plan) is None
        vmm = await rig.launcher().launch(plan)
        assert await rig.launcher().find(plan) == vmm.identity
        assert await rig.launcher().find(rig.plan("0a00000000ff")) is None
        await vmm.kill()
        assert await rig.launcher().find(plan) is None

    async def test_what_runs_is_told_whole_and_by_place(self, rig: Rig) -> None:
        plan = rig.plan("0a0000000010")
        within = plan.runtime_dir.parent
        assert await rig.launcher().running(within) == {}
        vmm = await rig.launcher().launch(plan)
        assert await rig.launcher().running(within) == {plan.vm_id: vmm.identity}
        assert await rig.launcher().running(within / "elsewhere") == {}
        assert all(path.is_socket() and path.parent == plan.runtime_dir for path in rig.launcher().sockets(plan))
        await vmm.kill()
        assert await rig.launcher().running(within) == {}

    async def test_the_console_log_has_what_was_printed_before_anybody_connected(self, rig: Rig) -> None:
        plan = rig.plan("0a0000000009")
        plan.console_log.write_bytes(b"an earlier boot\n")
        vmm = await rig.launcher().launch(plan)
        log = await wait_log(rig, plan, GREETING)
        assert log.startswith(b"an earlier boot\n")
        await vmm.kill()

    async def test_the_agents_pipe_opens(self, rig: Rig) -> None:
        vmm = await rig.launcher().launch(rig.plan("0a000000000a"))
        async with await vmm.open_agent() as stream:
            await stream.send_all(b"anybody there?")
        await vmm.kill()

    async def test_nothing_of_a_dead_guest_can_be_opened(self, rig: Rig) -> None:
        vmm = await rig.launcher().launch(rig.plan("0a000000000b"))
        await vmm.kill()
        for opening in (vmm.open_agent, vmm.open_console, vmm.pause, vmm.resume):
            with pytest.raises(Fault):
                await opening()

    async def test_the_streams_of_a_killed_guest_end(self, rig: Rig) -> None:
        vmm = await rig.launcher().launch(rig.plan("0a000000000c"))
        async with await vmm.open_agent() as agent, await vmm.open_console() as console:
            await vmm.kill()
            for stream in (agent, console):
                with trio.fail_after(rig.patience):
                    await _read_to_end(stream)

    async def test_a_cancelled_launch_leaves_nothing(self, rig: Rig) -> None:
        plan = rig.plan("0a000000000d")
        for checkpoints in range(6):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_cancel_after, scope, checkpoints)
                    vmm = await rig.launcher().launch(plan)
                    await vmm.kill()
            assert await rig.launcher().find(plan) is None
            assert list(plan.runtime_dir.glob("*.sock")) == []

    async def test_a_paused_guest_stands_still_until_it_is_resumed(self, rig: Rig) -> None:
        plan = rig.plan("0a000000000e")
        vmm = await rig.launcher().launch(plan)
        await wait_log(rig, plan, GREETING)
        await vmm.pause()
        async with typed(vmm, b"poweroff"):
            with trio.move_on_after(0.5) as scope:
                await vmm.wait_exited()
            assert scope.cancelled_caught
            await vmm.resume()
            with trio.fail_after(rig.patience):
                assert (await vmm.wait_exited()).cause == "guest-shutdown"

    async def test_the_facts_name_launcher_and_acceleration(self, rig: Rig) -> None:
        launcher = rig.launcher()
        facts = await launcher.facts()
        assert facts.name == launcher.name
        assert facts.accel in ("kvm", "tcg", "none")
        assert facts.accel_reason


async def _cancel_after(scope: trio.CancelScope, checkpoints: int) -> None:
    for _ in range(checkpoints):
        await trio.lowlevel.checkpoint()
    scope.cancel()


async def _read_to_end(stream: trio.abc.Stream) -> None:
    try:
        while await stream.receive_some():
            pass
    except trio.BrokenResourceError:
        pass
