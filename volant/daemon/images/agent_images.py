"""The agent's initramfs: built by `python -m volant.fledge agent-image` in a process of its own, once per what goes into it.

The key covers the kernel, its modules, the sources that are packed or do the packing, this interpreter, and the workload.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import trio

import volant
from volant.daemon.images.cache import Cache, disk_full, free_bytes, make_folder, move_durably, read_head
from volant.daemon.images.formats import check
from volant.daemon.images.kernel_files import Kernel
from volant.daemon.images.programs import run_program
from volant.daemon.images.sharing import Shared
from volant.daemon.ports import CachedImage
from volant.proto.errors import HostShort

SOURCE = Path(volant.__file__).parent
_PACKAGES = ("agent", "proto", "fledge")
_IMAGE_BYTES = 64 << 20
"""Room that an image without its workload may need: three times what it takes today."""

BuildCommand = Callable[[str, Path, CachedImage | None], list[str]]
"""The builder's command line for (folder of modules, output, workload)."""
Fingerprint = tuple[tuple[str, int, int], ...]


class AgentImages:
    """Builds and keeps agent images in `folder`; one build at a time per image."""

    def __init__(self, folder: Path, cache: Cache, command: BuildCommand) -> None:
        self._folder, self._cache, self._command = folder, cache, command
        self._building: Shared[tuple[str, ...], Path] = Shared()

    async def get(self, kernel: Kernel, workload: CachedImage | None) -> Path:
        """The image for that kernel and workload. HostShort without the kernel's modules, ImageFailed when building fails."""
        if kernel.modules is None:
            raise HostShort(
                f"the modules of the kernel {kernel.source} are not on this host",
                hint=f"put them beside it as {kernel.source.parent / 'modules'}, or install the package that the kernel came with",
            )
        key = await trio.to_thread.run_sync(image_key, kernel, workload)
        target = self._folder / (f"{key}.{workload.sha256}.cpio" if workload else f"{key}.cpio")
        if target.exists():
            return target
        return await self._building.get((key,), lambda: self._build(kernel.modules, workload, target))

    def forget(self, workload_sha256: str) -> None:
        """Remove the images that hold a workload which nobody uses any more: they hold it unpacked. Blocks."""
        for image in self._folder.glob(f"*.{workload_sha256}.cpio"):
            image.unlink(missing_ok=True)

    async def _build(self, modules: Path | None, workload: CachedImage | None, target: Path) -> Path:
        if target.exists():
            return target
        make_folder(self._folder)
        needed = _IMAGE_BYTES + (workload.size if workload else 0)
        if (free := free_bytes(self._folder)) < needed:
            raise disk_full(self._folder, needed - free)
        with self._cache.draft_folder() as folder:
            draft = folder / target.name
            await run_program(
                self._command(str(modules), draft, workload),
                failure="the agent's initramfs can't be built",
                folder=self._folder,
                env={**os.environ, "PYTHONPATH": str(SOURCE.parent)},
            )
            await trio.to_thread.run_sync(_seal, draft, target)
        return target


def build_command(modules: str, output: Path, workload: CachedImage | None) -> list[str]:
    """How the builder is called."""
    argv = [sys.executable, "-m", "volant.fledge", "agent-image", "--kernel-modules", modules, "--output", str(output)]
    return argv + (["--workload", str(workload.path)] if workload else [])


def image_key(kernel: Kernel, workload: CachedImage | None) -> str:
    """Digest of everything that an image depends on."""
    parts = (
        kernel.sha256,
        *_modules_identity(kernel.modules),
        _digest_of(fingerprint(SOURCE)),
        sys.version,
        workload.sha256 if workload else "",
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def fingerprint(source: Path) -> Fingerprint:
    """The source files that matter, by path, size and time of change: cheap enough to be looked at for each VM."""
    return tuple(
        (str(file), facts.st_size, facts.st_mtime_ns)
        for package in _PACKAGES
        for file in sorted((source / package).rglob("*"))
        if file.suffix in (".py", ".json", ".sh") and (facts := file.stat())
    )


@lru_cache(maxsize=4)
def _digest_of(files: Fingerprint) -> str:
    """Digest of the files' contents: equal over machines and after a checkout, which times are not."""
    digest = hashlib.sha256()
    for name, _, _ in files:
        content = Path(name).read_bytes()
        digest.update(f"{Path(name).relative_to(SOURCE)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _modules_identity(modules: Path | None) -> Iterable[str]:
    if modules is not None:
        facts = (modules / "kernel").stat()
        yield f"{modules.resolve()}:{facts.st_ino}:{facts.st_mtime_ns}"


def _seal(draft: Path, target: Path) -> None:
    """Give a built image its name, once it is on the disk."""
    head, size = read_head(draft)
    check(head, size, "cpio", "the agent's initramfs")
    fd = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.chmod(0o444)
    move_durably(draft, target)
