"""QEMU passes the launchers' kit, with real guests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.kits.hypervisor import HypervisorKit, alive_on_this_host
from tests.kits.tiny_guest import kernel, write_initramfs
from volant.daemon.host.tsc import tsc_khz
from volant.daemon.hypervisors.cmdline import kernel_words
from volant.daemon.hypervisors.qemu.driver import QemuHypervisor, QemuSettings
from volant.daemon.hypervisors.qemu.probe import BootFiles
from volant.daemon.ports import Hypervisor, LaunchPlan, ProcessIdentity


class QemuRig:
    """Real QEMU under emulation with the busybox guest."""

    patience = 60.0

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self._folder = folder
        self._nursery = nursery
        self._files = BootFiles(kernel(), write_initramfs(folder / "initramfs"))

    def launcher(self) -> Hypervisor:
        async def files() -> BootFiles:
            return self._files

        return QemuHypervisor(self._nursery, QemuSettings(probe_dir=self._folder / "probe", accel="tcg"), files)

    def plan(self, vm_id: str) -> LaunchPlan:
        folder = self._folder / vm_id
        folder.mkdir(exist_ok=True)
        return LaunchPlan(
            vm_id=vm_id,
            name="kit",
            runtime_dir=folder,
            console_log=folder / "console.log",
            kernel=self._files.kernel,
            initramfs=self._files.initramfs,
            cmdline=kernel_words("tcg", tsc_khz()),
            vcpus=1,
            memory_mib=128,
            accel="tcg",
        )

    def alive(self, identity: ProcessIdentity) -> bool:
        return alive_on_this_host(identity)


@pytest.fixture
async def rig(short_path: Path, nursery: trio.Nursery) -> AsyncIterator[QemuRig]:
    yield QemuRig(short_path, nursery)


@pytest.mark.vm
class TestQemu(HypervisorKit):
    pass
