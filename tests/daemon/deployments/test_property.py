"""From any order of requests, mishaps and restarts the wanted state comes about: the real controller on VMs without a host.

The model is what was asked for last: how many replicas, of which description. Everything else is free to happen at any moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.daemon.deployments.stage import SOMEBODY, Stage
from volant.daemon.deployments.backoff import CAP_S
from volant.daemon.deployments.controller import RESYNC_S
from volant.proto.api.deployment import (
    DeleteDeployment,
    DeploymentName,
    ResumeDeployment,
    ScaleDeployment,
    UndoDeployment,
    UpdateDeployment,
)
from volant.proto.api.vm import CreateVm, DeleteVm, StopVm
from volant.proto.errors import Denied, HostShort, NoSuchRevision
from volant.proto.specs.states import DeploymentStatus, VmState

INDEX = st.integers(1, 7)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["crash", "stop", "delete", "power_off", "unhealthy", "take_name", "free_name"]), INDEX),
    st.tuples(st.just("scale"), st.integers(0, 6)),
    st.tuples(st.just("update"), st.sampled_from(["red", "green", "blue"])),
    st.tuples(st.just("tune"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["break", "mend", "pause", "resume", "undo", "restart", "fill_host", "empty_host", "recreate"]), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.05, 0.3, 1.0, 5.0, 70.0])),
)


@dataclass
class Model:
    """What was asked for last. Of the description only what distinguishes one from another."""

    replicas: int
    colour: str
    history: list[str]
    paused: bool = False

    def updated(self, colour: str) -> None:
        if colour != self.colour:
            self.colour = colour
            self.history.append(colour)

    def undone(self) -> None:
        before = next((colour for colour in reversed(self.history) if colour != self.colour), None)
        if before is not None:
            self.updated(before)


class World:
    """Carries the steps out, on the stage and in the model."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.model = Model(3, "red", ["red"])
        self.strangers: dict[str, str] = {}

    async def take(self, step: str, value: Any) -> None:
        await getattr(self, f"_{step}")(value)
        await wait_all_tasks_blocked()

    async def _wait(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def _crash(self, index: int) -> None:
        if self._own(index):
            await self.stage.fleet.crash(f"web-{index}")

    async def _power_off(self, index: int) -> None:
        if self._own(index) and self.stage.fleet.vm(f"web-{index}").state is VmState.READY:
            await self.stage.fleet.turn(f"web-{index}", VmState.STOPPED, reason="the guest powered off")

    async def _unhealthy(self, index: int) -> None:
        if self._own(index) and self.stage.fleet.vm(f"web-{index}").state is VmState.READY:
            await self.stage.fleet.turn(f"web-{index}", VmState.RUNNING, health="unhealthy")

    async def _stop(self, index: int) -> None:
        if self._own(index) and self.stage.fleet.vm(f"web-{index}").state is not VmState.DESTROYING:
            await self.stage.fleet.stop(StopVm(name=f"web-{index}"))

    async def _delete(self, index: int) -> None:
        if self._own(index):
            await self.stage.fleet.delete(DeleteVm(name=f"web-{index}"))

    async def _take_name(self, index: int) -> None:
        name = f"web-{index}"
        if name not in self.stage.fleet.names() and self.stage.fleet.refusal is None:
            await self.stage.fleet.create(CreateVm(name=name, plugin="hello", version="2.0.0"), author="a stranger")
            self.strangers[name] = self.stage.fleet.vm(name).id

    async def _free_name(self, index: int) -> None:
        if self.strangers.pop(f"web-{index}", None):
            await self.stage.fleet.delete(DeleteVm(name=f"web-{index}"))

    def _own(self, index: int) -> bool:
        return f"web-{index}" in self.stage.names()

    async def _scale(self, replicas: int) -> None:
        await self.stage.room.scale(ScaleDeployment(name="web", replicas=replicas), SOMEBODY)
        self.model.replicas = replicas

    async def _update(self, colour: str) -> None:
        await self.stage.room.update(UpdateDeployment(name="web", env={"COLOUR": colour}), SOMEBODY)
        self.model.updated(colour)

    async def _tune(self, max_unavailable: int) -> None:
        await self.stage.room.update(UpdateDeployment(name="web", max_unavailable=max_unavailable), SOMEBODY)

    async def _undo(self, _: object) -> None:
        try:
            await self.stage.room.undo(UndoDeployment(name="web"), SOMEBODY)
        except NoSuchRevision:
            assert set(self.model.history) == {self.model.colour}
        self.model.undone()

    async def _pause(self, _: object) -> None:
        await self.stage.room.pause(DeploymentName(name="web"), SOMEBODY)

    async def _resume(self, _: object) -> None:
        await self.stage.room.resume(ResumeDeployment(name="web"), SOMEBODY)

    async def _break(self, _: object) -> None:
        self.stage.fleet.broken = {"1.0.0"}

    async def _mend(self, _: object) -> None:
        self.stage.fleet.broken = set()

    async def _fill_host(self, _: object) -> None:
        self.stage.fleet.refusal = HostShort("the host is full")

    async def _empty_host(self, _: object) -> None:
        self.stage.fleet.refusal = None

    async def _restart(self, _: object) -> None:
        await self.stage.restart()

    async def _recreate(self, _: object) -> None:
        """Delete it and make it anew as it was at first."""
        await self.stage.room.delete(DeleteDeployment(name="web"), SOMEBODY)
        await self.begin()
        self.model = Model(3, "red", ["red"])

    async def begin(self) -> None:
        await self.stage.create(replicas=3, env={"COLOUR": "red"}, wait=False)

    async def _come_to_rest(self) -> None:
        await self._mend(0)
        await self._empty_host(0)
        await self._resume(0)
        # A wait begins with a change of nothing, so the back-off of what failed before is waited for too.
        await self.stage.scale(self.model.replicas, timeout_ms=int(1_000 * 20 * (CAP_S + RESYNC_S)))

    async def check(self) -> None:
        """The wanted state is there, it stays, and nobody else was harmed."""
        await self._come_to_rest()
        view = self.stage.room.get("web")
        assert view.status is DeploymentStatus.READY
        assert (view.replicas, view.available, view.updated, view.current) == (self.model.replicas,) * 4
        assert view.template.env == {"COLOUR": self.model.colour}
        found = self.stage.replicas()
        assert [vm.state for vm in found] == [VmState.READY] * self.model.replicas
        history = {item.revision: item.template.env["COLOUR"] for item in self.stage.room.history("web")}
        assert {history[vm.revision] for vm in found} <= {self.model.colour}
        made = self.stage.fleet.made
        await trio.sleep(10 * RESYNC_S)
        assert (self.stage.fleet.made, self.stage.replicas()) == (made, found), "what is as wanted is left alone"
        for name, id in self.strangers.items():
            assert (self.stage.fleet.vm(name).id, self.stage.fleet.vm(name).state) == (id, VmState.READY)
        stored = {vm.name for vm in await self.stage.store.vms()}
        assert stored == {vm.name for vm in found} | self.strangers.keys()


async def play(steps: list[tuple[str, Any]]) -> None:
    async with Stage().playing() as stage:
        world = World(stage)
        await world.begin()
        for step, value in steps:
            await world.take(step, value)
        await world.check()


def run(steps: list[tuple[str, Any]]) -> None:
    trio.run(play, steps, clock=MockClock(autojump_threshold=0))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=25))
def test_the_wanted_state_comes_about(steps: list[tuple[str, Any]]) -> None:
    run(steps)


async def harmed_by(requests: list[tuple[str, Any]]) -> None:
    """All of them at once, from many sides."""
    async with Stage().playing() as stage:
        world = World(stage)
        await world.begin()

        async def ask(step: str, value: Any) -> None:
            try:
                await getattr(world, f"_{step}")(value)
            except Denied:
                pass

        async with trio.open_nursery() as nursery:
            for step, value in requests:
                nursery.start_soon(ask, step, value)
        view = stage.room.get("web")
        world.model = Model(view.replicas, view.template.env["COLOUR"], [])
        await world.check()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS.filter(lambda step: step[0] not in ("restart", "recreate", "undo", "take_name", "free_name")), max_size=15))
def test_the_wanted_state_comes_about_when_all_ask_at_once(requests: list[tuple[str, Any]]) -> None:
    trio.run(harmed_by, requests, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize(
    "steps",
    [
        [("break", 0), ("update", "blue"), ("wait", 5.0), ("undo", 0)],
        [("update", "blue"), ("pause", 0), ("update", "green"), ("restart", 0), ("crash", 1), ("resume", 0)],
        [("take_name", 4), ("scale", 5), ("free_name", 4), ("delete", 1), ("scale", 2)],
        [("fill_host", 0), ("scale", 6), ("delete", 2), ("restart", 0), ("scale", 1)],
    ],
)
def test_histories_worth_keeping(steps: list[tuple[str, Any]]) -> None:
    run(steps)
