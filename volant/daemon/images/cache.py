"""The content-addressed cache on disk: `sha256/<hex>`, one verified file each, never written again.

A file gets its name only once it is whole, checked and synced. Until then it is a draft below `drafts/`, in the same file
system, so that the last step is a rename. What the daemon left there when it died is swept at its next start. No metadata is kept beside
the files: what they are is read from their first bytes, so nothing can disagree.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from volant.daemon.host.files import sync_folder
from volant.daemon.images.formats import HEAD_BYTES, Content, identify
from volant.daemon.ports import CachedImage
from volant.proto.errors import HostShort, ImageFailed

MAX_IMAGE_BYTES = 64 << 30
"""Largest artifact: beyond any root file system people ship, and a bound to what a lying server can make us store."""
_DIGEST_CHARS = 64
_MIB = 1024 * 1024


class Draft:
    """A file that is being written: hashed on the way, zeros left as holes. Belongs to one thread at a time."""

    def __init__(self, path: Path, label: str, max_bytes: int) -> None:
        self.path, self.size = path, 0
        self._label, self._max_bytes = label, max_bytes
        self._hash = hashlib.sha256()
        self._file = path.open("xb", buffering=0)

    def reserve(self, announced: int, *, holes: int = 0) -> None:
        """Refuse early what is too large or can't fit; `announced` bytes are to come, of which `holes` take no space."""
        if announced > self._max_bytes:
            raise ImageFailed(f"{self._label} has {announced} bytes; at most {self._max_bytes} are taken", hint="ship a smaller image")
        free = free_bytes(self.path.parent)
        if announced - holes > free:
            raise disk_full(self.path.parent, announced - holes - free)

    def write(self, data: bytes) -> None:
        """Append `data`; HostShort when the disk is full."""
        if self.size + len(data) > self._max_bytes:
            raise ImageFailed(f"{self._label} has more than the {self._max_bytes} bytes that are taken", hint="ship a smaller image")
        self._hash.update(data)
        try:
            if data.count(0) == len(data):
                self._file.seek(len(data), os.SEEK_CUR)
            else:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _write_fault(error, self.path.parent, len(data)) from error
        self.size += len(data)

    def finish(self) -> str:
        """Make the bytes durable; their SHA-256."""
        try:
            self._file.truncate(self.size)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _write_fault(error, self.path.parent, self.size) from error
        self._file.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Give up: the file goes unless it was renamed."""
        self._file.close()
        self.path.unlink(missing_ok=True)


class Cache:
    """Files by digest below `folder`. Every method blocks for as long as the disk takes."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_IMAGE_BYTES) -> None:
        self._files, self._drafts = folder / "sha256", folder / "drafts"
        self._max_bytes = max_bytes

    def prepare(self) -> None:
        """Make the folders, and remove drafts of an earlier daemon. Call it once, before anything else."""
        make_folder(self._files.parent)
        make_folder(self._files)
        self._drafts.mkdir(exist_ok=True, mode=0o700)
        for left in self._drafts.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()

    @contextmanager
    def draft(self, label: str) -> Iterator[Draft]:
        """A new draft; whatever was not adopted when the block ends is removed. `label` names the artifact in faults."""
        try:
            draft = Draft(self._drafts / secrets.token_hex(8), label, self._max_bytes)
        except OSError as error:
            raise _write_fault(error, self._drafts, 0) from error
        try:
            yield draft
        finally:
            draft.close()

    @contextmanager
    def draft_folder(self) -> Iterator[Path]:
        """A folder for a program's output; it goes with all that is left in it when the block ends."""
        folder = self._drafts / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def adopt(self, draft: Draft, digest: str, content: Content) -> CachedImage:
        """Give a finished draft its name; an equal file that is there already is kept instead."""
        target = self._files / digest
        if not target.exists():
            draft.path.chmod(0o444)
            move_durably(draft.path, target)
        return CachedImage(target, digest, draft.size, content.format, content.writable)

    def find(self, digest: str) -> CachedImage | None:
        """The file with that digest; None when there is none, or it is no image any more."""
        if len(digest) != _DIGEST_CHARS or not set(digest) <= set("0123456789abcdef"):
            return None
        path = self._files / digest
        try:
            head, size = read_head(path)
        except OSError:
            return None
        content = identify(head, size)
        return CachedImage(path, digest, size, content.format, content.writable) if content else None

    def remove(self, digest: str) -> None:
        """Forget a file; one that is not there is fine."""
        if found := self.find(digest):
            found.path.unlink(missing_ok=True)
            sync_folder(self._files)


def make_folder(folder: Path) -> None:
    """Make a folder, whatever the umask, that an unprivileged VMM can open files in, and only the daemon can list or change."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)


def read_head(path: Path) -> tuple[bytes, int]:
    """A file's first HEAD_BYTES and its size."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size


def open_regular(path: Path, label: str) -> int:
    """A descriptor for reading a regular file; ImageFailed in one sentence when that is not to be had."""
    try:
        # A FIFO would wait for its writer for ever.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ImageFailed(f"{label} does not exist", hint="check the path; it is looked up on the daemon's host") from None
    except OSError as error:
        raise ImageFailed(f"{label} can't be read: {os.strerror(error.errno or 0)}", hint="let the daemon's user read it") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ImageFailed(f"{label} is no regular file", hint="give the path of a file")
    return fd


def move_durably(source: Path, target: Path) -> None:
    """Rename a synced file, and sync the folder that holds its new name."""
    source.rename(target)
    sync_folder(target.parent)


def free_bytes(folder: Path) -> int:
    """What may be written to the file system of `folder`."""
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize


def disk_full(folder: Path, missing: int) -> HostShort:
    """The fault of a full disk: where, and how much is missing."""
    return HostShort(
        f"the disk of {folder} is full: {-(-missing // _MIB)} MiB more are needed",
        hint="free some space there, or move the state folder",
        missing_bytes=missing,
    )


def _write_fault(error: OSError, folder: Path, needed: int) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(folder, max(needed - free_bytes(folder), 1))
    return ImageFailed(f"{folder} can't be written: {os.strerror(error.errno or 0)}", hint="check the state folder's disk and permissions")
