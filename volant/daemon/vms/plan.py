"""From what is wanted and what the host has to a `LaunchPlan`. Pure: every word of it is asserted by value."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from volant.daemon.ports import Address, DiskPlan, HypervisorFacts, LaunchPlan, NicPlan, VmRecord
from volant.daemon.vms.cmdline import GuestConfig, guest_words
from volant.proto.specs.manifest import Manifest
from volant.proto.specs.manifest_codec import encode_manifest
from volant.proto.specs.manifest_parse import parse_manifest
from volant.proto.specs.states import NetworkMode
from volant.proto.specs.vmconfig import VmConfig, merge_manifest

DISK_NAMES = re.compile(r"root\.qcow2|disk-[0-9]+\.qcow2|upper\.img")
"""Names of the disks that `Places` gives."""

DRAFT_NAMES = re.compile(rf"\.({DISK_NAMES.pattern})\.[0-9a-f]{{8}}\.tmp")
"""Names that the images room gives them until they are whole."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where one VM's files live."""

    state: Path
    """Disks and console history; kept until the VM is destroyed."""
    runtime: Path
    """Sockets of the running VMM."""

    @property
    def console_log(self) -> Path:
        return self.state / "console.log"

    @property
    def root_disk(self) -> Path:
        return self.state / "root.qcow2"

    def disk(self, number: int) -> Path:
        """Copy-on-write file of the manifest's writable disk `number`."""
        return self.state / f"disk-{number}.qcow2"

    @property
    def upper_disk(self) -> Path:
        """Where changes to a root file system that can't be written itself are kept."""
        return self.state / "upper.img"


def places(state_dir: Path, runtime_dir: Path, vm_id: str) -> Places:
    """The folders of one VM."""
    return Places(state_dir / "vms" / vm_id, runtime_dir / "vms" / vm_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFiles:
    """What the VMM loads."""

    kernel: Path
    initramfs: Path
    disks: tuple[DiskPlan, ...] = ()


def launch_plan(
    record: VmRecord,
    config: VmConfig,
    *,
    where: Places,
    facts: HypervisorFacts,
    files: BootFiles,
    manifest: Manifest,
    address: Address | None,
) -> LaunchPlan:
    """Everything a launcher needs. InvalidParams when the user's own kernel words are too long."""
    merged = merge_manifest(manifest, config)
    public = {**merged, "workload": {**merged["workload"], "env": {}}}
    words = guest_words(
        GuestConfig(
            vm_id=record.id,
            hostname=record.name,
            boot=config.boot,
            kernel_words=facts.kernel_words,
            manifest=merged,
            encoded_manifest=encode_manifest(parse_manifest(public).manifest),
            private=bool(merged["workload"].get("env")),
            address=address,
            extra=config.cmdline,
        )
    )
    return LaunchPlan(
        vm_id=record.id,
        name=record.name,
        runtime_dir=where.runtime,
        console_log=where.console_log,
        kernel=files.kernel,
        initramfs=files.initramfs,
        cmdline=words.cmdline,
        vcpus=config.cpu_cores,
        memory_mib=config.memory_mb,
        accel=facts.accel,
        disks=files.disks,
        nic=nic_plan(record, config.network),
        config_blob=words.blob,
    )


def nic_plan(record: VmRecord, mode: NetworkMode) -> NicPlan | None:
    """The VM's NIC; None for the modes that have the agent channel only."""
    if mode is NetworkMode.BRIDGED:
        return NicPlan(mode=mode, mac=record.mac, tap=record.tap)
    if mode is NetworkMode.USER:
        return NicPlan(mode=mode, mac=record.mac, forwards=record.forwards)
    return None


def adoption_plan(record: VmRecord, where: Places) -> LaunchPlan:
    """What finding and adopting a running VMM needs: its names and places. Nothing is booted from it."""
    return replace(bare_plan(record.id, where), name=record.name, accel=record.accel)


def bare_plan(vm_id: str, where: Places) -> LaunchPlan:
    """The same for a VMM of which no more is known than its VM's id."""
    return LaunchPlan(
        vm_id=vm_id,
        name=vm_id,
        runtime_dir=where.runtime,
        console_log=where.console_log,
        kernel=Path(),
        initramfs=Path(),
        cmdline="",
        vcpus=0,
        memory_mib=0,
        accel="",
    )
