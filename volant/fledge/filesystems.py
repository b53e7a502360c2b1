"""A folder as a file system image, without root: squashfs (read-only, compressed) or ext4."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from enum import StrEnum
from pathlib import Path

from volant.proto.errors import HostShort, ImageFailed

_BLOCK = 4_096
_INODE = 256
"""Bytes of one inode in ext4 as mke2fs makes it."""
_JOURNAL_MIB = 4
"""The least journal that mke2fs makes with blocks of 4 KiB."""
_EXT4_SLACK = (5 + _JOURNAL_MIB) << 20
"""Room for ext4's own tables, a little to write in, and its journal, which mke2fs refuses where it would take half of the image."""


class Format(StrEnum):
    """File systems that the builder makes; what is in the image, not the disk's format, which is raw."""

    EXT4 = "ext4"
    SQUASHFS = "squashfs"


_PACKAGES = {Format.EXT4: ("mke2fs", "e2fsprogs"), Format.SQUASHFS: ("mksquashfs", "squashfs-tools")}
_SBIN = "/usr/sbin:/sbin"
"""mke2fs lives there, which a normal user's PATH may leave out."""


def make_image(root: Path, output: Path, format: Format) -> None:
    """Write an image of the folder `root` to `output`, which is overwritten. ImageFailed, HostShort."""
    if not root.is_dir():
        raise ImageFailed(f"{root} is not a folder")
    program, package = _PACKAGES[format]
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")
    if found is None:
        raise HostShort(f"{program} is not installed; {format} images are made with it", hint=f"apt-get install {package}")
    try:
        argv = squashfs_command(found, root, output) if format is Format.SQUASHFS else ext4_command(found, root, output, ext4_bytes(root))
    except OSError as error:
        raise ImageFailed(f"{error.filename} can't be read: {error.strerror}") from error
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise ImageFailed(f"{program} failed: {done.stderr.strip().rpartition(chr(10))[2] or 'it gave no reason'}", stderr=done.stderr)


def squashfs_command(program: str, root: Path, output: Path) -> list[str]:
    """zstd level 3 packs as well as the default gzip in a thirtieth of its time. Everything belongs to root, and no clock gets in."""
    return [
        program, str(root), str(output), "-noappend", "-quiet", "-no-progress", "-all-root", "-mkfs-time", "0",
        "-comp", "zstd", "-Xcompression-level", "3",
    ]  # fmt: skip


def ext4_command(program: str, root: Path, output: Path, size: int) -> list[str]:
    """With a journal: a VM's overlay lives long, and without one the crash of guest or host leaves a file system that takes no more files.
    Files keep their owners, the root folder is root's."""
    return [
        program, "-q", "-F", "-t", "ext4", "-m", "0", "-b", str(_BLOCK), "-J", f"size={_JOURNAL_MIB}", "-E", "root_owner=0:0",
        "-d", str(root), str(output), str(size // _BLOCK),
    ]  # fmt: skip


def ext4_bytes(root: Path) -> int:
    """Size of an ext4 image for `root`: each file in whole blocks, an inode for each, an eighth more, and slack; whole blocks."""
    content = 0
    for top, folders, files in os.walk(root):
        for name in (*folders, *files):
            facts = os.lstat(os.path.join(top, name))
            size = facts.st_size if stat.S_ISREG(facts.st_mode) else _BLOCK
            content += -(-size // _BLOCK) * _BLOCK + _INODE
    return -(-(content + content // 8 + _EXT4_SLACK) // _BLOCK) * _BLOCK
