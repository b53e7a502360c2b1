"""The workload's tree: where it comes from, and what has to be mounted into it."""

from __future__ import annotations

import os

from volant.agent import disks, syscalls
from volant.agent.config import Config, Disk
from volant.agent.disks import READ_ONLY
from volant.agent.drivers import Drivers
from volant.agent.loop import Loop
from volant.agent.syscalls import MS_BIND, MS_NOATIME, MS_NODEV, MS_NOSUID, MS_RDONLY, MS_REC

INITRAMFS_TREE = "/workload"
"""Where the image holds the tree of an initramfs workload."""

RUN = "/run/volant"
"""The agent's own files, on a tmpfs."""

ROOT_SERIAL, UPPER_SERIAL = "rootfs", "upper"
"""Disks: the workload's root, and the writable layer of a read-only one."""

_IGNORED = {"lost+found"}
"""What mkfs itself leaves in an empty file system."""


class TreeError(Exception):
    """There is no tree to run the workload in; the text says why, in one sentence."""


async def find_tree(loop: Loop, config: Config, drivers: Drivers) -> tuple[str, str]:
    """The mounted tree and how it was found (`rootfs` or `initramfs`)."""
    wanted = config.boot
    if wanted not in ("auto", "initramfs", "rootfs"):
        raise TreeError(f"volant.boot={wanted} is none of auto, initramfs and rootfs")
    disk = ""
    if wanted == "rootfs":
        disk = await disks.wait_disk(loop, ROOT_SERIAL)
        if not disk:
            raise TreeError(f"no disk with the serial number {ROOT_SERIAL!r} appeared within {disks.DISK_WAIT_S:g} s")
    elif wanted == "auto":
        disk = disks.find_disk(ROOT_SERIAL)
    if disk:
        return _mount_root(disk, drivers), "rootfs"
    if os.path.isdir(INITRAMFS_TREE):
        return INITRAMFS_TREE, "initramfs"
    missing = "the initramfs holds no workload" + ("" if wanted == "initramfs" else f", and there is no disk {ROOT_SERIAL!r}")
    raise TreeError(missing)


def furnish(tree: str, config: Config) -> None:
    """Give the tree what every program expects: proc, sys, dev, a runtime folder, and names to resolve with."""
    for name in ("proc", "sys", "dev"):
        _bind(f"/{name}", f"{tree}/{name}")
    os.makedirs(f"{tree}/run", exist_ok=True)
    syscalls.mount("tmpfs", f"{tree}/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.makedirs(f"{tree}/tmp", exist_ok=True)  # noqa: S108 - the workload's, to exist
    hostname = config.hostname or "localhost"
    provide(tree, "etc/hosts", f"127.0.0.1 localhost {hostname}\n::1 localhost {hostname}\n")
    if config.network and config.network.dns:
        provide(tree, "etc/resolv.conf", "".join(f"nameserver {server}\n" for server in config.network.dns))


async def mount_disks(loop: Loop, tree: str, wanted: tuple[Disk, ...], drivers: Drivers) -> None:
    """Mount the manifest's data disks at their targets in the tree."""
    for disk in wanted:
        name = await disks.wait_disk(loop, disk.serial)
        if not name:
            raise TreeError(f"no disk with the serial number {disk.serial!r} (for {disk.target}) appeared within {disks.DISK_WAIT_S:g} s")
        device, kind = _volume(name, f"disk {disk.serial!r} (for {disk.target})", drivers)
        target = inside(tree, disk.target)
        os.makedirs(target, exist_ok=True)
        _mount(device, target, kind, MS_NOATIME | (MS_RDONLY if disk.readonly or kind in READ_ONLY else 0))


def provide(tree: str, path: str, content: str) -> None:
    """Let `path` in the tree have `content` where it has none, by a mount: the file itself stays as its author left it."""
    target = inside(tree, path)
    try:
        if os.path.getsize(target):
            return
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "x"):
            pass  # a file is needed to mount on
    ours = f"{RUN}/{os.path.basename(path)}"
    with open(ours, "w") as file:
        file.write(content)
    syscalls.mount(ours, target, flags=MS_BIND)


def inside(tree: str, path: str) -> str:
    """`path` of the tree as we reach it, symbolic links followed as the workload would: they can't lead out."""
    reached = tree
    pending = path.split("/")[::-1]
    for _ in range(256):
        if not pending:
            return reached
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            reached = os.path.dirname(reached) if reached != tree else tree
        elif os.path.islink(f"{reached}/{part}"):
            link = os.readlink(f"{reached}/{part}")
            reached = tree if link.startswith("/") else reached
            pending += link.split("/")[::-1]
        else:
            reached = f"{reached}/{part}"
    raise TreeError(f"{path} in the workload's tree is a circle of symbolic links")


def _mount_root(disk: str, drivers: Drivers) -> str:
    device, kind = _volume(disk, "rootfs disk", drivers)
    root = f"{RUN}/root"
    os.makedirs(root, exist_ok=True)
    _mount(device, root, kind, MS_NOATIME | (MS_RDONLY if kind in READ_ONLY else 0))
    if not set(os.listdir(root)) - _IGNORED:
        raise TreeError(f"the rootfs disk holds an {kind} file system without any files: there is no workload in it")
    return _writable(root, drivers) if kind in READ_ONLY else root


def _writable(lower: str, drivers: Drivers) -> str:
    """A writable view of the read-only `lower`: on the disk for that, where there is one, else in memory."""
    drivers.load("overlay")
    layer, merged = f"{RUN}/layer", f"{RUN}/merged"
    for folder in (layer, merged):
        os.makedirs(folder, exist_ok=True)
    disk = disks.find_disk(UPPER_SERIAL)
    if disk:
        device, kind = _volume(disk, "disk for changes", drivers)
        _mount(device, layer, kind, MS_NOATIME)
    else:
        syscalls.mount("tmpfs", layer, "tmpfs")
    for folder in (f"{layer}/upper", f"{layer}/work"):
        os.makedirs(folder, exist_ok=True)
    _mount("overlay", merged, "overlay", MS_NOATIME, f"lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work")
    return merged


def _volume(disk: str, what: str, drivers: Drivers) -> tuple[str, str]:
    """The device of `disk` with a file system on it, and which that is; its driver is loaded."""
    for device in disks.volumes(disk):
        kind = disks.file_system(device)
        if kind:
            drivers.load(kind)
            if kind == "vfat":
                drivers.load("nls_cp437")
                drivers.load("nls_ascii")
            return device, kind
    raise TreeError(f"the {what} holds no file system that is known (ext2-4, squashfs, erofs, xfs, vfat, ISO 9660)")


def _mount(device: str, target: str, kind: str, flags: int, data: str = "") -> None:
    try:
        syscalls.mount(device, target, kind, flags, data)
    except OSError as error:
        raise TreeError(f"the {kind} file system of {device} can't be mounted: {(error.strerror or '').lower()}") from error


def _bind(source: str, target: str) -> None:
    os.makedirs(target, exist_ok=True)
    syscalls.mount(source, target, flags=MS_BIND | MS_REC)
