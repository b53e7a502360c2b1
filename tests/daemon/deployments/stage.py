"""The room of deployments on VMs without a host, where it may come and go as a daemon does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from tests.fakes.fleet import FakeFleet
from tests.fakes.store import MemoryStore
from volant.daemon.deployments.controller import Services
from volant.daemon.deployments.room import Deployments
from volant.daemon.events import Hub
from volant.daemon.ports import Asker, VmRecord
from volant.daemon.vms.book import Journal
from volant.proto.api.deployment import CreateDeployment, DeploymentView, ScaleDeployment, UpdateDeployment
from volant.proto.specs.states import VmState

SOMEBODY = Asker("uid:1000", "pid 4711")
PATIENCE_S = 600.0
"""On the mock clock: longer than any back-off."""


class Stage:
    """One store and one fleet."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.journal = Journal(self.store, Hub(newest=0, encode=lambda event: b""))
        self.fleet = FakeFleet(self.journal)
        self._room: Deployments | None = None
        self._playing = trio.CancelScope()

    @property
    def room(self) -> Deployments:
        assert self._room is not None
        return self._room

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[Stage]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.fleet.run)
            await self.begin(nursery)
            yield self
            nursery.cancel_scope.cancel()

    async def begin(self, nursery: trio.Nursery) -> None:
        """A daemon starts: everything it knows is in the store."""
        self._nursery = nursery
        self._room = Deployments(Services(self.journal, self.fleet, now=lambda: "2026-01-31T12:00:00.000Z"), self.journal._hub)
        await self._room.restore()
        self._playing = await nursery.start(self._run)

    async def _run(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.room.run)
                task_status.started(scope)

    async def restart(self) -> None:
        """The daemon is killed, and another one starts."""
        self._playing.cancel()
        await trio.testing.wait_all_tasks_blocked()
        await self.begin(self._nursery)

    async def create(self, name: str = "web", replicas: int = 3, **fields: Any) -> DeploymentView:
        asked: dict[str, Any] = {"plugin": "hello", "version": "1.0.0", "wait": True} | fields
        return await self.room.create(CreateDeployment(name=name, replicas=replicas, **asked), SOMEBODY)

    async def update(self, name: str = "web", **fields: Any) -> DeploymentView:
        return await self.room.update(UpdateDeployment(name=name, **({"wait": True} | fields)), SOMEBODY)

    async def scale(self, replicas: int, name: str = "web", **fields: Any) -> DeploymentView:
        return await self.room.scale(ScaleDeployment(name=name, replicas=replicas, **({"wait": True} | fields)), SOMEBODY)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Look every 10 ms of the mock clock."""
        with trio.fail_after(PATIENCE_S):
            while not holds():
                await trio.sleep(0.01)

    def replicas(self, name: str = "web") -> list[VmRecord]:
        return sorted((vm for vm in self.fleet.records() if vm.deployment == name), key=lambda vm: int(vm.name.rpartition("-")[2]))

    def names(self, name: str = "web") -> list[str]:
        return [vm.name for vm in self.replicas(name)]

    def ready(self, name: str = "web") -> list[str]:
        return [vm.name for vm in self.replicas(name) if vm.state is VmState.READY]

    async def kinds(self) -> list[str]:
        events = await self.store.events(after=0, limit=10_000)
        return [event.kind for event in events if event.kind.startswith("DEPLOYMENT_")]
