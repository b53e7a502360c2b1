"""The images room's front: artifacts, kernels, boot files and disks (`ports.Images`). Blocking work runs in worker threads."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from volant.daemon.host.nurseries import helpers
from volant.daemon.images.agent_images import AgentImages, BuildCommand, build_command
from volant.daemon.images.cache import MAX_IMAGE_BYTES, Cache, Draft, read_head
from volant.daemon.images.disks import make_blank, make_overlay
from volant.daemon.images.download import DEFAULT_PATIENCE, Download, Patience, Report, copy_file, local_path
from volant.daemon.images.formats import FORMATS, check
from volant.daemon.images.kernel_files import KernelFiles
from volant.daemon.images.sharing import Shared
from volant.daemon.images.unpacking import has_program
from volant.daemon.ports import CachedImage, Progress
from volant.proto.errors import ImageFailed

MAX_TRANSFERS = 4
"""Artifacts that are fetched at once: more only share the same disk and line, and worker threads are for others too."""
_CHECKSUM = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})\Z")


class ImageLibrary:
    """Everything below `<state>/images`, and the kernels of `<state>/kernels`.

    `kernel`: the default kernel's path; empty: `<state>/kernels/default/vmlinuz`.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        kernel: str = "",
        patience: Patience = DEFAULT_PATIENCE,
        max_bytes: int = MAX_IMAGE_BYTES,
        builder: BuildCommand = build_command,
    ) -> None:
        folder = state_dir.absolute() / "images"
        self.default_kernel = Path(kernel) if kernel else state_dir.absolute() / "kernels/default/vmlinuz"
        """What guests boot unless they name another kernel; may not be there yet."""
        self._cache = Cache(folder, max_bytes=max_bytes)
        self._kernels = KernelFiles(folder / "kernels", self.default_kernel, self._cache)
        self._agents = AgentImages(folder / "agent", self._cache, builder)
        self._patience = patience
        self._transfers = trio.CapacityLimiter(MAX_TRANSFERS)
        self._fetching: Shared[tuple[str, str, str], CachedImage] = Shared()

    async def prepare(self) -> None:
        """Make the folders and sweep what an earlier daemon left unfinished; once, before anything else."""
        await trio.to_thread.run_sync(self._cache.prepare)

    async def fetch(self, url: str, *, checksum: str, format: str, progress: Progress | None = None) -> CachedImage:
        """See `ports.Images.fetch`. Callers who want the same at once share one transfer; progress goes to the one that does it."""
        if format not in FORMATS:
            raise ImageFailed(f"{format!r} is no format of an artifact", hint=f"use one of {', '.join(FORMATS)}")
        wanted = _digest(checksum)
        if wanted and (found := await self.cached(wanted)):
            return await trio.to_thread.run_sync(_checked, found, format, url)
        return await self._fetching.get((url, wanted, format), partial(self._fetch, url, wanted, format, progress))

    async def cached(self, sha256: str) -> CachedImage | None:
        """The artifact with that digest, if it is here."""
        return await trio.to_thread.run_sync(self._cache.find, sha256)

    async def forget(self, sha256: str) -> None:
        """Remove one artifact that nobody uses any more, and the initramfs images that were made of it."""
        await trio.to_thread.run_sync(self._cache.remove, sha256)
        await trio.to_thread.run_sync(self._agents.forget, sha256)

    async def check_workload(self, image: CachedImage, *, entrypoint: str, workdir: str = "", path: str = "") -> None:
        """Refuse an initramfs that has neither an /init nor the program that the manifest starts. ImageFailed, HostShort."""
        found = await trio.to_thread.run_sync(partial(has_program, image.path, entrypoint, workdir=workdir, path=path))
        if not found:
            raise ImageFailed(
                f"the initramfs has neither an executable /init nor the entrypoint {entrypoint!r}",
                hint="put the program into the archive, or correct workload.entrypoint",
            )

    async def kernel(self, path: str = "") -> Path:
        """See `ports.Images.kernel`."""
        return (await self._kernels.find(path)).boot

    async def initramfs(self, kernel: str = "", workload: CachedImage | None = None) -> Path:
        """See `ports.Images.initramfs`."""
        return await self._agents.get(await self._kernels.find(kernel), workload)

    async def root_overlay(self, base: CachedImage, path: Path) -> None:
        """See `ports.Images.root_overlay`."""
        await make_overlay(base, path)

    async def blank_disk(self, path: Path) -> None:
        """See `ports.Images.blank_disk`."""
        await make_blank(path)

    async def _fetch(self, url: str, wanted: str, format: str, progress: Progress | None) -> CachedImage:
        report = _reporting(progress)
        source = local_path(url)
        if source is not None:
            return await self._in_thread(lambda draft: copy_file(source, draft, report), url, wanted, format)
        if not url.startswith(("http://", "https://")):
            raise ImageFailed(
                f"{url[:200]} is no place that an artifact can come from", hint="use http(s)://, file:/// or an absolute path"
            )
        download = Download(url, self._patience)
        async with helpers() as nursery:
            nursery.start_soon(_abort_when_cancelled, download)
            return await self._in_thread(lambda draft: download.run(draft, report), url, wanted, format)

    async def _in_thread(self, fill: Callable[[Draft], None], url: str, wanted: str, format: str) -> CachedImage:
        return await trio.to_thread.run_sync(self._store, fill, url, wanted, format, limiter=self._transfers)

    def _store(self, fill: Callable[[Draft], None], url: str, wanted: str, format: str) -> CachedImage:
        """Fill a draft, check it, and give it its name."""
        with self._cache.draft(url) as draft:
            fill(draft)
            digest = draft.finish()
            if wanted and digest != wanted:
                raise ImageFailed(
                    f"{url} does not match its checksum: it has sha256:{digest}, not sha256:{wanted}",
                    hint="correct the checksum, or find out who changed the file",
                    expected=wanted,
                    found=digest,
                )
            head, size = read_head(draft.path)
            return self._cache.adopt(draft, digest, check(head, size, format, url))


def _digest(checksum: str) -> str:
    """The lower-case digits of a checksum; empty for none. ImageFailed for another algorithm or a wrong length."""
    if not checksum:
        return ""
    match = _CHECKSUM.match(checksum.strip())
    if match is None:
        raise ImageFailed(f"{checksum[:80]!r} is no SHA-256 checksum", hint="give sha256: and 64 hex digits")
    return match[1].lower()


def _checked(image: CachedImage, format: str, label: str) -> CachedImage:
    """A cached image, once it is known to be of the format asked for now."""
    head, size = read_head(image.path)
    check(head, size, format, label)
    return image


def _reporting(progress: Progress | None) -> Report:
    """From the worker thread back to the caller's task; also where a cancelled transfer notices."""

    def report(done: int, total: int) -> None:
        trio.from_thread.check_cancelled()
        if progress is not None:
            trio.from_thread.run(progress, done, total)

    return report


async def _abort_when_cancelled(download: Download) -> None:
    """Wake a worker thread that waits for the network."""
    try:
        await trio.sleep_forever()
    finally:
        download.abort()
