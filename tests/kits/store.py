"""What every `ports.Store` does, the one in memory included. Subclass with a fixture `store`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from tests.fakes.records import config_record, deployment_record, plugin_record, revision, vm_record
from volant.daemon.ports import (
    DropConfig,
    DropDeployment,
    DropLease,
    DropObject,
    DropPlugin,
    DropRevision,
    DropVm,
    EventDraft,
    HostObject,
    Lease,
    ProcessIdentity,
    Put,
    PutRevision,
    Store,
)
from volant.proto.api.vm import Forward
from volant.proto.errors import AddressTaken, NameTaken, StoreFailed
from volant.proto.specs.states import NetworkMode, VmState, Wanted

FULL_VM = vm_record(
    7,
    wanted=Wanted.STOPPED,
    wanted_generation=3,
    state=VmState.CRASHED,
    generation=9,
    boot=2,
    process=ProcessIdentity(4711, 123_456_789, "9b4f3e6c-0000-4000-8000-000000000000"),
    ip="192.168.127.9",
    mac="02:00:00:00:00:07",
    tap="vt7",
    forwards=(Forward(80, 8080), Forward(53, 5353, "udp", "::1")),
    hypervisor="qemu",
    accel="tcg",
    health="unhealthy",
    reason="the kernel said: 'no' — twice",
    error={"code": "failed.launch", "message": "m", "hint": "", "data": {"console": ["a", "b"], "vmm_exit_code": None}},
    started_at="2026-01-31T12:00:01.000Z",
    ready_at="2026-01-31T12:00:02.000Z",
    stopped_at="2026-01-31T12:00:03.000Z",
    ready_ms=812,
)


class RecordsKit:
    """VMs, configs, plugins, leases and host objects."""

    async def test_a_new_store_holds_nothing(self, store: Store) -> None:
        assert await store.vms() == ()
        assert await store.latest_configs() == {}
        assert await store.plugins() == ()
        assert await store.leases() == ()
        assert await store.objects() == ()
        assert await store.event_range() == (0, 0)

    async def test_a_vm_comes_back_as_it_went_in(self, store: Store) -> None:
        await store.commit(Put(FULL_VM), Put(vm_record(8, created_at="2027")))
        assert await store.vms() == (FULL_VM, vm_record(8, created_at="2027"))

    async def test_putting_a_vm_again_replaces_it(self, store: Store) -> None:
        await store.commit(Put(FULL_VM))
        after = vm_record(7, name="renamed", state=VmState.READY)
        await store.commit(Put(after))
        assert await store.vms() == (after,)

    async def test_a_name_belongs_to_one_vm(self, store: Store) -> None:
        await store.commit(Put(vm_record(1)))
        with pytest.raises(NameTaken, match="vm-1"):
            await store.commit(Put(vm_record(2, name="vm-1")))
        assert await store.vms() == (vm_record(1),)

    async def test_a_name_is_free_again_once_its_vm_is_dropped(self, store: Store) -> None:
        await store.commit(Put(vm_record(1)))
        await store.commit(DropVm(vm_record(1).id), Put(vm_record(2, name="vm-1")))
        assert [vm.id for vm in await store.vms()] == [vm_record(2).id]

    async def test_a_vm_goes_with_its_configs_and_leases(self, store: Store) -> None:
        one, two = vm_record(1), vm_record(2)
        await store.commit(
            *(Put(vm) for vm in (one, two)),
            *(Put(config_record(vm.id)) for vm in (one, two)),
            Put(Lease("10.0.0.1", one.id, "m1")),
            Put(Lease("10.0.0.2", two.id, "m2")),
        )
        await store.commit(DropVm(one.id))
        assert await store.vms() == (two,)
        assert await store.configs(one.id) == ()
        assert await store.latest_configs() == {two.id: config_record(two.id)}
        assert await store.leases() == (Lease("10.0.0.2", two.id, "m2"),)

    async def test_a_vm_stays_while_the_ledger_holds_objects_of_it(self, store: Store) -> None:
        vm = vm_record(1)
        await store.commit(Put(vm), Put(HostObject(kind="tap", name="vt1", vm_id=vm.id)))
        with pytest.raises(StoreFailed, match="tap vt1") as refused:
            await store.commit(DropVm(vm.id), EventDraft(kind="VM_DELETED", vm=vm.name))
        assert "restart volantd" in refused.value.hint
        assert await store.vms() == (vm,)
        assert await store.event_range() == (0, 0)
        await store.commit(DropObject("tap", "vt1"), DropVm(vm.id))
        assert await store.vms() == ()

    async def test_config_history_is_oldest_first_and_never_rewritten(self, store: Store) -> None:
        vm = vm_record(1)
        first = replace(config_record(vm.id, 1, env={"A": "ü"}), origin="pid 7 (volant)", note="created")
        second = config_record(vm.id, 2, nested=[1, {"b": None}])
        await store.commit(Put(vm), Put(first))
        await store.commit(Put(second))
        with pytest.raises(StoreFailed, match="version 2"):
            await store.commit(Put(config_record(vm.id, 2)))
        assert await store.configs(vm.id) == (first, second)
        assert await store.latest_configs() == {vm.id: second}
        await store.commit(DropConfig(vm.id, 1))
        assert await store.configs(vm.id) == (second,)

    async def test_plugins_are_kept_by_name_and_version(self, store: Store) -> None:
        old = plugin_record(version="1.0.0", artifacts={"rootfs": "ab" * 32}, warnings=("field x is unknown",))
        new = plugin_record(version="1.1.0")
        await store.commit(Put(old), Put(new))
        await store.commit(Put(replace(old, enabled=False)))
        assert await store.plugins() == (replace(old, enabled=False), new)
        await store.commit(DropPlugin("demo", "1.0.0"), DropPlugin("demo", "9.9.9"))
        assert await store.plugins() == (new,)

    async def test_deployments_and_their_revisions_come_back_as_they_went_in(self, store: Store) -> None:
        web, api = deployment_record("web", replicas=3, paused=True, rolling_revision=1, revision=2), deployment_record("api")
        first, second = revision(1), revision(2, env={"A": "ü"}, forwards=(Forward(80),), network=NetworkMode.USER, cpu_cores=2)
        await store.commit(Put(web), Put(api), PutRevision("web", second), PutRevision("web", first))
        assert await store.deployments() == (api, web)
        assert await store.revisions() == {"web": (first, second)}
        await store.commit(Put(replace(web, replicas=4, deleting=True)), DropRevision("web", 1))
        assert await store.deployments() == (api, replace(web, replicas=4, deleting=True))
        assert await store.revisions() == {"web": (second,)}

    async def test_revisions_are_never_rewritten_and_belong_to_a_deployment(self, store: Store) -> None:
        await store.commit(Put(deployment_record("web")), PutRevision("web", revision(1)))
        with pytest.raises(StoreFailed, match="revision 1 already"):
            await store.commit(PutRevision("web", revision(1)))
        with pytest.raises(StoreFailed, match="'nowhere'"):
            await store.commit(PutRevision("nowhere", revision(1)))
        with pytest.raises(StoreFailed, match="'nowhere'"):
            await store.commit(Put(vm_record(1, deployment="nowhere")))

    async def test_a_deployment_goes_with_its_revisions_and_not_before_its_vms(self, store: Store) -> None:
        vm = vm_record(1, deployment="web", revision=1)
        await store.commit(Put(deployment_record("web")), PutRevision("web", revision(1)), Put(vm))
        with pytest.raises(StoreFailed, match="vm-1"):
            await store.commit(DropDeployment("web"))
        assert await store.vms() == (vm,)
        await store.commit(DropVm(vm.id), DropDeployment("web"))
        assert await store.deployments() == ()
        assert await store.revisions() == {}

    async def test_an_address_belongs_to_one_vm(self, store: Store) -> None:
        one, two = vm_record(1), vm_record(2)
        lease = Lease("10.0.0.1", one.id, "m1")
        await store.commit(Put(one), Put(two), Put(lease), Put(lease))
        with pytest.raises(AddressTaken, match=r"10\.0\.0\.1"):
            await store.commit(Put(Lease("10.0.0.1", two.id, "m2")))
        assert await store.leases() == (lease,)
        await store.commit(DropLease("10.0.0.1"), Put(Lease("10.0.0.1", two.id, "m2")))
        assert await store.leases() == (Lease("10.0.0.1", two.id, "m2"),)

    async def test_a_host_object_has_one_owner(self, store: Store) -> None:
        one, two = vm_record(1), vm_record(2)
        bridge = HostObject(kind="tap", name="vbr0", vm_id="")
        tap = HostObject(kind="tap", name="vt1", vm_id=one.id, detail={"mac": "m"}, created_at="t")
        await store.commit(Put(one), Put(two), Put(bridge), Put(tap))
        await store.commit(Put(replace(tap, detail={"mac": "n"})), Put(bridge))
        for stolen in (replace(tap, vm_id=two.id), replace(tap, vm_id=""), replace(bridge, vm_id=one.id)):
            with pytest.raises(StoreFailed, match=f"{stolen.name} belongs to"):
                await store.commit(Put(stolen))
        assert await store.objects() == (bridge, replace(tap, detail={"mac": "n"}))

    async def test_nothing_is_owned_by_a_vm_that_is_not_there(self, store: Store) -> None:
        owned = (
            Put(config_record("feedfeedfeed")),
            Put(Lease("10.0.0.1", "feedfeedfeed", "m")),
            Put(HostObject(kind="tap", name="vt1", vm_id="feedfeedfeed")),
        )
        for change in owned:
            with pytest.raises(StoreFailed, match="feedfeedfeed"):
                await store.commit(change)

    async def test_a_refused_commit_leaves_nothing_of_itself(self, store: Store) -> None:
        await store.commit(Put(vm_record(1)))
        with pytest.raises(NameTaken):
            await store.commit(Put(vm_record(2)), EventDraft(kind="VM_CREATED"), Put(vm_record(3, name="vm-1")))
        assert await store.vms() == (vm_record(1),)
        assert await store.event_range() == (0, 0)

    async def test_refusals_leave_the_commits_beside_them_alone(self, store: Store) -> None:
        """Thirty at once, every third refused: they share a disk flush, not a fate."""
        await store.commit(Put(vm_record(0, name="taken")))
        refused = 0

        async def create(number: int) -> None:
            nonlocal refused
            name = "taken" if number % 3 == 0 else f"vm-{number}"
            try:
                await store.commit(Put(vm_record(number, name=name)), EventDraft(kind="VM_CREATED", vm=name))
            except NameTaken:
                refused += 1

        async with trio.open_nursery() as nursery:
            for number in range(1, 31):
                nursery.start_soon(create, number)
        assert refused == 10
        assert {vm.name for vm in await store.vms()} == {"taken", *(f"vm-{n}" for n in range(1, 31) if n % 3)}
        assert [event.seq for event in await store.events(after=0, limit=100)] == list(range(1, 21))

    async def test_an_empty_commit_is_nothing(self, store: Store) -> None:
        assert await store.commit() == ()


class EventsKit:
    """The numbered stream."""

    async def test_events_are_numbered_without_gaps(self, store: Store) -> None:
        (first,) = await store.commit(EventDraft(kind="VM_CREATED", vm="a", vm_id="00a", message="hé", data={"x": [1, None, {"y": True}]}))
        second, third = await store.commit(EventDraft(kind="VM_LOG"), EventDraft(kind="VM_READY", vm="a"))
        assert (first.seq, second.seq, third.seq) == (1, 2, 3)
        assert await store.events(after=0, limit=10) == (first, second, third)
        assert first.data == {"x": [1, None, {"y": True}]}
        assert first.time.endswith("Z")

    async def test_events_are_found_by_number_vm_and_kind(self, store: Store) -> None:
        for number in range(1, 13):
            vm = "a" if number % 2 else "b"
            await store.commit(EventDraft(kind="VM_LOG" if number % 3 else "VM_READY", vm=vm, vm_id=f"id-{vm}"))

        async def found(**asked: object) -> list[int]:
            return [event.seq for event in await store.events(**({"after": 0, "limit": 100} | asked))]  # type: ignore[arg-type]

        assert await found(after=10) == [11, 12]
        assert await found(after=2, limit=3) == [3, 4, 5]
        assert await found(vm="a") == await found(vm="id-a") == [1, 3, 5, 7, 9, 11]
        assert await found(kinds=("VM_READY",)) == [3, 6, 9, 12]
        assert await found(kinds=("VM_READY", "VM_LOG"), vm="b", after=4) == [6, 8, 10, 12]
        assert await found(kinds=("VM_READY",), vm="b", limit=1) == [6]
        assert await found(kinds=("NEVER",)) == await found(after=12) == await found(after=99) == []

    async def test_last_is_the_newest_that_match_oldest_first(self, store: Store) -> None:
        for number in range(1, 7):
            await store.commit(EventDraft(kind="VM_LOG" if number % 2 else "VM_READY"))
        assert [event.seq for event in await store.events(after=99, limit=100, last=2)] == [5, 6]
        assert [event.seq for event in await store.events(after=0, limit=100, last=2, kinds=("VM_LOG",))] == [3, 5]
        assert [event.seq for event in await store.events(after=0, limit=1, last=5)] == [6]

    async def test_trimming_keeps_the_newest_and_numbers_go_on(self, store: Store) -> None:
        await store.commit(*(EventDraft(kind="VM_LOG") for _ in range(10)))
        assert await store.trim_events(keep=3) == 7
        assert await store.event_range() == (8, 10)
        assert await store.trim_events(keep=3) == 0
        assert await store.trim_events(keep=0) == 3
        assert await store.event_range() == (0, 10)
        assert await store.trim_events(keep=0) == 0
        (event,) = await store.commit(EventDraft(kind="VM_LOG"))
        assert event.seq == 11
        assert await store.event_range() == (11, 11)

    async def test_trimming_by_age_keeps_what_is_young_enough_and_no_more_than_asked(self, store: Store) -> None:
        events = [event for _ in range(6) for event in await store.commit(EventDraft(kind="VM_LOG"))]
        assert await store.trim_events(keep=100, since=events[0].time) == 0
        assert await store.trim_events(keep=4, since="2000-01-01T00:00:00.000Z") == 2
        assert await store.trim_events(keep=100, since="2999-01-01T00:00:00.000Z") == 4
        assert await store.event_range() == (0, 6)

    async def test_events_are_found_by_deployment(self, store: Store) -> None:
        for number in range(1, 7):
            await store.commit(EventDraft(kind="VM_LOG", vm=f"vm-{number}", deployment="web" if number % 2 else ""))
        found = await store.events(after=1, limit=10, deployment="web")
        assert [(event.seq, event.deployment) for event in found] == [(3, "web"), (5, "web")]
        assert [event.seq for event in await store.events(after=0, limit=10, deployment="web", vm="vm-5", last=2)] == [5]

    async def test_events_outlive_their_vm(self, store: Store) -> None:
        vm = vm_record(1)
        await store.commit(Put(vm), EventDraft(kind="VM_CREATED", vm=vm.name, vm_id=vm.id))
        await store.commit(DropVm(vm.id), EventDraft(kind="VM_DELETED", vm=vm.name, vm_id=vm.id))
        assert [event.kind for event in await store.events(after=0, limit=10, vm=vm.id)] == ["VM_CREATED", "VM_DELETED"]


class StoreKit(RecordsKit, EventsKit):
    """All of it."""
