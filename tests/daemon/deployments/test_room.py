"""What becomes of a deployment: on VMs without a host, on the mock clock (which pytest-trio uses for tests that name it themselves)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from tests.daemon.deployments.stage import SOMEBODY, Stage
from volant.daemon.deployments.backoff import CAP_S
from volant.daemon.deployments.controller import RESYNC_S
from volant.daemon.deployments.room import REVISIONS_KEPT
from volant.daemon.deployments.sight import UNHEALTHY_S
from volant.proto.api.deployment import (
    CreateDeployment,
    DeleteDeployment,
    DeploymentName,
    DeploymentView,
    ListDeployments,
    ResumeDeployment,
    ScaleDeployment,
    StatusDeployment,
    UndoDeployment,
)
from volant.proto.api.vm import CreateVm, DeleteVm, Forward, StopVm
from volant.proto.errors import (
    Denied,
    Fault,
    HostShort,
    InvalidParams,
    NameTaken,
    NoSuchDeployment,
    NoSuchPlugin,
    NoSuchRevision,
    StoreFailed,
    Timeout,
)
from volant.proto.specs.states import DeploymentStatus, NetworkMode, VmState


async def test_replicas_come_up_and_are_counted(autojump_clock: MockClock, stage: Stage) -> None:
    before = await stage.create(wait=False)
    assert (before.status, before.replicas, before.ready, before.observed_generation) == (DeploymentStatus.PROGRESSING, 3, 0, 0)
    view = await stage.scale(3)
    assert stage.names() == ["web-1", "web-2", "web-3"]
    assert (view.status, view.reason, view.current, view.updated, view.ready, view.available) == (DeploymentStatus.READY, "", 3, 3, 3, 3)
    assert (view.template.plugin, view.template.plugin_version, view.revision, view.observed_generation) == ("hello", "1.0.0", 1, 1)
    assert {(vm.deployment, vm.revision, vm.plugin_version) for vm in stage.replicas()} == {("web", 1, "1.0.0")}


async def test_scaling_down_takes_the_highest_and_up_fills_the_lowest(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=4)
    await stage.scale(2)
    assert stage.names() == ["web-1", "web-2"]
    await stage.fleet.delete(DeleteVm(name="web-1"))
    await stage.scale(3)
    assert stage.names() == ["web-1", "web-2", "web-3"]
    assert (await stage.scale(0)).status is DeploymentStatus.READY
    assert stage.names() == []


async def test_a_thousand_replicas_need_no_thousand_steps_at_once(autojump_clock: MockClock, stage: Stage) -> None:
    most_starting = 0

    async def count() -> None:
        nonlocal most_starting
        while True:
            most_starting = max(most_starting, len(stage.fleet.names(VmState.PENDING, VmState.STARTING)))
            await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        view = await stage.create(replicas=200)
        nursery.cancel_scope.cancel()
    assert view.ready == 200
    assert 16 <= most_starting <= 32


@pytest.mark.parametrize("harm", ["crash", "delete", "stop"])
async def test_what_is_lost_is_made_again(autojump_clock: MockClock, stage: Stage, harm: str) -> None:
    await stage.create()
    lost = stage.fleet.vm("web-2").id
    began = trio.current_time()
    if harm == "crash":
        await stage.fleet.crash("web-2")
    elif harm == "delete":
        await stage.fleet.delete(DeleteVm(name="web-2"))
    else:
        await stage.fleet.stop(StopVm(name="web-2"))
    await stage.until(lambda: len(stage.ready()) == 3 and stage.fleet.vm("web-2").id != lost)
    assert trio.current_time() - began < 2
    await trio.sleep(1)
    kinds = await stage.kinds()
    assert kinds[:2] == ["DEPLOYMENT_CREATED", "DEPLOYMENT_READY"]
    assert kinds[-1] == "DEPLOYMENT_READY"


async def test_an_unhealthy_replica_gets_time_then_is_replaced(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create()
    await stage.fleet.turn("web-1", VmState.RUNNING, health="unhealthy")
    await trio.sleep(UNHEALTHY_S / 2)
    view = stage.room.get("web")
    assert (view.status, view.ready, view.current) == (DeploymentStatus.PROGRESSING, 2, 3)
    await stage.fleet.turn("web-1", VmState.READY, health="healthy")
    kept = stage.fleet.vm("web-1").id
    await trio.sleep(UNHEALTHY_S * 2)
    assert stage.fleet.vm("web-1").id == kept
    await stage.fleet.turn("web-1", VmState.RUNNING, health="unhealthy")
    await trio.sleep(UNHEALTHY_S * 2)
    assert stage.fleet.vm("web-1").id != kept
    assert len(stage.ready()) == 3


async def test_a_broken_plugin_is_tried_ever_more_seldom_and_mended_at_once(autojump_clock: MockClock, stage: Stage) -> None:
    stage.fleet.broken = {"1.0.0"}
    await stage.create(replicas=2, wait=False)
    await trio.sleep(3_600)
    made = stage.fleet.made
    assert made <= 2 * (3_600 / CAP_S + 8)
    view = stage.room.get("web")
    assert view.status is DeploymentStatus.DEGRADED
    assert "2 replicas are down (web-1, web-2); web-1 is failed: the workload ended before it was ready" in view.reason
    assert "the next try is in" in view.reason
    assert (await stage.kinds()).count("DEPLOYMENT_DEGRADED") == 1
    began = trio.current_time()
    mended = await stage.update(version="1.1.0")
    assert (mended.status, mended.updated) == (DeploymentStatus.READY, 2)
    assert trio.current_time() - began < 3


async def test_a_replica_that_keeps_crashing_backs_off_and_is_forgiven(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=1)
    for _ in range(5):
        await stage.fleet.crash("web-1")
        await stage.until(lambda: bool(stage.ready()))
    began = trio.current_time()
    await stage.fleet.crash("web-1")
    await stage.until(lambda: bool(stage.ready()))
    assert trio.current_time() - began > 10
    await trio.sleep(120)
    began = trio.current_time()
    await stage.fleet.crash("web-1")
    await stage.until(lambda: bool(stage.ready()))
    assert trio.current_time() - began < 2


async def test_a_host_without_room_is_said_and_asked_again(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=2)
    stage.fleet.refusal = HostShort("a VM of 128 MiB needs 228 MiB on the host, and 3 MiB are free")
    with pytest.raises(Timeout, match="degraded after 30 s: no VM can be made: a VM of 128 MiB") as late:
        await stage.scale(4, timeout_ms=30_000)
    assert "deployment status web" in late.value.hint
    assert stage.ready() == ["web-1", "web-2"]
    stage.fleet.refusal = None
    await stage.until(lambda: len(stage.ready()) == 4)
    assert stage.room.get("web").status is DeploymentStatus.READY


async def test_a_name_that_is_taken_is_passed_over_and_said(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.fleet.create(CreateVm(name="web-2", plugin="hello"), author="x")
    stranger = stage.fleet.vm("web-2").id
    view = await stage.create(replicas=3)
    assert stage.names() == ["web-1", "web-3", "web-4"]
    assert (view.status, view.reason) == (DeploymentStatus.READY, "web-2 is not of this deployment and passed over")
    await stage.room.delete(DeleteDeployment(name="web"), SOMEBODY)
    assert stage.fleet.vm("web-2").id == stranger


async def test_an_update_goes_replica_by_replica_behind_the_health_gate(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=4)
    fewest = 4

    async def watch() -> None:
        nonlocal fewest
        while True:
            fewest = min(fewest, len(stage.ready()))
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        view = await stage.update(env={"COLOUR": "blue"})
        nursery.cancel_scope.cancel()
    assert fewest == 3
    assert (view.revision, view.updated, view.template.env) == (2, 4, {"COLOUR": "blue"})
    assert {vm.revision for vm in stage.replicas()} == {2}


async def test_an_update_that_breaks_stops_at_the_first_replica_and_is_undone(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=4)
    kept = {vm.name: vm.id for vm in stage.replicas()}
    stage.fleet.broken = {"2.0.0"}
    with pytest.raises(Timeout, match="web-1 is failed"):
        await stage.update(plugin="hello", timeout_ms=60_000)
    assert stage.ready() == ["web-2", "web-3", "web-4"]
    assert stage.room.get("web").template.plugin_version == "2.0.0"
    view = await stage.room.undo(UndoDeployment(name="web", wait=True), SOMEBODY)
    assert (view.status, view.revision, view.template.plugin_version) == (DeploymentStatus.READY, 3, "1.0.0")
    after = {vm.name: vm.id for vm in stage.replicas()}
    assert {name for name in kept if kept[name] != after[name]} == {"web-1"}, "only what was changed is changed back"
    history = stage.room.history("web")
    assert [(item.revision, item.note, item.template.plugin_version) for item in history] == [
        (3, "undone to 1", "1.0.0"), (2, "updated", "2.0.0"), (1, "created", "1.0.0"),
    ]  # fmt: skip
    assert {(item.author, item.origin) for item in history} == {("uid:1000", "pid 4711")}


async def test_undo_goes_to_any_kept_revision_and_says_when_there_is_none(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=1)
    with pytest.raises(NoSuchRevision, match="no earlier revision with another description"):
        await stage.room.undo(UndoDeployment(name="web"), SOMEBODY)
    for number in range(REVISIONS_KEPT + 5):
        await stage.update(env={"N": str(number)})
    assert len(stage.room.history("web")) == REVISIONS_KEPT
    with pytest.raises(NoSuchRevision, match="has no revision 1"):
        await stage.room.undo(UndoDeployment(name="web", to_revision=1), SOMEBODY)
    kept = (await stage.store.revisions())["web"]
    view = await stage.room.undo(UndoDeployment(name="web", to_revision=kept[0].revision, wait=True), SOMEBODY)
    assert view.template == kept[0].template


async def test_min_ready_holds_the_next_replica_back(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=3, min_ready_ms=5_000)
    began = trio.current_time()
    await stage.update(env={"A": "b"})
    assert 15 <= trio.current_time() - began < 20


async def test_a_paused_deployment_heals_and_scales_as_it_was(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=2)
    await stage.room.pause(DeploymentName(name="web"), SOMEBODY)
    view = await stage.update(env={"A": "b"})
    assert (view.status, view.updated, view.rolling_revision, view.revision) == (DeploymentStatus.PAUSED, 0, 1, 2)
    assert view.reason == "revision 2 is rolled out once the deployment is resumed"
    await stage.fleet.crash("web-1")
    await stage.scale(3)
    assert {vm.revision for vm in stage.replicas()} == {1}
    view = await stage.room.resume(ResumeDeployment(name="web", wait=True), SOMEBODY)
    assert (view.status, view.updated, view.paused) == (DeploymentStatus.READY, 3, False)
    assert {vm.revision for vm in stage.replicas()} == {2}


async def test_a_pause_halts_an_update_half_way(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=4)
    await stage.update(env={"A": "b"}, wait=False)
    await stage.until(lambda: [vm.revision for vm in stage.replicas()].count(2) == 2)
    await stage.room.pause(DeploymentName(name="web"), SOMEBODY)
    await trio.sleep(60)
    assert [vm.revision for vm in stage.replicas()].count(1) in (1, 2)
    assert len(stage.ready()) == 4
    view = await stage.room.resume(ResumeDeployment(name="web", wait=True), SOMEBODY)
    assert view.updated == 4


async def test_the_same_request_twice_changes_nothing(autojump_clock: MockClock, stage: Stage) -> None:
    first = await stage.create()
    made = stage.fleet.made
    assert (await stage.scale(3)).generation == first.generation
    assert (await stage.update(version="1.0.0")).revision == 1
    await stage.room.pause(DeploymentName(name="web"), SOMEBODY)
    paused = await stage.room.pause(DeploymentName(name="web"), SOMEBODY)
    assert paused.generation == first.generation + 1
    assert stage.fleet.made == made
    assert (await stage.kinds()).count("DEPLOYMENT_PAUSED") == 1


async def test_a_dry_run_changes_nothing(autojump_clock: MockClock, stage: Stage) -> None:
    shown = await stage.create(dry_run=True)
    assert (shown.replicas, shown.template.plugin_version) == (3, "1.0.0")
    with pytest.raises(NoSuchDeployment):
        stage.room.get("web")
    await stage.create()
    assert (await stage.scale(9, dry_run=True)).replicas == 9
    assert (await stage.update(version="1.1.0", dry_run=True)).revision == 2
    view = stage.room.get("web")
    assert (view.replicas, view.revision, len(stage.names())) == (3, 1, 3)


async def test_a_creation_that_is_given_up_at_any_moment_leaves_nothing_half_made(autojump_clock: MockClock, stage: Stage) -> None:
    for after_s in (0.0, 0.001, 1.0):
        with trio.move_on_after(after_s):
            await stage.create()
        await stage.until(lambda: stage.names() == ["web-1", "web-2", "web-3"])
        await stage.room.delete(DeleteDeployment(name="web", timeout_ms=60_000), SOMEBODY)
        with pytest.raises(NoSuchDeployment):
            stage.room.get("web")


async def test_who_waits_to_change_what_is_refused_learns_that_it_never_was(autojump_clock: MockClock, stage: Stage) -> None:
    async def ends(change: Callable[[], Awaitable[object]], wanted: type[Fault]) -> None:
        with pytest.raises(wanted):
            await change()

    stage.store.failures.append(StoreFailed("the disk is full"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends, stage.create, StoreFailed)
        while not stage.room.find(ListDeployments()):
            await trio.lowlevel.checkpoint()
        nursery.start_soon(ends, lambda: stage.room.delete(DeleteDeployment(name="web"), SOMEBODY), NoSuchDeployment)
        nursery.start_soon(ends, lambda: stage.scale(1), NoSuchDeployment)
    assert stage.room.find(ListDeployments()) == ()
    await stage.create()


async def test_deleting_takes_the_vms_then_the_deployment(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create()
    await stage.create("api", 1)
    await stage.room.delete(DeleteDeployment(name="web", wait=False), SOMEBODY)
    assert stage.room.get("web").status in (DeploymentStatus.DELETING, DeploymentStatus.READY)
    with pytest.raises(Denied, match="being deleted"):
        await stage.scale(1)
    with pytest.raises(NameTaken):
        await stage.create()
    await stage.room.delete(DeleteDeployment(name="web"), SOMEBODY)
    with pytest.raises(NoSuchDeployment):
        stage.room.get("web")
    assert [record.name for record in await stage.store.deployments()] == ["api"]
    assert stage.names() == [] and stage.names("api") == ["api-1"]
    assert (await stage.kinds())[-2:] == ["DEPLOYMENT_DELETING", "DEPLOYMENT_DELETED"]
    await stage.create()


async def test_everything_is_found_again_after_a_restart(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=3)
    kept = [vm.id for vm in stage.replicas()]
    told = await stage.kinds()
    await stage.restart()
    view = await stage.scale(3)
    assert (view.status, view.observed_generation) == (DeploymentStatus.READY, view.generation)
    await trio.sleep(RESYNC_S * 3)
    assert [vm.id for vm in stage.replicas()] == kept
    assert await stage.kinds() == told, "a restart is no news"


async def test_a_deletion_goes_on_after_a_restart(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(replicas=3)
    await stage.room.delete(DeleteDeployment(name="web", wait=False), SOMEBODY)
    await stage.restart()
    await stage.until(lambda: not stage.names())
    await stage.until(lambda: not stage.room.find(ListDeployments()))


async def test_watching_tells_each_change_and_ends_with_the_deployment(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(wait=False)
    seen: list[DeploymentView] = []

    async def watch() -> None:
        async for view in stage.room.watch(StatusDeployment(name="web", watch=True)):
            seen.append(view)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await stage.scale(5)
        await stage.room.delete(DeleteDeployment(name="web"), SOMEBODY)
    assert [view.ready for view in seen][:1] == [0]
    assert max(view.ready for view in seen) == 5
    assert seen[-1].status is DeploymentStatus.DELETING


async def test_waiting_watchers_are_done_when_all_is_as_wanted_or_told_that_it_is_too_late(autojump_clock: MockClock, stage: Stage) -> None:
    await stage.create(wait=False)
    views = [view async for view in stage.room.watch(StatusDeployment(name="web", wait=True))]
    assert views[-1].status is DeploymentStatus.READY
    stage.fleet.boot_s = 100
    await stage.scale(4, wait=False)
    with pytest.raises(Timeout, match="is progressing after 5 s: 3 of 4 replicas are available"):
        async for _ in stage.room.watch(StatusDeployment(name="web", wait=True, timeout_ms=5_000)):
            pass
    with pytest.raises(NoSuchDeployment):
        async for _ in stage.room.watch(StatusDeployment(name="other")):
            pass


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "Web"}, "name may hold only"),
        ({"name": "w" * 59}, "name has 59 bytes; at most 58"),
        ({"replicas": -1}, "replicas is -1"),
        ({"replicas": 1_001}, "replicas is 1001"),
        ({"max_unavailable": 0}, "max_unavailable is 0"),
        ({"min_ready_ms": -5}, "min_ready_ms is -5"),
        ({"forwards": (Forward(80, 8080),), "network": NetworkMode.USER}, r"forwards\[0\].host_port is 8080, which only one"),
    ],
)
async def test_what_makes_no_sense_is_refused(autojump_clock: MockClock, stage: Stage, fields: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidParams, match=problem):
        await stage.create(**{"name": "web", **fields})  # type: ignore[arg-type]
    assert await stage.store.deployments() == ()


async def test_names_lead_to_one_deployment(autojump_clock: MockClock, stage: Stage) -> None:
    with pytest.raises(NoSuchPlugin):
        await stage.room.create(CreateDeployment(name="web", plugin="nothing"), SOMEBODY)
    await stage.create("web", 1)
    await stage.create("web-1", 1)
    assert (stage.names("web"), stage.names("web-1")) == (["web-1"], ["web-1-1"])
    with pytest.raises(NameTaken):
        await stage.create("web", 1)
    with pytest.raises(NoSuchDeployment):
        await stage.room.scale(ScaleDeployment(name="api", replicas=1), SOMEBODY)
    assert [view.name for view in stage.room.find(ListDeployments(text="HELLO"))] == ["web", "web-1"]
    assert [view.name for view in stage.room.find(ListDeployments(text="b-1"))] == ["web-1"]


async def test_a_wait_without_patience_is_told_how_far_it_is_at_once(autojump_clock: MockClock, stage: Stage) -> None:
    with pytest.raises(Timeout, match="is progressing"):
        await stage.create(timeout_ms=-5)
    with pytest.raises(Timeout, match="was not gone"):
        await stage.room.delete(DeleteDeployment(name="web", timeout_ms=-5), SOMEBODY)
