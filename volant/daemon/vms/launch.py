"""The one start path: host objects in order, each on the session's exit stack, then the VMM."""

from __future__ import annotations

import os
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.ports import Address, CachedImage, DiskPlan, Hypervisor, HypervisorFacts, LaunchPlan, Lease, NetPort, Vmm
from volant.daemon.vms.book import Book
from volant.daemon.vms.ledger import Claim
from volant.daemon.vms.plan import BootFiles, Places, launch_plan
from volant.daemon.vms.services import Services
from volant.daemon.vms.steps import LaunchStep, told
from volant.proto.errors import HostShort, ImageFailed, NetworkFailed
from volant.proto.specs.manifest_parse import parse_manifest
from volant.proto.specs.states import BootMode, NetworkMode
from volant.proto.specs.vmconfig import VmConfig

MEMORY_OVERHEAD_MIB = 100
"""What a VMM needs beside the guest's RAM: translated code and heap (measured under software emulation)."""


async def launch(services: Services, book: Book, config: VmConfig, claim: Claim, stack: AsyncExitStack) -> Vmm:
    """Bring the VMM up; whatever was made is undone by `stack`. Raises the Fault that explains a failure."""
    if book.damage is not None:
        raise book.damage
    hypervisor = services.hypervisor(config.hypervisor)
    async with told(book, LaunchStep.HYPERVISOR):
        facts = await hypervisor.facts()
        check_memory(config.memory_mb, services.available_mib())
        await passed(FaultPoint.HOST_CHECKED)
    where = services.places(book.record.id)
    async with told(book, LaunchStep.FILES):
        _make_folders(where, stack)
        await passed(FaultPoint.FOLDERS_MADE)
        files = await _boot_files(services, book, config, facts, where)
        await passed(FaultPoint.DISKS_MADE)
    async with told(book, LaunchStep.NETWORK):
        address = await _settle_network(services, book, config)
        tap = await _plug_in(services, book, config, claim, stack)
        await passed(FaultPoint.NETWORK_ATTACHED)
    manifest = parse_manifest(book.plugin.manifest).manifest
    plan = launch_plan(book.record, config, where=where, facts=facts, files=files, manifest=manifest, address=address)
    async with told(book, LaunchStep.VMM):
        return await _spawn(hypervisor, plan, claim, stack, tap)


async def _spawn(hypervisor: Hypervisor, plan: LaunchPlan, claim: Claim, stack: AsyncExitStack, tap: int | None) -> Vmm:
    vmm = await hypervisor.launch(plan, tap_fd=tap)
    keep_until_dead(vmm, claim, stack, plan.vm_id)
    return vmm


def keep_until_dead(vmm: Vmm, claim: Claim, stack: AsyncExitStack, vm_id: str) -> None:
    """Leaving the stack kills the VMM, proves it dead, and only then lets its row go."""

    async def prove_dead() -> None:
        with trio.CancelScope(shield=True):
            await vmm.kill()
        claim.gone("process", vm_id)

    claim.made("process", vm_id)
    stack.push_async_callback(prove_dead)


def check_memory(memory_mb: int, available_mib: int) -> None:
    """HostShort unless the host can hold a guest of `memory_mb` now."""
    need = memory_mb + MEMORY_OVERHEAD_MIB
    if need > available_mib:
        raise HostShort(
            f"a VM of {memory_mb} MiB needs {need} MiB on the host, and {available_mib} MiB are free",
            hint=f"give it at most {max(available_mib - MEMORY_OVERHEAD_MIB, 0)} MiB with --memory, or stop other VMs",
        )


def _make_folders(where: Places, stack: AsyncExitStack) -> None:
    """Sockets die with the VMM, and so their folder goes with it; the state folder stays, for it holds the disks.

    A callback, not a context manager: one that is never left, because the VM outlives this daemon, must not clean up when collected.
    """
    for folder in (where.state, where.runtime):
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    stack.push_async_callback(drop_runtime_folder, where)


async def drop_runtime_folder(where: Places) -> None:
    with trio.CancelScope(shield=True):
        await trio.to_thread.run_sync(lambda: shutil.rmtree(where.runtime, ignore_errors=True))
        await passed(FaultPoint.SOCKETS_GONE)


async def _boot_files(services: Services, book: Book, config: VmConfig, facts: HypervisorFacts, where: Places) -> BootFiles:
    artifacts = book.plugin.artifacts
    disks: tuple[DiskPlan, ...] = ()
    if facts.capabilities.has_disks:
        disks = await _disks(services, book.plugin.manifest, artifacts, config, where)
    if not facts.capabilities.boots_kernel:
        return BootFiles(kernel=Path(), initramfs=Path(), disks=disks)
    workload = None
    if "initramfs" in artifacts and config.boot is not BootMode.ROOTFS:
        workload = await _cached(services, artifacts["initramfs"], "initramfs")
    kernel = await services.images.kernel(config.kernel)
    initramfs = await services.images.initramfs(config.kernel, workload)
    return BootFiles(kernel=kernel, initramfs=initramfs, disks=disks)


async def _disks(
    services: Services, manifest: dict[str, Any], artifacts: dict[str, str], config: VmConfig, where: Places
) -> tuple[DiskPlan, ...]:
    disks: list[DiskPlan] = []
    if "rootfs" in artifacts and config.boot is not BootMode.INITRAMFS:
        base = await _cached(services, artifacts["rootfs"], "rootfs")
        await services.images.root_overlay(base, where.root_disk)
        disks.append(DiskPlan(path=where.root_disk, format="qcow2", readonly=False, serial="rootfs"))
        if not base.writable:
            await services.images.blank_disk(where.upper_disk)
            disks.append(DiskPlan(path=where.upper_disk, format="raw", readonly=False, serial="upper"))
    for number, disk in enumerate(manifest.get("disks") or []):
        base = await _cached(services, artifacts[f"disk:{disk['name']}"], f"disk {disk['name']!r}")
        if disk.get("readonly"):
            disks.append(DiskPlan(path=base.path, format=base.format, readonly=True, serial=f"disk-{number}"))
        else:
            await services.images.root_overlay(base, where.disk(number))
            disks.append(DiskPlan(path=where.disk(number), format="qcow2", readonly=False, serial=f"disk-{number}"))
    return tuple(disks)


async def _cached(services: Services, sha256: str, what: str) -> CachedImage:
    image = await services.images.cached(sha256)
    if image is None:
        raise ImageFailed(f"the plugin's {what} is no longer in the image cache", hint="install the plugin again")
    await passed(FaultPoint.IMAGE_FOUND)
    return image


async def _settle_network(services: Services, book: Book, config: VmConfig) -> Address | None:
    """The guest's address; in user mode also the host ports that its forwards get, which are free only now."""
    record = book.record
    if config.network is NetworkMode.BRIDGED:
        return services.network.address(Lease(record.ip, record.id, record.mac))
    if config.network is not NetworkMode.USER:
        return None
    address = services.network.user_address(record.id)
    others = {name: held for name, held in services.held_forwards.items() if name != record.name}
    forwards = services.network.choose_forwards(config.forwards, others)
    services.held_forwards[record.name] = forwards
    if (record.mac, record.forwards) != (address.mac, forwards):
        await book.change(mac=address.mac, forwards=forwards)
    return address


async def _plug_in(services: Services, book: Book, config: VmConfig, claim: Claim, stack: AsyncExitStack) -> int | None:
    if config.network is not NetworkMode.BRIDGED:
        return None
    await services.network.prepare()
    await passed(FaultPoint.BRIDGE_PREPARED)
    return await plug_in(services, book, claim, stack)


async def plug_in(services: Services, book: Book, claim: Claim, stack: AsyncExitStack, *, adopt: bool = False) -> int | None:
    """Enter the VM's place on the bridge; leaving the stack proves it gone and lets its row go."""
    record = book.record
    port = NetPort(vm_id=record.id, tap=record.tap, mac=record.mac, ip=record.ip)
    attachment = services.network.attached(port, adopt=adopt)
    descriptor = await attachment.__aenter__()

    async def unplug() -> None:
        with trio.CancelScope(shield=True):
            try:
                await attachment.__aexit__(None, None, None)
            except NetworkFailed:
                # It may have been a moment's refusal, and what it was about may be gone or not: look at the host, and try once more.
                if not await _unplugged_at_last(services, port, claim):
                    return
            await passed(FaultPoint.TAP_GONE)
            claim.gone("tap", record.tap)
            claim.gone("firewall", record.tap)

    claim.made("tap", record.tap)
    claim.made("firewall", record.tap)
    stack.push_async_callback(unplug)
    return descriptor


async def _unplugged_at_last(services: Services, port: NetPort, claim: Claim) -> bool:
    """Whether the VM's place on the bridge could be removed now. The VM has ended all the same; what is left keeps its rows, and is looked
    for again when the VM is deleted."""
    try:
        async with services.network.attached(port, adopt=True):
            pass
    except NetworkFailed as failed:
        claim.stays(failed.message)
        return False
    return True


def remove_folder(path: Path) -> None:
    """Delete a VM's folder and prove it gone; a folder that is not there is gone. OSError when the host refuses."""
    if os.path.lexists(path):
        shutil.rmtree(path)
