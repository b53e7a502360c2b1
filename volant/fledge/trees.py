"""Trees of files as cpio members: a folder on this machine, or a foreign archive put below a prefix."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from volant.fledge.cpio import Entry, Writer, members
from volant.fledge.decompress import open_plain
from volant.proto.errors import ImageFailed

_KINDS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)


def write_folder(folder: Path, writer: Writer) -> None:
    """Add everything below `folder`, sorted by path, owned by root, with the times and permissions it has.

    Hard links within the folder stay links. ImageFailed when something can't be read.
    """
    if not folder.is_dir():
        raise ImageFailed(f"{folder} is not a folder")
    try:
        found = [(path, os.lstat(folder / path)) for path in _walk(folder)]
        names = Counter(_identity(facts) for _, facts in found if stat.S_ISREG(facts.st_mode))
        written: Counter[tuple[int, int, int]] = Counter()
        for path, facts in found:
            identity = _identity(facts)
            written[identity] += 1
            links = names.get(identity, 1)
            inode = identity if links > 1 else None
            # The last name of a linked file carries the data, as cpio programs expect.
            _write_member(folder / path, path, facts, inode, links, written[identity] == links, writer)
    except OSError as error:
        raise ImageFailed(f"{error.filename} can't be read: {error.strerror}") from error


def write_archive(archive: Path, prefix: str, writer: Writer) -> None:
    """Add every member of `archive` (newc, also compressed) below the folder `prefix`.

    Owners, times, devices and hard links stay as they are; folders that the archive leaves out are made. ImageFailed for what
    is no archive, and for a name that would lead out of `prefix`: `..`, or a path through a symbolic link.
    """
    kinds: dict[str, bool] = {}
    """Path -> whether it is a folder."""
    writer.directory(prefix)
    with open_plain(archive) as stream:
        for entry, body in members(stream, str(archive)):
            name = safe_name(entry.name, str(archive))
            if stat.S_IFMT(entry.mode) not in _KINDS:
                raise ImageFailed(f"{archive} holds {entry.name!r} of an unknown kind (mode {entry.mode:o})")
            if not name:
                continue
            for parent in _missing_parents(name, kinds, archive):
                writer.directory(f"{prefix}/{parent}")
                kinds[parent] = True
            kinds[name] = stat.S_ISDIR(entry.mode)
            writer.add(replace(entry, name=f"{prefix}/{name}"), body)


def safe_name(name: str, label: str) -> str:
    """`name` relative to the archive's root, without `.` and empty parts; empty for the root itself. ImageFailed when it holds `..`."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ImageFailed(f"{label} holds the name {name[:80]!r}, which leads out of its root")
    return "/".join(parts)


def _missing_parents(name: str, kinds: dict[str, bool], archive: Path) -> Iterator[str]:
    """Folders above `name` that no member has made; refuses to go through what is no folder."""
    parts = name.split("/")
    for length in range(1, len(parts)):
        parent = "/".join(parts[:length])
        if parent not in kinds:
            yield parent
        elif not kinds[parent]:
            raise ImageFailed(f"{archive} holds {name[:80]!r} below {parent[:80]!r}, which is no folder in it")


def _walk(folder: Path) -> Iterator[str]:
    """Paths below `folder`, relative and sorted, a folder before its content; links are not followed."""

    def fail(error: OSError) -> None:
        raise error

    for top, folders, files in os.walk(folder, onerror=fail):
        folders.sort()
        here = os.path.relpath(top, folder)
        for name in sorted([*folders, *files]):
            yield name if here == "." else f"{here}/{name}"


def _identity(facts: os.stat_result) -> tuple[int, int, int]:
    return (os.major(facts.st_dev), os.minor(facts.st_dev), facts.st_ino)


def _write_member(
    source: Path, name: str, facts: os.stat_result, inode: tuple[int, int, int] | None, links: int, carries: bool, writer: Writer
) -> None:
    mode = facts.st_mode
    entry = Entry(name=name, mode=mode, mtime=int(facts.st_mtime), inode=inode, links=2 if stat.S_ISDIR(mode) else links)
    if stat.S_ISREG(mode) and carries:
        with source.open("rb") as data:
            writer.add(replace(entry, size=facts.st_size), data)
    elif stat.S_ISLNK(mode):
        target = os.fsencode(os.readlink(source))
        writer.add(replace(entry, size=len(target)), target)
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        writer.add(replace(entry, device=(os.major(facts.st_rdev), os.minor(facts.st_rdev))))
    else:
        writer.add(entry)
