"""Disks of VMs: copy-on-write overlays over cached images, and empty disks.

Each is made under a draft name and renamed, so that a disk that exists is whole. One that exists is never touched: it is
somebody's data.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.host.files import sync_folder
from volant.daemon.images.cache import read_head
from volant.daemon.images.formats import virtual_size
from volant.daemon.images.programs import find_program, run_program
from volant.daemon.ports import CachedImage

BLANK_DISK_BYTES = 16 << 30
"""Size of an upper disk. It is sparse, so it costs what the guest writes; large enough to install things into a root."""


async def make_overlay(base: CachedImage, path: Path) -> None:
    """A qcow2 overlay at `path` over `base`; an existing one is kept. HostShort, ImageFailed."""
    if path.exists():
        return
    program = find_program("qemu-img", "qemu-utils")
    async with _drafted(path) as draft:
        head, size = await trio.to_thread.run_sync(read_head, base.path)
        argv = overlay_command(program, base, draft, virtual_size(head, size))
        await run_program(argv, failure=f"the disk {path} can't be made", folder=path.parent)


async def make_blank(path: Path) -> None:
    """A sparse ext4 disk at `path`; an existing one is kept. HostShort, ImageFailed."""
    if path.exists():
        return
    program = find_program("mke2fs", "e2fsprogs")
    async with _drafted(path) as draft:
        with draft.open("xb") as file:
            file.truncate(BLANK_DISK_BYTES)
        await run_program(blank_command(program, draft), failure=f"the disk {path} can't be made", folder=path.parent)


def overlay_command(program: str, base: CachedImage, path: Path, size: int) -> list[str]:
    """How qemu-img is called, for a disk of `size` bytes. Both paths are absolute: a leading slash keeps `json:`, `nbd:` and dashes from
    meaning anything. With -u it does not open the base: what somebody else made is for the VMM alone to read, which has fewer rights.
    """
    if not (base.path.is_absolute() and path.is_absolute()):
        raise ValueError(f"{base.path} and {path} must be absolute")
    return [program, "create", "-q", "-u", "-f", "qcow2", "-F", base.format, "-b", str(base.path), "--", str(path), str(size)]


def blank_command(program: str, path: Path) -> list[str]:
    """How mke2fs is called. The journal stays: a killed guest leaves a file system that mounts again without a check."""
    return [program, "-q", "-F", "-t", "ext4", "-J", "size=8", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "--", str(path)]


@asynccontextmanager
async def _drafted(path: Path) -> AsyncIterator[Path]:
    """A path beside `path` to make the file at; it gets its name when the block ends well, else it goes.

    A daemon that is killed meanwhile leaves it, and the next one, which knows it by its name, removes it.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield draft
        await passed(FaultPoint.DISK_DRAFTED)
        draft.chmod(0o600)
        draft.rename(path)
        await trio.to_thread.run_sync(sync_folder, path.parent)
    finally:
        draft.unlink(missing_ok=True)
