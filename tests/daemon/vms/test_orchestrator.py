"""What the orchestrator makes of requests and of what happens to its VMs: the whole daemon on a fake host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.orchestra import Orchestra
from tests.patience import PATIENCE_S, wait_until
from volant.daemon.host.faultpoints import FaultPoint, arm
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.proto.api.vm import CreateVm, DeleteVm, ListVms, RestartVm, StartVm, StopVm, WaitVm
from volant.proto.api.vm_call import CallVm
from volant.proto.errors import (
    AgentMissing,
    Denied,
    Failed,
    Fault,
    HostShort,
    InvalidParams,
    LaunchFailed,
    NameTaken,
    NoSuchAction,
    NoSuchVm,
    Timeout,
)
from volant.proto.specs.manifest_codec import decode_manifest
from volant.proto.specs.states import NetworkMode, VmState, WaitFor, Wanted


@pytest.fixture
def orchestra(tmp_path: Path) -> Orchestra:
    return Orchestra(tmp_path)


async def test_a_vm_comes_up_and_its_life_is_told(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        vm = await orchestra.create()
        assert (vm.status, vm.wanted, vm.boot, vm.health) == (VmState.READY, Wanted.RUNNING, 1, "healthy")
        assert vm.ready_at and vm.pid
        stopped = await app.vms.stop(StopVm(name="web"))
        assert (stopped.status, stopped.pid) == (VmState.STOPPED, 0)
        await app.vms.delete(DeleteVm(name="web"))
        with pytest.raises(NoSuchVm):
            app.vms.get("web")
        kinds = await orchestra.kinds()
        assert kinds == ["VM_CREATED", "VM_STARTING", "VM_RUNNING", "VM_READY", "VM_STOPPING", "VM_STOPPED", "VM_DELETED"]


@pytest.mark.parametrize("by", ["manifest", "config"])
async def test_an_environment_stays_off_the_command_line(orchestra: Orchestra, by: str) -> None:
    workload = {"type": "http", "base_url": "http://127.0.0.1:8000", "entrypoint": ["/bin/serve"]}
    async with orchestra.playing():
        await orchestra.install(workload=workload | ({"env": {"TOKEN": "hunter2"}} if by == "manifest" else {}))
        await orchestra.create(env={"TOKEN": "hunter2"} if by == "config" else {})
        plan = orchestra.guest().plan
    manifest = decode_manifest(plan.cmdline.rpartition("volant.manifest=")[2])
    assert manifest.name == "hello" and manifest.workload.env == {}
    assert "volant.config=fw_cfg" in plan.cmdline and b"hunter2" in plan.config_blob


async def test_a_deleted_vm_leaves_no_file_row_or_process(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        vm = await orchestra.create()
        await app.vms.delete(DeleteVm(name="web", force=True))
        assert await app.store.objects() == ()
        assert await app.store.vms() == ()
        with pytest.raises(KeyError):
            orchestra.host.guest(vm.id)
        assert not list((orchestra.config.state_dir / "vms").iterdir())
        assert not list((orchestra.config.runtime_dir / "vms").iterdir())
        await orchestra.create()


async def test_the_same_request_twice_is_no_error(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        assert (await app.vms.start(StartVm(name="web"))).boot == 1
        await app.vms.stop(StopVm(name="web"))
        assert (await app.vms.stop(StopVm(name="web"))).status is VmState.STOPPED
        with pytest.raises(NameTaken):
            await orchestra.create()


async def test_two_stops_at_once_both_get_their_answer(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        answers: list[VmState] = []

        async def stop() -> None:
            answers.append((await app.vms.stop(StopVm(name="web"))).status)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(stop)
        assert answers == [VmState.STOPPED] * 5
        assert (await orchestra.kinds()).count("VM_STOPPED") == 1


async def test_a_restart_is_a_new_boot_of_the_same_vm(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        first = await orchestra.create()
        second = await app.vms.restart(RestartVm(name="web", wait=WaitFor.READY))
        assert (second.id, second.boot, second.status) == (first.id, 2, VmState.READY)
        assert second.pid != first.pid


async def test_a_panic_is_a_crash_that_shows_the_console_and_can_be_started_again(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        orchestra.guest().crash()
        await settled(orchestra, VmState.CRASHED)
        with pytest.raises(LaunchFailed, match="kernel panicked") as crashed:
            await app.vms.wait(WaitVm(name="web", until=WaitFor.READY, timeout_ms=2_000))
        assert "Kernel panic" in crashed.value.data["console"]
        vm = app.vms.get("web")
        assert vm.status is VmState.CRASHED and vm.error is not None and vm.pid == 0
        assert (await app.vms.start(StartVm(name="web", wait=WaitFor.READY))).boot == 2


async def settled(orchestra: Orchestra, state: VmState) -> None:
    await wait_until(lambda: orchestra.app.vms.get("web").status is state)


async def test_the_guests_own_power_off_is_a_normal_stop(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        orchestra.guest().crash("guest-shutdown")
        await settled(orchestra, VmState.STOPPED)
        vm = app.vms.get("web")
        assert (vm.wanted, vm.error, vm.reason) == (Wanted.STOPPED, None, "the guest powered off")


async def test_a_guests_reboot_is_a_new_boot(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        orchestra.guest().crash("guest-reset")
        await wait_until(lambda: (vm := app.vms.get("web")).boot == 2 and vm.status is VmState.READY)


async def test_a_launch_that_fails_leaves_a_failed_vm_that_says_why_and_nothing_else(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(launch_fault=LaunchFailed("the machine type is unknown", hint="upgrade QEMU", stderr="boom"))
        with pytest.raises(LaunchFailed, match="machine type is unknown"):
            await orchestra.create()
        vm = app.vms.get("web")
        assert (vm.status, vm.reason) == (VmState.FAILED, "the machine type is unknown")
        assert {row.kind for row in await app.store.objects()} == {"folder"}
        orchestra.host.behaviour = Behaviour()
        assert (await app.vms.start(StartVm(name="web", wait=WaitFor.READY))).status is VmState.READY


async def test_a_guest_that_never_gets_ready_is_given_up_and_killed(orchestra: Orchestra) -> None:
    orchestra.config = replace(orchestra.config, boot_timeout_s=1.0)
    async with orchestra.playing() as app:
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(mute=True)
        with pytest.raises(LaunchFailed, match="not ready after 1 s: its agent never answered"):
            await orchestra.create()
        assert app.vms.get("web").status is VmState.FAILED
        with pytest.raises(KeyError):
            orchestra.guest()


async def test_a_workload_that_ends_before_it_is_ready_fails_the_start_with_its_words(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(ready_s=1_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_failure, orchestra)
            await known(orchestra)
            await settled(orchestra, VmState.RUNNING)
            orchestra.guest().turn("exited", message="the workload exited with code 3: no such port", exit_code=3)
        assert app.vms.get("web").status is VmState.FAILED


async def known(orchestra: Orchestra) -> None:
    await wait_until(lambda: orchestra.app.vms.find(ListVms()).total)


async def expect_failure(orchestra: Orchestra) -> None:
    with pytest.raises(LaunchFailed, match="exited with code 3"):
        await orchestra.create()


async def test_waiting_has_a_limit_and_the_vm_goes_on(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(ready_s=1_000)
        with pytest.raises(Timeout, match=r"was not ready after 0\.1 s; it is "):
            await orchestra.create(timeout_ms=100)
        await settled(orchestra, VmState.RUNNING)
        with pytest.raises(Timeout, match=r"was not ready after 0\.1 s; it is running"):
            await app.vms.wait(WaitVm(name="web", until=WaitFor.READY, timeout_ms=100))


async def test_a_stop_during_the_start_ends_it(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(ready_s=1_000)
        await orchestra.create(wait=None)
        vm = await app.vms.stop(StopVm(name="web"))
        assert vm.status is VmState.STOPPED
        with pytest.raises(Failed, match="is stopped"):
            await app.vms.wait(WaitVm(name="web", until=WaitFor.READY))


async def test_a_guest_that_ignores_the_request_is_killed_after_its_grace(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(ignores_shutdown=True)
        await orchestra.create()
        began = trio.current_time()
        assert (await app.vms.stop(StopVm(name="web", grace_ms=300))).status is VmState.STOPPED
        assert trio.current_time() - began >= 0.3


async def test_a_second_harsher_stop_does_not_wait_for_the_first_ones_grace(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(ignores_shutdown=True)
        await orchestra.create()
        await app.vms.stop(StopVm(name="web", grace_ms=3_600_000, wait=False))
        await settled(orchestra, VmState.STOPPING)
        with trio.fail_after(PATIENCE_S):
            assert (await app.vms.stop(StopVm(name="web", force=True))).status is VmState.STOPPED


async def test_an_unhealthy_workload_is_running_and_not_ready_until_it_recovers(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        orchestra.guest().turn("unhealthy", health="unhealthy", message="GET /health answered 500")
        await settled(orchestra, VmState.RUNNING)
        assert (app.vms.get("web").health, app.vms.get("web").reason) == ("unhealthy", "GET /health answered 500")
        orchestra.guest().turn("ready", health="healthy")
        await settled(orchestra, VmState.READY)
        assert app.vms.get("web").reason == ""


async def test_a_running_vm_is_not_deleted_by_accident(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        with pytest.raises(Denied, match="is ready"):
            await app.vms.delete(DeleteVm(name="web"))


@pytest.mark.parametrize("ending", ["playing", "killed"])
async def test_vms_outlive_the_daemon_and_are_adopted(orchestra: Orchestra, ending: str) -> None:
    async with getattr(orchestra, ending)():
        await orchestra.install()
        before = await orchestra.create()
    assert [guest.identity.pid for guest in orchestra.host.guests()] == [before.pid]
    async with orchestra.playing() as app:
        after = await app.vms.wait(WaitVm(name="web", until=WaitFor.READY))
        assert (after.id, after.pid, after.boot) == (before.id, before.pid, before.boot)
        assert app.vms.link("web").version
        assert (await app.vms.stop(StopVm(name="web"))).status is VmState.STOPPED
        assert {row.kind for row in await app.store.objects()} == {"folder"}


async def test_what_died_while_the_daemon_was_away_is_found_by_looking(orchestra: Orchestra) -> None:
    async with orchestra.playing():
        await orchestra.install()
        vm = await orchestra.create()
    orchestra.host.guest(vm.id).crash("killed")
    async with orchestra.playing() as app:
        await settled(orchestra, VmState.CRASHED)
        assert "while the daemon was away" in app.vms.get("web").reason
        assert {row.kind for row in await app.store.objects()} == {"folder"}


async def test_a_start_that_the_daemons_end_cut_short_begins_anew(orchestra: Orchestra) -> None:
    async with orchestra.killed():
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(ready_s=1_000)
        await orchestra.create(wait=None)
    orchestra.host.behaviour = Behaviour()
    async with orchestra.playing() as app:
        assert app.vms.get("web").pid == 0
        assert (await app.vms.wait(WaitVm(name="web", until=WaitFor.READY))).status is VmState.READY


async def test_actions_go_to_the_workload_and_unknown_ones_are_named(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create()
        request = app.vms.workload_request(CallVm(name="web", action="greet", query="name=you"))
        assert (request.method, request.path) == ("GET", "/greet?name=you")
        with pytest.raises(NoSuchAction, match="no action 'wave'") as unknown:
            app.vms.workload_request(CallVm(name="web", action="wave"))
        assert "greet" in unknown.value.hint
        await app.vms.stop(StopVm(name="web"))
        with pytest.raises(AgentMissing, match="is stopped"):
            app.vms.link("web")


async def test_nothing_is_stored_of_a_request_that_makes_no_sense(orchestra: Orchestra) -> None:
    wrong: list[tuple[dict[str, object], type[Fault], str]] = [
        ({"name": "Web_1"}, InvalidParams, "may hold only"),
        ({"name": "a" * 64}, InvalidParams, "64 bytes"),
        ({"cpu_cores": 0}, InvalidParams, "cpu_cores is 0"),
        ({"cpu_cores": 10_000}, InvalidParams, "cpu_cores is 10000"),
        ({"memory_mb": 900_000}, HostShort, "MiB are free"),
    ]
    async with orchestra.playing() as app:
        await orchestra.install()
        for changes, fault, words in wrong:
            with pytest.raises(fault, match=words):
                await app.vms.create(CreateVm(**{"name": "web", "plugin": "hello", **changes}), author="test")  # type: ignore[arg-type]
        assert await app.store.vms() == ()
        assert await app.store.objects() == ()
        assert await orchestra.kinds() == []


async def test_a_dry_run_shows_the_vm_and_changes_nothing(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        vm = await orchestra.create(wait=None, dry_run=True, memory_mb=512)
        assert (vm.name, vm.memory_mb, vm.network) == ("web", 512, NetworkMode.NONE)
        assert app.vms.find(ListVms()).total == 0
        assert await app.store.vms() == ()


async def test_lists_filter_sort_and_page(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        for number in range(5):
            await orchestra.create(f"web-{number}", wait=None, start=number % 2 == 0, memory_mb=128 + number, labels={"tier": f"t{number}"})
        await app.vms.wait(WaitVm(name="web-4", until=WaitFor.READY))
        assert app.vms.find(ListVms(limit=2)).total == 5
        assert len(app.vms.find(ListVms(limit=2, offset=4)).encoded) == 1
        assert app.vms.find(ListVms(status=(VmState.STOPPED,))).total == 2
        assert app.vms.find(ListVms(text="TIER=T3")).total == 1
        assert app.vms.find(ListVms(plugin="other")).total == 0
        assert b"web-4" in app.vms.find(ListVms(sort="-memory", limit=1)).encoded[0]
        with pytest.raises(InvalidParams, match="can't be sorted by 'colour'"):
            app.vms.find(ListVms(sort="colour"))


@pytest.mark.parametrize(
    ("asked", "said"), [({"wait": WaitFor.DELETED}, "until the VM is deleted"), ({"start": False, "wait": WaitFor.READY}, "not started")]
)
async def test_a_creation_that_would_be_waited_for_in_vain_is_refused(orchestra: Orchestra, asked: dict[str, Any], said: str) -> None:
    async with orchestra.playing():
        await orchestra.install()
        with pytest.raises(InvalidParams, match=said):
            await orchestra.create(**asked)
        assert orchestra.records() == ()


class Holding:
    """Holds the first creation up between its checks and the store, until `release` is set."""

    def __init__(self) -> None:
        self.held, self.release = trio.Event(), trio.Event()

    async def passed(self, point: FaultPoint, vm_id: str) -> None:
        if point is FaultPoint.ADDRESS_TAKEN and not self.held.is_set():
            self.held.set()
            await self.release.wait()

    def passed_in_thread(self, point: FaultPoint, vm_id: str) -> None:
        pass


@pytest.fixture
def holding() -> Iterator[Holding]:
    made = Holding()
    arm(made)
    yield made
    arm(None)


async def test_a_creation_whose_name_was_taken_meanwhile_is_refused_and_harms_nothing(orchestra: Orchestra, holding: Holding) -> None:
    refused: list[NameTaken] = []

    async def late() -> None:
        try:
            await orchestra.create()
        except NameTaken as fault:
            refused.append(fault)

    async with orchestra.playing() as app:
        await orchestra.install()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(late)
            await holding.held.wait()
            first = await orchestra.create()
            holding.release.set()
        assert len(refused) == 1
        assert app.vms.get("web") == first
        assert [record.id for record in await app.store.vms()] == [first.id]
        assert (await app.vms.stop(StopVm(name="web"))).status is VmState.STOPPED
