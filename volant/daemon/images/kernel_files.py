"""The kernels of this host that guests boot: checked once per file, unpacked once per digest.

A bzImage's vmlinux, entered directly (PVH), saves the guest 0.2 to 0.4 s of decompression. Where it can't be had (its
compression needs a program that is missing, or it has no PVH entry) the bzImage itself is booted.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import mmap
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from volant.daemon.images.cache import Cache, make_folder, move_durably, open_regular
from volant.daemon.images.kernels import MAX_VMLINUX, BzImage, is_pvh, parse_kernel
from volant.proto.errors import HostShort, ImageFailed

_PROGRAMS = {b"\x02\x21\x4c\x18": ("lz4", "-dc"), b"\x28\xb5\x2f\xfd": ("zstd", "-dc")}
"""Unpackers for what the standard library can't read, by magic; the first is lz4's legacy format."""
_LIBRARY: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"\x1f\x8b": lambda data, limit: zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data, limit),
    b"\xfd7zX": lambda data, limit: lzma.LZMADecompressor().decompress(data, limit),
    b"\x5d\x00\x00": lambda data, limit: lzma.LZMADecompressor().decompress(data, limit),
    b"BZh": lambda data, limit: bz2.BZ2Decompressor().decompress(data, limit),
}
_UNPACK_SECONDS = 60
"""200 times what unpacking took when measured."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel, checked."""

    source: Path
    """The file that was named."""
    sha256: str
    boot: Path
    """What the VMM loads."""
    modules: Path | None
    """Its lib/modules/<release>, where that was found."""


class KernelFiles:
    """Knows the kernels that were asked for; `folder` keeps their unpacked forms."""

    def __init__(self, folder: Path, default: Path, cache: Cache) -> None:
        self._folder, self._default, self._cache = folder, default, cache
        self._known: dict[Path, tuple[tuple[int, ...], Kernel]] = {}
        self._lock = trio.Lock()

    async def find(self, path: str = "") -> Kernel:
        """The kernel at `path`, else the default one. HostShort when no default is set up, ImageFailed when it is none."""
        source = Path(path) if path else self._default
        async with self._lock:
            return await trio.to_thread.run_sync(self._find, source, not path)

    def _find(self, source: Path, is_default: bool) -> Kernel:
        if is_default and not source.exists():
            raise HostShort(
                f"there is no kernel for guests at {source}",
                hint="set one up (`python -m volant.fledge kernel --state-dir DIR`), or name one with --kernel or VOLANT_KERNEL",
            )
        fd = open_regular(source, f"the kernel {source}")
        try:
            facts = os.fstat(fd)
            signature = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
            known = self._known.get(source)
            if known and known[0] == signature and known[1].boot.exists():
                return known[1]
            if not facts.st_size:
                raise ImageFailed(f"the kernel {source} is empty", hint="name a vmlinuz, such as /boot/vmlinuz-$(uname -r)")
            with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as data:
                kernel = self._checked(source, data)
        finally:
            os.close(fd)
        self._known[source] = (signature, kernel)
        return kernel

    def _checked(self, source: Path, data: mmap.mmap) -> Kernel:
        form = parse_kernel(data, f"the kernel {source}")
        digest = hashlib.sha256(data).hexdigest()
        if not isinstance(form, BzImage):
            return Kernel(source, digest, source, modules_of(source, ""))
        unpacked = self._folder / f"{digest}.vmlinux"
        has_unpacked = unpacked.exists() or self._unpack(form, data, unpacked)
        return Kernel(source, digest, unpacked if has_unpacked else source, modules_of(source, form.release))

    def _unpack(self, form: BzImage, data: mmap.mmap, target: Path) -> bool:
        """Make `target`; False when that can't be done and the bzImage has to do."""
        start, length = form.payload
        (size,) = struct.unpack_from("<I", data, start + length - 4)
        if size > MAX_VMLINUX:
            return False
        vmlinux = unpack_payload(data[start : start + length - 4], size)
        if vmlinux is None or len(vmlinux) != size or not is_pvh(vmlinux):
            return False
        make_folder(self._folder)
        with self._cache.draft(f"the unpacked kernel {target.name}") as draft:
            draft.write(vmlinux)
            draft.finish()
            draft.path.chmod(0o444)
            move_durably(draft.path, target)
        return True


def unpack_payload(payload: bytes, size: int) -> bytes | None:
    """The vmlinux inside a bzImage, which says that it has `size` bytes; None where its compression can't be read here."""
    for magic, program in _PROGRAMS.items():
        if payload.startswith(magic):
            return _unpack_with(program, payload)
    for magic, unpack in _LIBRARY.items():
        if payload.startswith(magic):
            try:
                return unpack(payload, size)
            except (zlib.error, lzma.LZMAError, OSError, EOFError):
                return None
    return None


def _unpack_with(program: tuple[str, ...], payload: bytes) -> bytes | None:
    if shutil.which(program[0]) is None:
        return None
    try:
        return subprocess.run(
            program, input=payload, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, timeout=_UNPACK_SECONDS
        ).stdout
    except (subprocess.SubprocessError, OSError):
        return None


def modules_of(kernel: Path, release: str) -> Path | None:
    """The folder with a kernel's modules: `modules` beside it, else lib/modules of the tree that its `boot` folder is in."""
    source = kernel.resolve()
    releases = [name for name in (release, source.name.partition("-")[2]) if name]
    candidates = [source.parent / "modules", *(source.parent / "modules" / name for name in releases)]
    candidates += [root / "lib/modules" / name for root in (source.parent.parent, Path("/")) for name in releases]
    return next((folder for folder in candidates if (folder / "kernel").is_dir()), None)
