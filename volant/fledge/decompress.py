"""Compressed files read as plain byte streams: gzip by the standard library, xz, zstd and lz4 by their own programs.

The kind is told from the first bytes, never from the name. Magic numbers: RFC 1952 (gzip), the .xz file format 1.2.1
section 2.1.1.1, RFC 8878 (zstd), and the LZ4 frame format 1.6.4 (both its frame and its legacy form, which kernels use).
"""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from volant.proto.errors import HostShort, ImageFailed

_GZIP = b"\x1f\x8b"
_PROGRAMS: tuple[tuple[bytes, tuple[str, ...], str], ...] = (
    # A file names the dictionary that its reader has to hold, up to 4 GiB; `xz -9` makes ones of 64 MiB.
    (b"\xfd7zXZ\x00", ("xz", "-dc", "--memlimit-decompress=256MiB"), "xz-utils"),
    (b"\x28\xb5\x2f\xfd", ("zstd", "-dc"), "zstd"),
    (b"\x04\x22\x4d\x18", ("lz4", "-dc"), "lz4"),
    (b"\x02\x21\x4c\x18", ("lz4", "-dc"), "lz4"),
)
"""First bytes, the program that unpacks it, and Debian's package of that program. zstd itself refuses dictionaries above 128 MiB."""
_MAGIC_BYTES = 6
_CHUNK = 1 << 20


@contextmanager
def open_plain(path: Path) -> Iterator[BinaryIO]:
    """The decompressed content of `path`, read from its start; a file that is not compressed is given as it is.

    Raises ImageFailed when the file can't be read or its compressed form is damaged, HostShort when a program is missing.
    """
    try:
        # Unbuffered: a program that takes over the descriptor begins where the descriptor stands.
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise ImageFailed(f"{path} can't be read: {error.strerror}") from error
    with file:
        head = file.read(_MAGIC_BYTES)
        file.seek(0)
        if head.startswith(_GZIP):
            yield from _gunzipped(file, path)
            return
        for magic, command, package in _PROGRAMS:
            if head.startswith(magic):
                yield from _unpacked_by(command, package, file, path)
                return
        with io.BufferedReader(file) as plain:
            yield plain


def _gunzipped(file: io.FileIO, path: Path) -> Iterator[BinaryIO]:
    with gzip.GzipFile(fileobj=file) as plain:
        try:
            yield cast(BinaryIO, plain)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ImageFailed(f"{path} is damaged: {error}", hint="fetch or build it again") from error


def _unpacked_by(command: tuple[str, ...], package: str, file: io.FileIO, path: Path) -> Iterator[BinaryIO]:
    program = command[0]
    if shutil.which(program) is None:
        raise HostShort(f"{path} is packed with {program}, which is not installed", hint=f"apt-get install {package}")
    with subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        try:
            try:
                yield cast(BinaryIO, child.stdout)
                # Whatever the reader left is drained, so that the exit code tells of damage and not of a closed pipe.
                while child.stdout.read(_CHUNK):
                    pass
            except ImageFailed:
                # The reader complains of an early end when the program gave up; that is the cause then.
                if child.stdout.read(1) or child.wait() == 0:
                    raise
            said = child.stderr.read().decode(errors="replace").strip()
            if child.wait() != 0:
                raise ImageFailed(f"{path} is damaged: {said or program + ' gave up'}", hint="fetch or build it again")
        finally:
            child.kill()
