"""Which acceleration to use. A KVM device that exists is no proof: some hosts' opens, creates a VM, and hangs every stock
kernel in it. So KVM is believed once a guest has booted to its agent with it, and the verdict is kept for as long as host
boot, kernel, initramfs and QEMU stay the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import trio

from volant.daemon.host.files import write_atomic
from volant.daemon.host.processes import boot_id
from volant.daemon.hypervisors.cmdline import kernel_words
from volant.daemon.ports import LaunchPlan, Vmm
from volant.proto.errors import ConnectionLost, Fault

KVM_DEVICE = Path("/dev/kvm")

PROBE_S = 8.0
"""How long the guest may take: with working KVM it needs one second, and three on a busy host."""

PROBE_MEMORY_MIB = 256
"""Enough for kernel and initramfs, whatever they hold."""

AGENT_LINE = b"kestrel:"
"""What the agent prints at each of its steps; the first proves that the kernel came up and runs programs."""

VERDICT_FILE = "accel.json"


@dataclass(frozen=True, slots=True)
class BootFiles:
    """What the probe boots: the daemon's own kernel and agent initramfs."""

    kernel: Path
    initramfs: Path


BootFilesOf = Callable[[], Awaitable[BootFiles]]
"""Gives them when they are needed; raises a Fault when there are none yet."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`accel` is kvm or tcg; `reason` one clause; `final` is False when a later look may say otherwise."""

    accel: str
    reason: str
    final: bool = True


@dataclass(frozen=True, slots=True)
class Circumstances:
    """As long as these are the same, so is the verdict."""

    boot_id: str
    kernel_sha256: str
    initramfs_sha256: str
    qemu: str


class Launcher(Protocol):
    """What the probe needs of the driver."""

    async def launch(self, plan: LaunchPlan, *, tap_fd: int | None = None) -> Vmm: ...


class AccelProbe:
    """Decides on the acceleration. `folder` keeps the verdict, and holds the probe's guest while it runs."""

    def __init__(self, launcher: Launcher, wanted: str, folder: Path, boot_files: BootFilesOf, *, device: Path = KVM_DEVICE) -> None:
        self._launcher = launcher
        self._wanted = wanted
        self._folder = folder
        self._boot_files = boot_files
        self._device = device

    async def verdict(self, qemu_version: str) -> Verdict:
        """The acceleration to use; may boot a guest for up to `PROBE_S`. Cancelling leaves no process behind."""
        if self._wanted != "auto":
            return Verdict(self._wanted, "as configured")
        if obstacle := device_obstacle(self._device):
            return Verdict("tcg", obstacle)
        try:
            files = await self._boot_files()
            circumstances = await trio.to_thread.run_sync(_circumstances, files, qemu_version)
        except Fault as fault:
            return Verdict("tcg", f"KVM can't be tried yet: {fault.message}", final=False)
        except OSError as error:
            return Verdict("tcg", f"KVM can't be tried yet: {error}", final=False)
        kept = read_verdict(self._folder / VERDICT_FILE, circumstances)
        if kept is not None:
            return kept
        found = await self._try(files)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self._folder / VERDICT_FILE, verdict_bytes(found, circumstances))
        return found

    async def _try(self, files: BootFiles) -> Verdict:
        guest = self._folder / "guest"
        shutil.rmtree(guest, ignore_errors=True)
        guest.mkdir(mode=0o700, parents=True)
        try:
            with trio.move_on_after(PROBE_S):
                return await self._boot(guest, files)
            return Verdict("tcg", f"KVM hangs guests here: none came up within {PROBE_S:.0f} s")
        finally:
            shutil.rmtree(guest, ignore_errors=True)

    async def _boot(self, guest: Path, files: BootFiles) -> Verdict:
        plan = LaunchPlan(
            vm_id="accel-probe",
            name="accel-probe",
            runtime_dir=guest,
            console_log=guest / "console.log",
            kernel=files.kernel,
            initramfs=files.initramfs,
            cmdline=kernel_words("kvm", 0) + " volant.id=accel-probe volant.boot=initramfs volant.name=accel-probe",
            vcpus=1,
            memory_mib=PROBE_MEMORY_MIB,
            accel="kvm",
        )
        try:
            vmm = await self._launcher.launch(plan)
        except Fault as fault:
            return Verdict("tcg", f"KVM does not work: {fault.message}")
        try:
            return await _spoken(vmm, plan.console_log)
        finally:
            with trio.CancelScope(shield=True):
                await vmm.kill()
                await vmm.release()


def device_obstacle(device: Path) -> str:
    """Why KVM is out of the question at first sight, one clause; empty when it is worth trying."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"there is no {device}"
    except PermissionError:
        return f"the daemon may not open {device}"
    except OSError as error:
        return f"{device} can't be opened: {error.strerror}"
    return ""


def verdict_bytes(verdict: Verdict, circumstances: Circumstances) -> bytes:
    """What is kept."""
    return json.dumps({"accel": verdict.accel, "reason": verdict.reason, "for": asdict(circumstances)}, indent=1).encode()


def read_verdict(path: Path, circumstances: Circumstances) -> Verdict | None:
    """The verdict kept for exactly these circumstances; None when there is none, or the file is none of ours."""
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    match kept:
        case {"accel": "kvm" | "tcg" as accel, "reason": str(reason), "for": dict(told)} if told == asdict(circumstances):
            return Verdict(accel, reason)
    return None


def _circumstances(files: BootFiles, qemu_version: str) -> Circumstances:
    return Circumstances(boot_id(), _digest(files.kernel), _digest(files.initramfs), qemu_version)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _spoken(vmm: Vmm, console_log: Path) -> Verdict:
    """Wait until the agent speaks or the VMM ends. What came before we connected is in the log, the rest comes over the stream."""
    try:
        async with await vmm.open_console() as stream:
            seen = b""
            while AGENT_LINE not in seen and AGENT_LINE not in console_log.read_bytes():
                data = await stream.receive_some()
                if not data:
                    raise trio.BrokenResourceError
                seen += data
    except (ConnectionLost, trio.BrokenResourceError):
        report = await vmm.wait_exited()
        return Verdict("tcg", f"KVM does not work: QEMU ended ({report.cause}) before the guest's agent spoke")
    return Verdict("kvm", "a guest booted to its agent with KVM")
