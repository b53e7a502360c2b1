"""Packing and unpacking inside the workload's tree. Runs in a forked copy of the agent, never in PID 1 itself."""

from __future__ import annotations

import errno
import io
import os
import stat
import tarfile
from collections.abc import Iterator

from volant.proto.errors import GuestFailed, NoSuchFile

COPY_BYTES = 262_144
"""One piece of a file's content."""

_KINDS = {stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE, stat.S_IFIFO: tarfile.FIFOTYPE, stat.S_IFREG: tarfile.REGTYPE}
"""What is packed, by the kind of file."""

_KERNELS_OWN = frozenset({"proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "securityfs", "debugfs", "tracefs", "bpf", "mqueue"})
"""File systems that hold no files, but what the kernel tells of itself."""


def unpack(tree: str, path: str, source: int) -> dict[str, int]:
    """Unpack the tar stream of descriptor `source` below `path`; how many files and bytes. Missing folders are made."""
    target = os.path.realpath(_enter(tree) + path)
    os.makedirs(target, exist_ok=True)
    files = size = 0
    folders: list[tuple[str, tarfile.TarInfo]] = []
    try:
        with tarfile.open(fileobj=io.FileIO(source), mode="r|") as archive:
            for member in archive:
                place = _place(target, member.name)
                if member.isdir():
                    folders.append((place, member))
                _make(archive, member, place, target)
                files += not member.isdir()
                size += member.size if member.isreg() else 0
    except tarfile.TarError as error:
        raise GuestFailed(
            f"the stream is no proper tar archive: {error}", hint="send a ustar, pax or GNU archive, not compressed"
        ) from None
    # Last, because unpacking into a folder changes its time, and a read-only one could not be filled.
    for place, member in reversed(folders):
        _settle(place, member)
    return {"files": files, "bytes": size}


def pack(tree: str, path: str, sink: int) -> dict[str, int]:
    """Write `path`, a file or a folder with all below it, as a tar stream; how many files and bytes. Sockets are left out."""
    source = _enter(tree) + path.rstrip("/")
    if not os.path.lexists(source or "/"):
        raise NoSuchFile(f"there is no {path} in the guest", hint="`volant exec VM ls` shows what there is")
    if stat.S_IFMT(os.lstat(source or "/").st_mode) not in _KINDS:
        raise GuestFailed(f"{path} is a device or a socket in the guest; these are not copied", hint="copy files and folders")
    files = size = 0
    links: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=io.FileIO(sink, "w"), mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for place, name in _walk(source or "/", os.path.basename(path.rstrip("/")) or "."):
            member = _describe(place, name, links)
            if member is None:
                continue
            if member.isreg():
                with open(place, "rb") as content:
                    archive.addfile(member, _Exactly(content, member.size))
            else:
                archive.addfile(member)
            files += not member.isdir()
            size += member.size
    return {"files": files, "bytes": size}


def _enter(tree: str) -> str:
    """Make `tree` the root where that is allowed; what to put before a path of the tree from now on."""
    if tree == "/":
        return ""
    if os.geteuid() != 0:
        return tree
    os.chroot(tree)
    os.chdir("/")
    return ""


def _place(target: str, name: str) -> str:
    """Where a member goes; GuestFailed when its name, or a symbolic link on the way, leads out of `target`."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise GuestFailed(f"the archive's member {name[:200]!r} leads out of its folder", hint="use relative names without ..")
    if not parts:
        return target
    parent = os.path.realpath(os.path.join(target, *parts[:-1]))
    if os.path.commonpath([parent, target]) != target:
        raise GuestFailed(f"the archive's member {name[:200]!r} leads out of its folder through a symbolic link")
    os.makedirs(parent, exist_ok=True)
    return os.path.join(parent, parts[-1])


def _make(archive: tarfile.TarFile, member: tarfile.TarInfo, place: str, target: str) -> None:
    if member.isdir():
        if not os.path.isdir(place):
            _remove(place)
            os.mkdir(place, 0o700)
        return
    _remove(place)
    if member.isreg():
        content = archive.extractfile(member)
        assert content is not None
        fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                while piece := content.read(COPY_BYTES):
                    file.write(piece)
        except (OSError, tarfile.TarError) as error:
            # Half a file is no copy, and keeps space that others lack.
            os.unlink(place)
            if isinstance(error, OSError):
                error.filename = place
            raise
        _settle(place, member)
    elif member.issym():
        os.symlink(member.linkname, place)
    elif member.islnk():
        os.link(_place(target, member.linkname), place, follow_symlinks=False)
    elif member.isfifo():
        os.mkfifo(place, member.mode & 0o777)
    else:
        raise GuestFailed(f"the archive's member {member.name[:200]!r} is a device; these are not copied")


def _settle(place: str, member: tarfile.TarInfo) -> None:
    """Owner, permissions and time, as the archive has them."""
    if os.geteuid() == 0:
        os.chown(place, member.uid, member.gid, follow_symlinks=False)
    os.chmod(place, member.mode & 0o7777)
    os.utime(place, (member.mtime, member.mtime))


def _remove(place: str) -> None:
    try:
        os.unlink(place)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        raise GuestFailed(f"{place} is a folder in the guest and a file in the archive") from None


def _walk(source: str, name: str) -> Iterator[tuple[str, str]]:
    """Path and archive name of `source` and all below it, parents first, sorted, never through symbolic links."""
    yield source, name
    if not os.path.isdir(source) or os.path.islink(source):
        return
    kernels = _kernels_folders(source)
    for folder, below, files in os.walk(source):
        if folder in kernels:
            below.clear()
            continue
        inside = os.path.relpath(folder, source)
        prefix = name if inside == "." else f"{name}/{inside}"
        below.sort()
        for entry in sorted(below + files):
            yield os.path.join(folder, entry), f"{prefix}/{entry}"


def _kernels_folders(source: str) -> frozenset[str]:
    """Mount points below `source` that hold no files but the kernel's view of itself: packing those has no end and no use."""
    try:
        with open("/proc/self/mounts") as table:
            mounts = [line.split() for line in table]
    except OSError:
        return frozenset()
    return frozenset(os.path.normpath(place) for _, place, kind, *_ in mounts if kind in _KERNELS_OWN) - {os.path.normpath(source)}


def _describe(place: str, name: str, links: dict[tuple[int, int], str]) -> tarfile.TarInfo | None:
    """The member for one file; None for what no archive can hold. Users go by number: the names of another system mean nothing."""
    try:
        facts = os.lstat(place)
    except FileNotFoundError:
        return None
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(facts.st_mode)
    member.uid, member.gid = facts.st_uid, facts.st_gid
    member.mtime = facts.st_mtime
    identity = (facts.st_dev, facts.st_ino)
    kind = _KINDS.get(stat.S_IFMT(facts.st_mode))
    if kind is None:
        return None
    member.type = kind
    if kind == tarfile.SYMTYPE:
        member.linkname = os.readlink(place)
    elif kind == tarfile.REGTYPE and identity in links:
        member.type, member.linkname = tarfile.LNKTYPE, links[identity]
    elif kind == tarfile.REGTYPE:
        member.size = facts.st_size
        if facts.st_nlink > 1:
            links[identity] = name
    return member


class _Exactly:
    """A file's first `size` bytes, with zeros where it has shrunk since it was measured: the archive announced that many."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self._file, self._left = file, size

    def read(self, count: int = -1) -> bytes:
        wanted = self._left if count < 0 else min(count, self._left)
        try:
            data = self._file.read(wanted)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            data = b""  # some files of /proc and /sys can't be read
        self._left -= wanted
        return data.ljust(wanted, b"\0")
