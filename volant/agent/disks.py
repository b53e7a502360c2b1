"""Disks by their serial number, and what file system is on them."""

from __future__ import annotations

import os

from volant.agent.loop import Loop

BLOCKS = "/sys/block"

DISK_WAIT_S = 5.0
"""How long a disk that was promised may take to appear; under emulation it takes a tenth of that."""

_POLL_S = 0.01

READ_ONLY = frozenset({"squashfs", "erofs", "iso9660"})
"""File systems that can't be written: they get a writable layer above them."""

_HEAD_BYTES = 36_864
"""Of a disk: the furthest mark, that of ISO 9660, is at 32,769."""

_MARKS = (
    ("squashfs", 0, b"hsqs"),
    ("xfs", 0, b"XFSB"),
    ("erofs", 1_024, b"\xe2\xe1\xf5\xe0"),
    ("ext4", 1_080, b"\x53\xef"),
    ("iso9660", 32_769, b"CD001"),
    ("vfat", 82, b"FAT32"),
    ("vfat", 54, b"FAT1"),
)
"""File system, and the bytes at an offset that tell it; ext2 and ext3 are mounted by the same driver as ext4."""


def recognise(head: bytes) -> str:
    """The file system that begins with `head`; empty when it is none of ours."""
    return next((kind for kind, offset, mark in _MARKS if head[offset : offset + len(mark)] == mark), "")


def file_system(device: str) -> str:
    """The file system on `device`; empty when there is none that we know."""
    with open(device, "rb", buffering=0) as file:
        return recognise(file.read(_HEAD_BYTES))


def find_disk(serial: str, blocks: str = BLOCKS) -> str:
    """The name of the disk with this serial number (`vda`); empty while there is none."""
    for name in sorted(os.listdir(blocks)):
        try:
            with open(f"{blocks}/{name}/serial") as file:
                if file.read().strip() == serial:
                    return name
        except OSError:
            continue
    return ""


async def wait_disk(loop: Loop, serial: str) -> str:
    """As `find_disk`, waiting DISK_WAIT_S at most."""
    with loop.move_on_after(DISK_WAIT_S):
        while not (name := find_disk(serial)):
            await loop.sleep(_POLL_S)
        return name
    return ""


def volumes(name: str, blocks: str = BLOCKS) -> list[str]:
    """Devices that may hold the file system of disk `name`: itself, then its partitions, the largest first."""
    sizes = {}
    for part in os.listdir(f"{blocks}/{name}"):
        if part.startswith(name):
            with open(f"{blocks}/{name}/{part}/size") as file:
                sizes[part] = int(file.read())
    return [f"/dev/{name}", *(f"/dev/{part}" for part in sorted(sizes, key=lambda part: -sizes[part]))]
