"""Artifacts, kernels, boot files and disks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CachedImage:
    """A verified file of the content-addressed cache; never written again."""

    path: Path
    sha256: str
    size: int
    format: str
    """raw, qcow2 or cpio."""
    writable: bool = True
    """False for a raw image whose file system can't be written (squashfs, erofs, iso9660): the VM gets an upper disk."""


Progress = Callable[[int, int], Awaitable[None]]
"""Called with (bytes done, bytes in all; 0 when unknown)."""


class Images(Protocol):
    """Artifacts, kernels, boot files and disks."""

    async def fetch(self, url: str, *, checksum: str, format: str, progress: Progress | None = None) -> CachedImage:
        """http(s), file:// or absolute path into the cache, verified (`sha256:<hex>` or bare hex; empty: not checked, still hashed).
        `format`: raw, qcow2 or cpio; a file that is not that is refused. ImageFailed, HostShort."""

    async def cached(self, sha256: str) -> CachedImage | None: ...
    async def forget(self, sha256: str) -> None:
        """Remove one artifact that nobody uses any more."""

    async def check_workload(self, image: CachedImage, *, entrypoint: str, workdir: str = "", path: str = "") -> None:
        """Refuse an initramfs with neither an /init nor the program to start (sought in `path` as exec does). ImageFailed, HostShort."""

    async def kernel(self, path: str = "") -> Path:
        """The kernel to boot (the PVH vmlinux of a bzImage where that can be had), checked to be one. HostShort, ImageFailed."""

    async def initramfs(self, kernel: str = "", workload: CachedImage | None = None) -> Path:
        """The agent's initramfs for that kernel, with the workload's tree below /workload when given. Built once, then cached."""

    async def root_overlay(self, base: CachedImage, path: Path) -> None:
        """Make a qcow2 copy-on-write overlay at `path` over `base`; an existing one is kept."""

    async def blank_disk(self, path: Path) -> None:
        """Make a sparse, empty ext4 disk at `path`, as upper layer of a read-only root; an existing one is kept."""
