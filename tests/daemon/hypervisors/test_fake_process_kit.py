"""The fake whose VMMs are processes passes the launchers' kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.kits.hypervisor import HypervisorKit, alive_on_this_host, plan_without_guest
from volant.daemon.hypervisors.fake.processes import FakeProcessHypervisor
from volant.daemon.ports import Hypervisor, LaunchPlan, ProcessIdentity


class ProcessRig:
    """This host, with processes that hold no guest."""

    patience = 60.0

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self._folder = folder
        self._nursery = nursery

    def launcher(self) -> Hypervisor:
        return FakeProcessHypervisor(self._nursery)

    def plan(self, vm_id: str) -> LaunchPlan:
        return plan_without_guest(self._folder, vm_id)

    def alive(self, identity: ProcessIdentity) -> bool:
        return alive_on_this_host(identity)


@pytest.fixture
async def rig(short_path: Path, nursery: trio.Nursery) -> AsyncIterator[ProcessRig]:
    yield ProcessRig(short_path, nursery)


class TestFakeProcess(HypervisorKit):
    pass
