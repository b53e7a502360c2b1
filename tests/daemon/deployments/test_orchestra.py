"""Deployments of the whole daemon, on a fake host."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.orchestra import Orchestra
from tests.patience import PATIENCE_S, wait_until
from volant.daemon.hypervisors.fake.guest import Behaviour
from volant.daemon.ports import Asker
from volant.proto.api.deployment import CreateDeployment, DeleteDeployment, DeploymentView, ScaleDeployment, UpdateDeployment
from volant.proto.api.vm import DeleteVm, ListVms, StopVm
from volant.proto.errors import LaunchFailed
from volant.proto.specs.states import DeploymentStatus, VmState

SOMEBODY = Asker("uid:1000", "pid 4711")


async def deploy(orchestra: Orchestra, replicas: int = 3) -> DeploymentView:
    asked = CreateDeployment(name="web", plugin="hello", replicas=replicas, wait=True, timeout_ms=90_000)
    return await orchestra.app.deployments.create(asked, SOMEBODY)


async def complete(orchestra: Orchestra) -> DeploymentView:
    """A request that changes nothing, and waits."""
    replicas = orchestra.app.deployments.get("web").replicas
    return await orchestra.app.deployments.scale(ScaleDeployment(name="web", replicas=replicas, wait=True, timeout_ms=90_000), SOMEBODY)


def ids(orchestra: Orchestra) -> dict[str, str]:
    return {vm.name: vm.id for vm in orchestra.records() if vm.state is VmState.READY}


@pytest.fixture
def orchestra(tmp_path: Path) -> Orchestra:
    return Orchestra(tmp_path)


async def test_replicas_are_vms_that_know_whose_they_are(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await orchestra.create("alone")
        view = await deploy(orchestra)
        assert (view.status, view.ready, view.template.plugin_version) == (DeploymentStatus.READY, 3, "1.0.0")
        one = app.vms.get("web-1")
        assert (one.deployment, one.revision, app.vms.get("alone").deployment) == ("web", 1, "")
        assert app.vms.find(ListVms(deployment="web")).total == 3


async def test_a_killed_replica_is_replaced_and_told_of(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await deploy(orchestra)
        before = ids(orchestra)
        orchestra.guest("web-2").crash()
        await wait_until(lambda: ids(orchestra).get("web-2") not in (None, before["web-2"]))
        assert {name for name, vm in ids(orchestra).items() if vm != before[name]} == {"web-2"}
        kinds = await orchestra.kinds("web-2")
        assert kinds[4:] == ["VM_CRASHED", "VM_DELETED", "VM_CREATED", "VM_STARTING", "VM_RUNNING", "VM_READY"]
        assert len(await app.store.vms()) == 3


async def test_deleting_or_stopping_a_replica_by_hand_is_allowed_and_made_good(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await deploy(orchestra)
        before = ids(orchestra)
        note = await app.vms.delete(DeleteVm(name="web-1", force=True))
        assert note == "web-1 was a replica of deployment web, which makes it anew; `volant deployment scale` makes fewer"
        await app.vms.stop(StopVm(name="web-3"))
        await complete(orchestra)
        after = ids(orchestra)
        assert after.keys() == before.keys()
        assert [name for name in after if after[name] == before[name]] == ["web-2"]


async def test_an_update_replaces_every_replica_and_a_deletion_leaves_nothing(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        await deploy(orchestra)
        before = ids(orchestra)
        asked = UpdateDeployment(name="web", memory_mb=256, env={"COLOUR": "blue"}, wait=True, timeout_ms=90_000)
        assert (await app.deployments.update(asked, SOMEBODY)).updated == 3
        assert not set(ids(orchestra).values()) & set(before.values())
        assert app.vms.get("web-1").memory_mb == 256
        await app.deployments.delete(DeleteDeployment(name="web"), SOMEBODY)
        assert (await app.store.vms(), await app.store.objects(), await app.store.deployments()) == ((), (), ())
        assert not list((orchestra.config.state_dir / "vms").iterdir())


async def test_a_start_that_fails_is_shown_and_mended(orchestra: Orchestra) -> None:
    async with orchestra.playing() as app:
        await orchestra.install()
        orchestra.host.behaviour = Behaviour(launch_fault=LaunchFailed("the VMM ended with code 1"))
        await app.deployments.create(CreateDeployment(name="web", plugin="hello", replicas=2), SOMEBODY)
        await wait_until(lambda: app.deployments.get("web").status is DeploymentStatus.DEGRADED)
        assert "the VMM ended with code 1" in app.deployments.get("web").reason
        orchestra.host.behaviour = Behaviour()
        assert (await complete(orchestra)).ready == 2


@pytest.mark.parametrize("ending", ["playing", "killed"])
async def test_replicas_outlive_the_daemon_and_the_next_one_goes_on(orchestra: Orchestra, ending: str) -> None:
    async with getattr(orchestra, ending)():
        await orchestra.install()
        await deploy(orchestra)
        before = ids(orchestra)
    orchestra.host.guest(before["web-2"]).crash()
    async with orchestra.playing() as app:
        await complete(orchestra)
        after = ids(orchestra)
        assert after["web-1"] == before["web-1"] and after["web-3"] == before["web-3"] and after["web-2"] != before["web-2"]
        await app.deployments.create(CreateDeployment(name="api", plugin="hello", replicas=5), SOMEBODY)
    async with orchestra.playing() as app:
        await wait_until(lambda: app.deployments.get("api").ready == 5)
        assert len(orchestra.records()) == 8


async def test_a_daemon_killed_in_the_middle_of_an_update_or_a_deletion_goes_on_with_it(orchestra: Orchestra) -> None:
    async with orchestra.killed() as app:
        await orchestra.install()
        await deploy(orchestra)
        await app.deployments.update(UpdateDeployment(name="web", env={"A": "b"}), SOMEBODY)
    async with orchestra.killed() as app:
        assert (await complete(orchestra)).updated == 3
        await app.deployments.delete(DeleteDeployment(name="web", wait=False), SOMEBODY)
    async with orchestra.playing() as app:
        with trio.fail_after(PATIENCE_S):
            while await app.store.deployments():
                await trio.sleep(0.01)
        assert await app.store.vms() == ()


async def test_a_hosts_restart_brings_the_same_replicas_up_again(orchestra: Orchestra) -> None:
    async with orchestra.playing():
        await orchestra.install(restart="always")
        await deploy(orchestra)
        before = ids(orchestra)
    orchestra.host.reboot()
    async with orchestra.playing() as app:
        await wait_until(lambda: ids(orchestra) == before)
        assert {(vm.restart, vm.autostart) for name in before for vm in (app.vms.get(name),)} == {("no", True)}
        assert (await complete(orchestra)).status is DeploymentStatus.READY
        assert ids(orchestra) == before
