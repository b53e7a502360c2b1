"""Tar streams at the client's end: packing local files, and unpacking what a guest sent without trusting a byte of it.

A hostile archive may hold absolute names, `..`, links that lead out of it, files written through such links, devices, set-user-id
bits and sparse files of any claimed size. Unpacking opens every folder on the way by descriptor and without following links, so
that whatever was unpacked before cannot move what comes after; names that try to leave end the whole thing.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Callable
from typing import IO, Protocol, cast

from volant.proto.errors import Failed

CHUNK = 64 * 1024
MAX_HEADERS = 1 << 20
"""Bytes that may come between the end of one member and the next: its name, its link and its extended attributes, which tarfile
keeps in memory, and whose size the archive only claims."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Readable(Protocol):
    """Where an archive comes from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writable(Protocol):
    """Where an archive goes."""

    def write(self, data: bytes, /) -> int: ...


class HostileArchive(Failed):
    """A guest's archive names something outside of what was copied; nothing outside was touched."""

    code = "failed.archive"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the archive from the guest names {name[:200]!r}, which leads out of it; what came before it was kept",
            hint="the guest is not to be trusted: look at it before you copy from it again",
        )


def safe_parts(name: str) -> tuple[str, ...]:
    """The components of an archive's name; HostileArchive when it is absolute or climbs."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise HostileArchive(name)
    return parts


def link_stays_inside(parts: tuple[str, ...], target: str) -> bool:
    """Whether a symbolic link at `parts` with this target leads to something inside the unpacked tree.

    It may climb at its beginning only, out of folders that are real: `a/..` is elsewhere when `a` is itself a link.
    """
    if target.startswith("/") or "\0" in target:
        return False
    steps = [step for step in target.split("/") if step not in ("", ".")]
    climbs = next((at for at, step in enumerate(steps) if step != ".."), len(steps))
    return climbs < len(parts) and ".." not in steps[climbs:]


class _Metered:
    """A stream that ends an archive whose headers go on for longer than they may."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._left = MAX_HEADERS

    def grant(self, member: tarfile.TarInfo) -> None:
        """A member was reached: its content may come, and then the next one's headers. A sparse one's size says nothing about that."""
        self._left = MAX_HEADERS + (0 if member.issparse() else member.size)

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise tarfile.ReadError(f"a member's headers have more than {MAX_HEADERS} bytes")
        return piece


class Unpacker:
    """Writes members of one archive as `target`: the archive's first name becomes `target`'s last component."""

    def __init__(self, target: str, progress: Callable[[int], None]) -> None:
        self._folder, self._base = os.path.split(os.path.realpath(target))  # the links of our own user are followed, once, here
        self._progress = progress
        self._root: tuple[str, ...] | None = None
        self.files = self.bytes = 0
        self.skipped: list[tuple[str, str]] = []
        """(name, why) of members that were left out."""

    def unpack(self, stream: Readable) -> None:
        """Take the whole archive from `stream`."""
        parent = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        folders: list[tuple[tuple[str, ...], tarfile.TarInfo]] = []
        try:
            metered = _Metered(stream)
            with tarfile.open(fileobj=_as_file(metered), mode="r|", bufsize=CHUNK, errorlevel=1) as archive:
                for member in archive:
                    metered.grant(member)
                    parts = self._placed(member.name)
                    self._take(parent, parts, member, archive)
                    if member.isdir():
                        folders.append((parts, member))
                    archive.members = []  # type: ignore[attr-defined]  # else every header of a large archive is kept
            for parts, member in reversed(folders):  # only now: a read-only folder takes no files, and files change its time
                self._finish_folder(parent, parts, member)
        except tarfile.TarError as error:
            raise Failed(f"the archive from the guest is damaged: {error}", hint="the connection may have broken; try again") from None
        finally:
            os.close(parent)

    def _placed(self, name: str) -> tuple[str, ...]:
        """Where a member goes, below the parent folder of the target."""
        parts = safe_parts(name)
        if self._root is None:
            self._root = parts[:1]
        if parts[: len(self._root)] != self._root:
            raise HostileArchive(name)
        return (self._base, *parts[len(self._root) :])

    def _take(self, parent: int, parts: tuple[str, ...], member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        if not (member.isfile() or member.isdir() or member.issym() or member.islnk()) or member.issparse():
            kind = "a sparse file" if member.issparse() else "a device, pipe or socket"
            self.skipped.append((member.name, f"{kind} is not copied"))
            return
        if member.issym() and not link_stays_inside(parts[1:] or parts, member.linkname):
            self.skipped.append((member.name, f"a link that leads out of the copied tree, to {member.linkname[:200]!r}"))
            return
        folder = _opened(parent, parts if member.isdir() else parts[:-1])
        try:
            if member.issym():
                _unlink(folder, parts[-1])
                os.symlink(member.linkname, parts[-1], dir_fd=folder)
            elif member.islnk():
                self._link(parent, folder, parts[-1], member)
            elif member.isfile():
                source = archive.extractfile(member)
                assert source is not None, "a regular member has contents"
                self._write(folder, parts[-1], member, source)
        finally:
            os.close(folder)

    def _link(self, parent: int, folder: int, name: str, member: tarfile.TarInfo) -> None:
        """A second name for a regular file that came before; anything else it may point at is left alone."""
        try:
            first = self._placed(member.linkname)
            there = _opened(parent, first[:-1])
        except HostileArchive:
            self.skipped.append((member.name, f"a hard link that leads out of the copied tree, to {member.linkname[:200]!r}"))
            return
        try:
            if not stat.S_ISREG(os.lstat(first[-1], dir_fd=there).st_mode):
                raise FileNotFoundError
            _unlink(folder, name)
            os.link(first[-1], name, src_dir_fd=there, dst_dir_fd=folder, follow_symlinks=False)
            self.files += 1
        except FileNotFoundError:
            self.skipped.append((member.name, "a hard link to a file that did not come before it"))
        finally:
            os.close(there)

    def _write(self, folder: int, name: str, member: tarfile.TarInfo, source: IO[bytes]) -> None:
        _unlink(folder, name)
        # 0600 until it is whole; set-user-id and the like are never taken over.
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with open(descriptor, "wb", buffering=0) as file:
            while piece := source.read(CHUNK):
                view = memoryview(piece)
                while view:
                    view = view[file.write(view) or 0 :]
                self.bytes += len(piece)
                self._progress(self.bytes)
            os.fchmod(descriptor, member.mode & 0o777)
            os.utime(descriptor, (_time(member), _time(member)))
        self.files += 1

    def _finish_folder(self, parent: int, parts: tuple[str, ...], member: tarfile.TarInfo) -> None:
        folder = _opened(parent, parts)
        try:
            os.fchmod(folder, member.mode & 0o777 | 0o700)
            os.utime(folder, (_time(member), _time(member)))
        finally:
            os.close(folder)


def pack(source: str, name: str, stream: Writable, progress: Callable[[int], None]) -> int:
    """Write the local file or folder `source` as `name` (empty: a folder's contents alone) to `stream`; how many files went."""
    files, sent = 0, 0

    def counted(info: tarfile.TarInfo) -> tarfile.TarInfo:
        nonlocal files, sent
        files += info.isfile()
        sent += info.size if info.isfile() else 0
        progress(sent)
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        return info

    with tarfile.open(fileobj=_as_file(stream), mode="w|", bufsize=CHUNK, format=tarfile.PAX_FORMAT) as archive:
        if name:
            archive.add(source, arcname=name, filter=counted)
        else:
            for entry in sorted(os.listdir(source)):
                archive.add(os.path.join(source, entry), arcname=entry, filter=counted)
    return files


def _as_file(stream: Readable | Writable) -> IO[bytes]:
    """For the type checker: in its stream modes tarfile calls nothing but `read`, or `write`."""
    return cast("IO[bytes]", stream)


def _opened(parent: int, parts: tuple[str, ...]) -> int:
    """The folder at `parts`, made where it is missing; no link is followed on the way. Failed when something else is there."""
    folder = os.dup(parent)
    for part in parts:
        try:
            inner = _made(folder, part)
        except OSError as error:
            raise Failed(
                f"{'/'.join(parts)} can't be written: {error.strerror}", hint="something else of that name may be in the way"
            ) from None
        finally:
            os.close(folder)
        folder = inner
    return folder


def _made(folder: int, name: str) -> int:
    try:
        return os.open(name, _FOLDER_FLAGS, dir_fd=folder)
    except FileNotFoundError:
        os.mkdir(name, 0o755, dir_fd=folder)
        return os.open(name, _FOLDER_FLAGS, dir_fd=folder)


def _unlink(folder: int, name: str) -> None:
    """Make room for a new file: what is there is replaced, never written through. A folder is not."""
    try:
        found = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(found.st_mode):
        raise Failed(f"{name!r} is a folder here and a file in the guest", hint="remove the folder, or copy to another place")
    os.unlink(name, dir_fd=folder)


def _time(member: tarfile.TarInfo) -> float:
    """A member's time in a range that every file system takes."""
    return min(max(float(member.mtime), 0.0), float(2**32))
