"""The newc cpio format, which Linux takes as an initramfs: a writer and a streaming reader.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of Linux. Each member is a header of 6 bytes of magic and
13 fields of 8 hex digits, the name with its NUL, padding to 4 bytes, the data, padding to 4 bytes. An archive ends
with a member called `TRAILER!!!`. The same tree always gives the same bytes.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from volant.proto.errors import ImageFailed

MAX_NAME = 4_096
"""Longest name with its NUL: Linux' PATH_MAX, beyond which the kernel ignores a member."""
MAX_MEMBERS = 1_000_000
"""Most members of one archive: far more than a guest's memory has room for, and it ends a loop over hostile input."""
MAX_CONTENT = 8 << 30
"""Most bytes of data in one archive (8 GiB): an initramfs lives in the guest's memory; a small file can unpack to far more."""
MAX_PADDING = 1 << 20
"""Most zeros between archives that follow one another: they are padded to a few KiB, and zeros pack a thousandfold."""
_CHUNK = 1 << 20
_MAGIC = b"070701"
_HEADER = re.compile(rb"070701[0-9A-Fa-f]{104}\Z")
_HEADER_BYTES = 110
_TRAILER = b"TRAILER!!!"
_BLOCK = 512
"""Archives are padded to this, as cpio programs do."""
_MAX_FIELD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One member: what `stat` would say about it."""

    name: str
    """Path relative to the root, without a leading slash; bytes that are no UTF-8 are surrogate escapes, as `os.fsdecode` gives them."""
    mode: int
    """File type and permissions as in `st_mode`."""
    size: int = 0
    """Bytes of data; the target's length for a symbolic link."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """Seconds since 1970."""
    device: tuple[int, int] = (0, 0)
    """Major and minor number of a device node."""
    inode: tuple[int, int, int] | None = None
    """Shared by the names of one file (hard links), of which only one carries the data; None for a file with one name."""
    links: int = 1
    """How many names the file has."""


class Readable(Protocol):
    """Where data comes from; `read` gives nothing at the end."""

    def read(self, limit: int, /) -> bytes: ...


class Writer:
    """Writes members in the order of the calls; `close` ends the archive. Numbers inodes itself, so the output depends on nothing else."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._written = 0
        self._next_inode = 1
        self._inodes: dict[tuple[int, int, int], int] = {}

    def add(self, entry: Entry, data: bytes | Readable = b"") -> None:
        """Add one member; `data` must hold `entry.size` bytes. ImageFailed when a stream ends early or a number doesn't fit the format."""
        name = os.fsencode(entry.name)
        if len(name) + 1 > MAX_NAME:
            raise ImageFailed(f"a path of {len(name)} bytes is too long for an initramfs: {entry.name[:60]}...")
        if entry.size > _MAX_FIELD:
            raise ImageFailed(f"{entry.name} has {entry.size} bytes; a cpio archive holds at most 4 GiB in one file")
        self._header(entry, name, self._inode(entry))
        if isinstance(data, bytes):
            if len(data) != entry.size:
                raise ValueError(f"{entry.name}: {len(data)} bytes of data, {entry.size} declared")
            self._write(data)
        else:
            self._copy(entry, data)
        self._pad(4)

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a folder."""
        self.add(Entry(name=name, mode=stat.S_IFDIR | mode, links=2))

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Add a file with this content."""
        self.add(Entry(name=name, mode=stat.S_IFREG | mode, size=len(data)), data)

    def symlink(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        data = os.fsencode(target)
        self.add(Entry(name=name, mode=stat.S_IFLNK | 0o777, size=len(data)), data)

    def close(self) -> None:
        """Write the end mark and the padding; the stream stays open."""
        self._header(Entry(name="", mode=0), _TRAILER, 0)
        self._pad(_BLOCK)

    def _inode(self, entry: Entry) -> int:
        if entry.inode is not None and entry.inode in self._inodes:
            return self._inodes[entry.inode]
        number = self._next_inode
        self._next_inode += 1
        if entry.inode is not None:
            self._inodes[entry.inode] = number
        return number

    def _header(self, entry: Entry, name: bytes, inode: int) -> None:
        major, minor = entry.device
        fields = (inode, entry.mode, entry.uid, entry.gid, entry.links, entry.mtime, entry.size, 0, 0, major, minor, len(name) + 1, 0)
        if not all(0 <= field <= _MAX_FIELD for field in fields):
            raise ImageFailed(f"{entry.name}: its owner, time or device number doesn't fit a cpio archive")
        self._write(_MAGIC + b"".join(b"%08x" % field for field in fields) + name + b"\0")
        self._pad(4)

    def _copy(self, entry: Entry, data: Readable) -> None:
        left = entry.size
        while left:
            chunk = data.read(min(left, _CHUNK))
            if not chunk:
                raise ImageFailed(f"{entry.name} ended {left} bytes early", hint="it changed while it was read; try again")
            self._write(chunk)
            left -= len(chunk)

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._written += len(data)

    def _pad(self, step: int) -> None:
        self._write(bytes(-self._written % step))


class Body:
    """The data of one member, readable until the next member is asked for."""

    def __init__(self, source: _Source, size: int) -> None:
        self._source = source
        self._left = size

    def read(self, limit: int = -1) -> bytes:
        """Up to `limit` bytes (all of them when negative); empty at the end. ImageFailed when the archive is cut short."""
        wanted = self._left if limit < 0 else min(limit, self._left)
        data = self._source.exactly(wanted)
        self._left -= len(data)
        return data

    def skip(self) -> None:
        """Read past what is left."""
        while self._left:
            self.read(_CHUNK)


def members(stream: BinaryIO, label: str) -> Iterator[tuple[Entry, Body]]:
    """Every member of the archive, or of the archives written one after another, in `stream`. Names are as written.

    `label` names the archive in errors. Raises ImageFailed for whatever is not newc, is cut short, or exceeds a limit.
    """
    source = _Source(stream, label)
    count = content = 0
    while header := source.next_header():
        entry = _parsed(header, source)
        count, content = count + 1, content + (entry.size if entry else 0)
        if count > MAX_MEMBERS or content > MAX_CONTENT:
            raise ImageFailed(f"{label} unpacks to more than {MAX_MEMBERS} files or {MAX_CONTENT >> 30} GiB, too much for an initramfs")
        if entry is None:
            continue
        body = Body(source, entry.size)
        yield entry, body
        body.skip()
        source.align()
    if source.archives == 0:
        raise ImageFailed(f"{label} is an empty file, not a cpio archive")


class _Source:
    """A stream that knows where it is, and complains when it ends in the middle of something."""

    def __init__(self, stream: BinaryIO, label: str) -> None:
        self._stream, self.label = stream, label
        self._at = self._padding = 0
        self._inside = False
        self.archives = 0

    def exactly(self, count: int) -> bytes:
        """`count` bytes, or ImageFailed."""
        parts = []
        left = count
        while left:
            data = self._stream.read(min(left, _CHUNK))
            if not data:
                raise ImageFailed(f"{self.label} is cut short after {self._at} bytes", hint="fetch or build it again")
            parts.append(data)
            left -= len(data)
            self._at += len(data)
        return b"".join(parts)

    def align(self) -> None:
        """Skip the padding to a multiple of four bytes."""
        self.exactly(-self._at % 4)

    def next_header(self) -> bytes:
        """The next member's header; empty at the end, which is only allowed between two archives."""
        if not self._inside:
            start = self._skip_zeros()
            if not start:
                return b""
            self._inside = True
            self.archives += 1
            header = start + self.exactly(_HEADER_BYTES - len(start))
        else:
            header = self.exactly(_HEADER_BYTES)
        if not _HEADER.match(header):
            where = f"at byte {self._at - _HEADER_BYTES}" if self._at > _HEADER_BYTES else "at its start"
            raise ImageFailed(
                f"{self.label} is no cpio archive of the newc format: no member header {where}", hint="make it with `cpio -o -H newc`"
            )
        return header

    def end_archive(self) -> None:
        self._inside = False

    def _skip_zeros(self) -> bytes:
        """The first four bytes that are not all zero, or nothing at the end."""
        while True:
            word = self._stream.read(4)
            self._at += len(word)
            if len(word) < 4 and any(word):
                raise ImageFailed(f"{self.label} is no cpio archive: it ends with {len(word)} stray bytes")
            if len(word) < 4 or any(word):
                return word if any(word) else b""
            self._padding += len(word)
            if self._padding > MAX_PADDING:
                raise ImageFailed(f"{self.label} has more than {MAX_PADDING} zeros between its archives", hint="build it again")


def _parsed(header: bytes, source: _Source) -> Entry | None:
    """The member behind a header, None for the end mark."""
    numbers = [int(header[at : at + 8], 16) for at in range(6, _HEADER_BYTES, 8)]
    inode, mode, uid, gid, links, mtime, size, major, minor, device_major, device_minor, name_size, _check = numbers
    if not 1 <= name_size <= MAX_NAME:
        raise ImageFailed(f"{source.label} holds a name of {name_size} bytes; 1 to {MAX_NAME} are allowed")
    name = source.exactly(name_size)
    source.align()
    if name[-1:] != b"\0" or b"\0" in name[:-1]:
        raise ImageFailed(f"{source.label} holds a name that is not one NUL-terminated string: {name[:60]!r}")
    if name[:-1] == _TRAILER:
        if size:
            raise ImageFailed(f"{source.label} has an end mark that claims {size} bytes of data", hint="make it with `cpio -o -H newc`")
        source.end_archive()
        return None
    entry = Entry(
        name=os.fsdecode(name[:-1]), mode=mode, size=size, uid=uid, gid=gid, mtime=mtime, device=(device_major, device_minor), links=links
    )
    return replace(entry, inode=(major, minor, inode)) if links > 1 and not stat.S_ISDIR(mode) else entry
