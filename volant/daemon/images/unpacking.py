"""Reading initramfs archives, whatever they are packed with. Blocking, run in a worker thread."""

from __future__ import annotations

import gzip
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from volant.daemon.images.cache import read_head
from volant.daemon.images.formats import check
from volant.daemon.images.programs import find_program
from volant.daemon.images.trees import Read, list_members
from volant.daemon.images.trees import find_program as find_in_tree
from volant.proto.errors import ImageFailed

MAX_UNPACKED = 8 << 30
"""Bytes of tree that are read through: as many as the builder takes, and an end to a compression bomb."""

_PROGRAMS = {
    # An archive names the dictionary that its reader has to hold, up to 4 GiB; `xz -9` makes ones of 64 MiB.
    "xz": (["xz", "-dc", "--memlimit-decompress=256MiB"], "xz-utils"),
    "zstd": (["zstd", "-dc"], "zstd"),
    "lz4": (["lz4", "-dc"], "lz4"),
}
"""How each is unpacked, and Debian's package of the program. zstd itself refuses more than 128 MiB."""


def has_program(archive: Path, program: str, *, workdir: str = "", path: str = "") -> bool:
    """Whether the archive's tree has an /init or `program`. ImageFailed when it can't be read, HostShort without the unpacker."""
    head, size = read_head(archive)
    label = "the initramfs"
    with _open(archive, check(head, size, "cpio", label).kind) as file:
        try:
            members = list_members(_bounded(file), label)
        except (zlib.error, EOFError, OSError) as error:
            raise ImageFailed(f"{label} can't be unpacked: {error}", hint="fetch or build it again") from error
    return find_in_tree(members, "/init") or find_in_tree(members, program, workdir=workdir, path=path)


def _bounded(file: BinaryIO) -> Read:
    left = MAX_UNPACKED

    def read(size: int) -> bytes:
        nonlocal left
        data = file.read(size)
        left -= len(data)
        if left < 0:
            raise ImageFailed(f"the initramfs unpacks to more than {MAX_UNPACKED} bytes", hint="ship a root file system instead")
        return data

    return read


@contextmanager
def _open(archive: Path, kind: str) -> Iterator[BinaryIO]:
    """The archive, unpacked while it is read."""
    if kind == "gzip":
        with gzip.open(archive) as unpacked:
            yield cast(BinaryIO, unpacked)
    elif kind in _PROGRAMS:
        with archive.open("rb") as packed, _unpacker(kind, packed) as file:
            yield file
    else:
        with archive.open("rb") as file:
            yield file


@contextmanager
def _unpacker(kind: str, packed: BinaryIO) -> Iterator[BinaryIO]:
    """What a program unpacks; it ends with the block."""
    (program, *options), package = _PROGRAMS[kind]
    path = find_program(program, package)
    with subprocess.Popen([path, *options], stdin=packed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield cast(BinaryIO, process.stdout)
        finally:
            process.kill()
