"""The fake passes the launchers' kit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kits.hypervisor import HypervisorKit
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
        folder = self._folder / vm_id
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

    def alive(self, identity: ProcessIdentity) -> bool:
        return self.host.running(identity) is not None


@pytest.fixture
def rig(tmp_path: Path) -> FakeRig:
    return FakeRig(tmp_path)


class TestFake(HypervisorKit):
    pass
