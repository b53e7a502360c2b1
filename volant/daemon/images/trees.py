"""The tree inside an initramfs: which files it has, and whether a kernel or agent will find its program in it. Pure.

Archives are newc cpio (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst), several of them in a row if need be.
"""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Callable
from dataclasses import dataclass

from volant.proto.errors import ImageFailed

Read = Callable[[int], bytes]
"""Like a file's read: up to so many bytes, fewer only at the end."""

MAX_ENTRIES = 500_000
"""Most members that are listed: several full distributions."""
MAX_TEXT = 64 << 20
"""Most bytes of names and links that are kept: 500,000 of usual length. A megabyte that is packed can hold a gigabyte of long ones."""
MAX_PADDING = 1 << 20
"""Most zeros between archives: they are padded to a few KiB. They are looked at one by one, and pack a thousandfold."""
MAX_NAME = 4_096
"""PATH_MAX."""
MAX_LINKS = 40
"""Symbolic links that the kernel follows in one path."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a program without a slash is looked for when the manifest sets no PATH."""

_HEADER = 110
"""Bytes of a newc header: 6 of magic, 13 fields of 8 hex digits."""
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a tree."""

    mode: int
    link: str = ""
    """Where a symbolic link points."""


def list_members(read: Read, label: str) -> dict[str, Member]:
    """The members of an archive by their path from the root, without a leading slash. ImageFailed when it is broken."""
    found: dict[str, Member] = {}
    at = count = text = padding = 0
    is_whole = False
    while True:
        header = read(1)
        at += 1
        while header == b"\0":  # archives in a row are padded with zeros
            header, at, padding = read(1), at + 1, padding + 1
            if padding > MAX_PADDING:
                raise ImageFailed(f"{label} has more than {MAX_PADDING} zeros between its archives", hint="build it again")
        if not header:
            break
        is_whole = False
        header += read(_HEADER - 1)
        at += _HEADER - 1
        mode, size, name_size = _fields(header, label)
        name = read(name_size + -(at + name_size) % 4)[: name_size - 1].decode("utf-8", "surrogateescape")
        at += name_size + -(at + name_size) % 4
        link = _skip(read, size + -size % 4, keep=size if stat.S_ISLNK(mode) else 0, label=label)
        at += size + -size % 4
        if name == _TRAILER:
            is_whole = True
        else:
            found[posixpath.normpath("/" + name).lstrip("/")] = Member(mode, link.decode("utf-8", "surrogateescape"))
        # Counted, not what is found: the same name can come for ever.
        count, text = count + 1, text + len(name) + len(link)
        if count > MAX_ENTRIES or text > MAX_TEXT:
            raise ImageFailed(
                f"{label} has more than {MAX_ENTRIES} members, or {MAX_TEXT >> 20} MiB of names", hint="ship a root file system instead"
            )
    if not is_whole:
        raise ImageFailed(f"{label} is cut short", hint="fetch or build it again")
    return found


def find_program(members: dict[str, Member], program: str, *, workdir: str = "/", path: str = "") -> bool:
    """Whether the tree has `program` as exec would look for it: absolute, relative to `workdir`, or in the folders of `path`."""
    if "/" in program:
        return _is_executable(members, posixpath.join(workdir or "/", program))
    folders = (path or DEFAULT_PATH).split(":")
    return any(_is_executable(members, posixpath.join("/", folder, program)) for folder in folders)


def _is_executable(members: dict[str, Member], path: str) -> bool:
    """Whether an absolute path leads to an executable file, links followed."""
    todo = [part for part in posixpath.normpath(path).split("/") if part]
    at, links = "", 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            at = posixpath.dirname(at)
            continue
        here = posixpath.join(at, part)
        member = members.get(here)
        if member is not None and stat.S_ISLNK(member.mode):
            links += 1
            if links > MAX_LINKS:
                return False
            at = "" if member.link.startswith("/") else at
            todo[:0] = [step for step in member.link.split("/") if step not in ("", ".")]
            continue
        at = here
    found = members.get(at)
    return found is not None and stat.S_ISREG(found.mode) and bool(found.mode & 0o111)


def _fields(header: bytes, label: str) -> tuple[int, int, int]:
    """Mode, size of the content and size of the name (with its NUL)."""
    if len(header) < _HEADER:
        raise ImageFailed(f"{label} is cut short", hint="fetch or build it again")
    try:
        if header[:6] not in (b"070701", b"070702"):
            raise ValueError
        mode, size, name_size = (int(header[start : start + 8], 16) for start in (14, 54, 94))
    except ValueError:
        raise ImageFailed(f"{label} is no newc cpio archive", hint="make it with `cpio -H newc`") from None
    if not 1 <= name_size <= MAX_NAME:
        raise ImageFailed(f"{label} has a member whose name has {name_size} bytes", hint="build it again")
    return mode, size, name_size


def _skip(read: Read, size: int, *, keep: int, label: str) -> bytes:
    """Read past `size` bytes; the first `keep` of them, which are a link's target."""
    if keep > MAX_NAME:
        raise ImageFailed(f"{label} has a link whose target has {keep} bytes", hint="build it again")
    kept = b""
    while size:
        data = read(min(size, 1 << 20))
        if not data:
            raise ImageFailed(f"{label} is cut short", hint="fetch or build it again")
        kept += data[: keep - len(kept)]
        size -= len(data)
    return kept
