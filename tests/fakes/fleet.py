"""VMs without a host: `ports.Fleet` on trio's clock. They come up by themselves; tests crash, stop and delete them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from tests.fakes.records import plugin_record, vm_record
from volant.daemon.ports import Change, DropVm, EventDraft, Journal, Put, ReplicaOf, VmRecord
from volant.daemon.vms.views import view
from volant.proto.api.vm import CreateVm, DeleteVm, StopVm, VmView
from volant.proto.errors import Fault, NameTaken, NoSuchPlugin, NoSuchVm
from volant.proto.specs.states import VmState, Wanted

NEWEST = "2.0.0"


@dataclass(eq=False)
class FakeFleet:
    """`run` it; it outlives whoever uses it, as VMs do. Behaviour may change at any time, and holds for what happens from then on."""

    journal: Journal
    boot_s: float = 0.5
    stop_s: float = 0.2
    delete_s: float = 0.1
    broken: set[str] = field(default_factory=set)
    """Plugin versions whose VMs never get ready."""
    refusal: Fault | None = None
    """Every create is answered with it."""
    made: int = 0
    """VMs created so far."""
    _vms: dict[str, VmRecord] = field(default_factory=dict)
    _nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    # ------------------------------------------------------------------------------------------------- what tests may do

    def vm(self, name: str) -> VmRecord:
        return self._vms[name]

    def names(self, *states: VmState) -> list[str]:
        return [name for name, vm in self._vms.items() if not states or vm.state in states]

    async def crash(self, name: str) -> None:
        """It ends unasked, if it runs."""
        if self._vms[name].state in (VmState.STARTING, VmState.RUNNING, VmState.READY):
            await self.turn(name, VmState.CRASHED, reason="the VMM ended unasked (killed)")

    async def turn(self, name: str, state: VmState, **fields: Any) -> None:
        """A new state, told as the orchestrator tells it."""
        self._vms[name] = vm = replace(self._vms[name], state=state, generation=self._vms[name].generation + 1, **fields)
        await self.journal.commit(Put(vm), self._event(f"VM_{state.upper()}", vm))

    # --------------------------------------------------------------------------------------------------------- ports.Fleet

    def records(self) -> Iterable[VmRecord]:
        return tuple(self._vms.values())

    def check(self, asked: CreateVm) -> str:
        if asked.plugin != "hello":
            raise NoSuchPlugin(asked.plugin)
        return asked.version or NEWEST

    async def create(self, asked: CreateVm, *, author: str, replica_of: ReplicaOf | None = None) -> VmView:
        await trio.lowlevel.checkpoint()
        if asked.name in self._vms:
            raise NameTaken("VM", asked.name)
        if self.refusal is not None:
            raise self.refusal
        self.made += 1
        vm = vm_record(self.made, name=asked.name, plugin=asked.plugin, plugin_version=self.check(asked))
        if replica_of is not None:
            vm = replace(vm, deployment=replica_of.deployment, revision=replica_of.revision)
        self._vms[asked.name] = vm
        await self.journal.commit(Put(vm), self._event("VM_CREATED", vm))
        assert self._nursery is not None
        self._nursery.start_soon(self._boot, vm)
        return self._view(vm)

    async def stop(self, asked: StopVm) -> VmView:
        """Asked for is asked for: it stops though the asker goes away."""
        await trio.lowlevel.checkpoint()
        vm = self._found(asked.name)
        await self._see_to(self._stop, vm)
        return self._view(vm)

    async def delete(self, asked: DeleteVm) -> str:
        """Asked for is asked for: it goes though the asker goes away."""
        await trio.lowlevel.checkpoint()
        await self._see_to(self._destroy, self._found(asked.name))
        return ""

    async def _see_to(self, do: Callable[[VmRecord], Awaitable[None]], vm: VmRecord) -> None:
        done = trio.Event()

        async def act() -> None:
            await do(vm)
            done.set()

        assert self._nursery is not None
        self._nursery.start_soon(act)
        await done.wait()

    async def _stop(self, vm: VmRecord) -> None:
        if self._is_now(vm, VmState.STARTING, VmState.RUNNING, VmState.READY):
            await self.turn(vm.name, VmState.STOPPING, wanted=Wanted.STOPPED)
            await trio.sleep(self.stop_s)
        if self._is_now(vm, VmState.STOPPING, VmState.PENDING):
            await self.turn(vm.name, VmState.STOPPED, wanted=Wanted.STOPPED)

    async def _destroy(self, vm: VmRecord) -> None:
        if self._is_now(vm, VmState.DESTROYING):
            while self._is_now(vm, VmState.DESTROYING):
                await trio.sleep(self.delete_s)
        elif self._is_now(vm, *VmState):
            self._vms[vm.name] = replace(self._vms[vm.name], state=VmState.DESTROYING, wanted=Wanted.DESTROYED)
            await trio.sleep(self.delete_s)
            await self.journal.commit(DropVm(vm.id), self._event("VM_DELETED", vm))
            del self._vms[vm.name]

    async def _boot(self, vm: VmRecord) -> None:
        if not self._is_now(vm, VmState.PENDING):
            return
        await self.turn(vm.name, VmState.STARTING, boot=1)
        await trio.sleep(self.boot_s)
        if not self._is_now(vm, VmState.STARTING):
            return
        if vm.plugin_version in self.broken:
            await self.turn(vm.name, VmState.FAILED, reason="the workload ended before it was ready")
        else:
            await self.turn(vm.name, VmState.READY, ready_at="2026-01-31T12:00:00.000Z")

    def _is_now(self, vm: VmRecord, *states: VmState) -> bool:
        """That very VM is still there, and in one of these states."""
        found = self._vms.get(vm.name)
        return found is not None and found.id == vm.id and found.state in states

    def _found(self, name: str) -> VmRecord:
        if name not in self._vms:
            raise NoSuchVm(name)
        return self._vms[name]

    @staticmethod
    def _event(kind: str, vm: VmRecord) -> Change:
        return EventDraft(kind=kind, vm=vm.name, vm_id=vm.id)

    @staticmethod
    def _view(vm: VmRecord) -> VmView:
        return view(vm, {"cpu_cores": 1, "memory_mb": 128, "network": "none", "labels": {}}, plugin_record())
