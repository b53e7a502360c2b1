"""The fake passes the launchers' kit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kits.hypervisor import HypervisorKit, plan_without_guest
from volant.daemon.hypervisors.fake.launcher import FakeHost, FakeHypervisor
from volant.daemon.ports import Hypervisor, LaunchPlan, ProcessIdentity


class FakeRig:
    """One fake host."""

    patience = 60.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.host = FakeHost()

    def launcher(self) -> Hypervisor:
        return FakeHypervisor(self.host)

    def plan(self, vm_id: str) -> LaunchPlan:
        return plan_without_guest(self._folder, vm_id)

    def alive(self, identity: ProcessIdentity) -> bool:
        return self.host.running(identity) is not None


@pytest.fixture
def rig(tmp_path: Path) -> FakeRig:
    return FakeRig(tmp_path)


class TestFake(HypervisorKit):
    pass
