"""What a file is by its first bytes: qcow2, a raw file system, or a cpio archive. Pure.

Nothing is believed because of a name: a hostile qcow2 could name any file of the host as its backing or data file, and
the VMM would open it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from volant.proto.errors import ImageFailed

HEAD_BYTES = 36 * 1024
"""How much of a file is looked at: iso9660's magic lies farthest, at 32 KiB + 1."""

FORMATS = ("raw", "qcow2", "cpio")

MAX_VIRTUAL_BYTES = 1 << 40
"""Largest disk that a qcow2 image may claim to be (1 TiB): a few KiB can claim any size, and that much its guest may write to our disk."""
_READ_ONLY = ("squashfs", "erofs", "iso9660")

_QCOW2_MAGIC = b"QFI\xfb"
_QCOW2_HEADER = struct.Struct(">4sIQIIQI")
"""magic, version, backing_file_offset, backing_file_size, cluster_bits, size, crypt_method (QEMU's docs/interop/qcow2.txt)."""
_SECTOR = 512
_QCOW2_FEATURES_AT = 72
_QCOW2_EXTERNAL_DATA = 1 << 2
_QCOW2_KNOWN_FEATURES = 0b11111
"""Dirty, corrupt, external data file, compression type, extended L2 entries."""

_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x02\x21\x4c\x18": "lz4",
    b"\xfd7zXZ\x00": "xz",
}
"""Magic bytes of what an initramfs may be packed with; lz4 has a frame format and the kernel's legacy one."""

_EXPECTED = {
    "raw": (
        "file system",
        "give an ext4, squashfs, erofs, xfs, iso9660 or vfat image without a partition table, or say in the manifest that it is qcow2",
    ),
    "qcow2": ("qcow2 image", "give a qcow2 image, or say `format: raw` in the manifest when it is a file system"),
    "cpio": (
        "cpio archive",
        "make one with `cpio -o -H newc`, plain or packed with gzip, zstd, lz4 or xz; a file system goes under rootfs, not initramfs",
    ),
}
"""What a file should have been, by the wanted format, and what to do."""
_SPELLED = {"raw": "a file system", "qcow2": "a qcow2 image", "cpio": "a cpio archive, or packed like one"}


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds."""

    format: str
    """raw, qcow2 or cpio."""
    kind: str
    """The file system of a raw image, the compression of a cpio (empty: none), the version of a qcow2."""

    @property
    def writable(self) -> bool:
        """Whether a guest can write to the file system."""
        return self.kind not in _READ_ONLY


def identify(head: bytes, size: int) -> Content | None:
    """What a file of `size` bytes that begins with `head` is; None when nothing that we know, or broken."""
    try:
        return _identified(head, size)
    except ImageFailed:
        return None


def check(head: bytes, size: int, wanted: str, label: str) -> Content:
    """The content of a file that has to be of the `wanted` format; ImageFailed says what it is instead. `label` names the file."""
    try:
        content = _identified(head, size)
    except ImageFailed as fault:
        raise ImageFailed(f"{label} {fault.message}", hint=fault.hint) from None
    if content is not None and content.format == wanted:
        return content
    found = f"is {_SPELLED[content.format]}" if content else _looks_like(head, size)
    expected, hint = _EXPECTED[wanted]
    raise ImageFailed(f"{label} is no {expected}: it {found}", hint=hint)


def _looks_like(head: bytes, size: int) -> str:
    if not size:
        return "is empty"
    if head.lstrip()[:1] in (b"<", b"{") and head[:512].isascii():
        return "is a text, perhaps an error page"
    return "begins like nothing that is known"


def _identified(head: bytes, size: int) -> Content | None:
    if head.startswith(_QCOW2_MAGIC):
        return _qcow2(head)
    if head[:6] in (b"070701", b"070702"):
        return Content("cpio", "")
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            return Content("cpio", name)
    return _file_system(head, size)


def _qcow2(head: bytes) -> Content:
    if len(head) < _QCOW2_FEATURES_AT + 8:
        raise ImageFailed("is a qcow2 image that is cut short", hint="fetch it again")
    _, version, backing, _, cluster_bits, size, crypt = _QCOW2_HEADER.unpack_from(head)
    if version not in (2, 3) or not 9 <= cluster_bits <= 21 or not size:
        raise ImageFailed("is a qcow2 image with a broken header", hint="convert it anew with `qemu-img convert -O qcow2`")
    if size > MAX_VIRTUAL_BYTES:
        raise ImageFailed(
            f"is a qcow2 image of a disk of {size} bytes; at most {MAX_VIRTUAL_BYTES} are taken",
            hint="shrink it: `qemu-img resize --shrink`",
        )
    (features,) = struct.unpack_from(">Q", head, _QCOW2_FEATURES_AT) if version == 3 else (0,)
    if backing or features & _QCOW2_EXTERNAL_DATA:
        raise ImageFailed(
            "is a qcow2 image that refers to another file; such images are not taken",
            hint="make it stand alone: `qemu-img convert -O qcow2 IMAGE COPY`",
        )
    if crypt or features & ~_QCOW2_KNOWN_FEATURES:
        raise ImageFailed(
            "is a qcow2 image that is encrypted or newer than is known here", hint="convert it with `qemu-img convert -O qcow2`"
        )
    return Content("qcow2", str(version))


def virtual_size(head: bytes, size: int) -> int:
    """Bytes of the disk that a checked image of `size` bytes is for a guest: whole sectors."""
    disk: int = _QCOW2_HEADER.unpack_from(head)[5] if head.startswith(_QCOW2_MAGIC) else size
    return -(-disk // _SECTOR) * _SECTOR


def _file_system(head: bytes, size: int) -> Content | None:
    """Magic numbers and their offsets as the kernel's and libblkid's sources give them."""
    if head[0x438:0x43A] == b"\x53\xef":
        blocks, log_size = struct.unpack_from("<I", head, 0x404)[0], struct.unpack_from("<I", head, 0x418)[0]
        _check_length("ext4", blocks << (10 + min(log_size, 6)), size)
        return Content("raw", "ext4")
    if head.startswith(b"hsqs") and len(head) >= 48:
        _check_length("squashfs", struct.unpack_from("<Q", head, 40)[0], size)
        return Content("raw", "squashfs")
    if head[1024:1028] == b"\xe2\xe1\xf5\xe0":
        return Content("raw", "erofs")
    if head.startswith(b"XFSB") and len(head) >= 16:
        block, blocks = struct.unpack_from(">IQ", head, 4)
        _check_length("xfs", block * blocks, size)
        return Content("raw", "xfs")
    if head[0x8001:0x8006] == b"CD001":
        return Content("raw", "iso9660")
    if head[510:512] == b"\x55\xaa" and (head[54:57] == b"FAT" or head[82:87] == b"FAT32"):
        return Content("raw", "vfat")
    return None


def _check_length(name: str, needs: int, size: int) -> None:
    if needs > size:
        raise ImageFailed(
            f"is a {name} file system that is cut short: it says {needs} bytes and has {size}", hint="fetch or build it again"
        )
