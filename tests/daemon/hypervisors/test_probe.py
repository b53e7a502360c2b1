"""The acceleration probe: when a guest is booted, what it says, and what is remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from volant.daemon.hypervisors.fake.guest import FakeGuest
from volant.daemon.hypervisors.fake.launcher import FakeHost, FakeHypervisor
from volant.daemon.hypervisors.qemu.probe import PROBE_S, AccelProbe, BootFiles, Circumstances, Verdict, read_verdict, verdict_bytes
from volant.daemon.ports import LaunchPlan, Vmm
from volant.proto.errors import HostShort, LaunchFailed


class Lab:
    """A host with a KVM device, a kernel, and a launcher whose guests are fakes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = FakeHost()
        self.launches = 0
        self.then: Callable[[FakeGuest], None] = lambda guest: None
        """What befalls each guest right after its launch."""
        self.device = folder / "kvm"
        self.device.touch()
        self.files = BootFiles(folder / "vmlinuz", folder / "initramfs")
        self.files.kernel.write_bytes(b"kernel one")
        self.files.initramfs.write_bytes(b"initramfs one")

    async def launch(self, plan: LaunchPlan, *, tap_fd: int | None = None) -> Vmm:
        self.launches += 1
        assert plan.accel == "kvm"
        vmm = await FakeHypervisor(self.host).launch(plan)
        self.then(self.host.guest(plan.vm_id))
        return vmm

    def probe(self, wanted: str = "auto") -> AccelProbe:
        async def files() -> BootFiles:
            return self.files

        return AccelProbe(self, wanted, self.folder / "probe", files, device=self.device)

    def behave(self, **how: object) -> None:
        self.host.behaviour = replace(self.host.behaviour, **how)  # type: ignore[arg-type]

    def left_behind(self) -> list[Path]:
        return list((self.folder / "probe").glob("guest*"))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


async def test_kvm_is_believed_once_the_agent_spoke(lab: Lab) -> None:
    verdict = await lab.probe().verdict("7.2.22")
    assert verdict == Verdict("kvm", "a guest booted to its agent with KVM")
    with pytest.raises(KeyError):
        lab.host.guest("accel-probe")
    assert lab.left_behind() == []


async def test_a_guest_that_hangs_means_emulation_after_the_deadline(lab: Lab, autojump_clock: MockClock) -> None:
    lab.behave(ready_s=float("inf"))
    started = trio.current_time()
    verdict = await lab.probe().verdict("7.2.22")
    assert (verdict.accel, verdict.final) == ("tcg", True)
    assert "hangs" in verdict.reason
    assert trio.current_time() - started == pytest.approx(PROBE_S)
    with pytest.raises(KeyError):
        lab.host.guest("accel-probe")
    assert lab.left_behind() == []


async def test_a_vmm_that_does_not_start_means_emulation(lab: Lab) -> None:
    lab.behave(launch_fault=LaunchFailed("QEMU ended at start: KVM_SET_MSRS"))
    verdict = await lab.probe().verdict("7.2.22")
    assert verdict.accel == "tcg"
    assert "KVM_SET_MSRS" in verdict.reason


async def test_a_vmm_that_ends_before_the_agent_spoke_means_emulation(lab: Lab) -> None:
    lab.behave(ready_s=float("inf"))
    lab.then = lambda guest: guest.crash("error")
    verdict = await lab.probe().verdict("7.2.22")
    assert verdict.accel == "tcg"
    assert "error" in verdict.reason


async def test_the_verdict_is_remembered_until_something_changes(lab: Lab) -> None:
    await lab.probe().verdict("7.2.22")
    await lab.probe().verdict("7.2.22")
    assert lab.launches == 1
    await lab.probe().verdict("8.0.0")
    assert lab.launches == 2
    lab.files.kernel.write_bytes(b"kernel two")
    await lab.probe().verdict("8.0.0")
    assert lab.launches == 3


@pytest.mark.parametrize("accel", ["kvm", "tcg"])
async def test_what_is_configured_is_not_questioned(lab: Lab, accel: str) -> None:
    assert await lab.probe(accel).verdict("7.2.22") == Verdict(accel, "as configured")
    assert lab.launches == 0


async def test_without_the_device_nothing_is_booted(lab: Lab) -> None:
    lab.device.unlink()
    verdict = await lab.probe().verdict("7.2.22")
    assert verdict.accel == "tcg"
    assert str(lab.device) in verdict.reason
    assert lab.launches == 0


async def test_without_a_kernel_the_question_stays_open(lab: Lab) -> None:
    async def none_yet() -> BootFiles:
        raise HostShort("no kernel is set up")

    verdict = await AccelProbe(lab, "auto", lab.folder / "probe", none_yet, device=lab.device).verdict("7.2.22")
    assert (verdict.accel, verdict.final) == ("tcg", False)
    assert "no kernel is set up" in verdict.reason
    lab.files.kernel.unlink()
    assert not (await lab.probe().verdict("7.2.22")).final


async def test_a_cancelled_probe_leaves_no_guest_and_no_verdict(lab: Lab, autojump_clock: MockClock) -> None:
    lab.behave(ready_s=float("inf"))
    with trio.move_on_after(1):
        await lab.probe().verdict("7.2.22")
    with pytest.raises(KeyError):
        lab.host.guest("accel-probe")
    assert lab.left_behind() == []
    lab.behave(ready_s=0.0)
    assert (await lab.probe().verdict("7.2.22")).accel == "kvm"


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b"\xff", b'{"accel": "turbo", "reason": "", "for": {}}', b'{"accel": "kvm"}'])
def test_a_verdict_file_of_somebody_else_is_no_verdict(tmp_path: Path, kept: bytes) -> None:
    path = tmp_path / "accel.json"
    path.write_bytes(kept)
    assert read_verdict(path, Circumstances("boot", "k", "i", "q")) is None


def test_a_verdict_comes_back_for_its_own_circumstances_only(tmp_path: Path) -> None:
    path, here = tmp_path / "accel.json", Circumstances("boot", "k", "i", "q")
    path.write_bytes(verdict_bytes(Verdict("kvm", "it worked"), here))
    assert read_verdict(path, here) == Verdict("kvm", "it worked")
    assert read_verdict(path, replace(here, boot_id="next boot")) is None
