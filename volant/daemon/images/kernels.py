"""Is this file a kernel that boots here, and what is inside it? Pure parsers over a file's bytes.

A bzImage is described by the kernel's Documentation/arch/x86/boot.rst; the PVH entry by the ELF note XEN_ELFNOTE_PHYS32_ENTRY
of Xen's public/elfnote.h, which QEMU looks for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from volant.proto.errors import ImageFailed

Bytes = bytes | mmap

MAX_VMLINUX = 1 << 30
"""Largest unpacked kernel that is believed: Debian's has 53 MB, one with debug information some hundreds."""

_SECTOR = 512
_LOADED_HIGH = 0x01
_FIRST_PROTOCOL_WITH_PAYLOAD = 0x0208
_ELF_HEADER = struct.Struct("<16sHHIQQQIHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_PT_LOAD, _PT_NOTE = 1, 4
_EM_X86_64 = 62
_PHYS32_ENTRY = 18


@dataclass(frozen=True, slots=True)
class BzImage:
    """A compressed kernel."""

    release: str
    """As `uname -r` will say it; empty when the header doesn't."""
    payload: tuple[int, int]
    """Offset and length of the compressed vmlinux; its last four bytes are the unpacked size."""


@dataclass(frozen=True, slots=True)
class Vmlinux:
    """An unpacked kernel that a VMM can enter directly (PVH)."""


def parse_kernel(data: Bytes, label: str) -> BzImage | Vmlinux:
    """What kind of kernel a file's bytes are; ImageFailed when they are none, or cut short. `label` names the file."""
    if data[:4] == b"\x7fELF":
        return _vmlinux(data, label)
    if len(data) > 0x250 and data[0x1FE:0x200] == b"\x55\xaa" and data[0x202:0x206] == b"HdrS":
        return _bzimage(data, label)
    raise ImageFailed(f"{label} is no kernel: neither a bzImage nor an ELF file", hint="name a vmlinuz, such as /boot/vmlinuz-$(uname -r)")


def is_pvh(data: Bytes) -> bool:
    """Whether these bytes are a whole ELF kernel with a PVH entry."""
    try:
        _vmlinux(data, "")
    except ImageFailed:
        return False
    return True


def _bzimage(data: Bytes, label: str) -> BzImage:
    sectors = data[0x1F1] or 4
    (paragraphs,) = struct.unpack_from("<I", data, 0x1F4)
    protocol, release_at = struct.unpack_from("<H", data, 0x206)[0], struct.unpack_from("<H", data, 0x20E)[0]
    start = (sectors + 1) * _SECTOR
    whole = start + paragraphs * 16
    # The last paragraph may be a part of one: the header counts in sixteens.
    if len(data) <= whole - 16:
        raise ImageFailed(f"{label} is a kernel that is cut short: {len(data)} of {whole} bytes", hint="copy or install it again")
    if protocol < _FIRST_PROTOCOL_WITH_PAYLOAD or not data[0x211] & _LOADED_HIGH:
        raise ImageFailed(f"{label} is a kernel from before 2.6.25, which doesn't boot here", hint="use a newer kernel")
    offset, length = struct.unpack_from("<II", data, 0x248)
    if not 8 <= length <= len(data) - start - offset:
        raise ImageFailed(f"{label} is a kernel with a broken header", hint="copy or install it again")
    text = bytes(data[release_at + 0x200 : release_at + 0x200 + 128]).split(b"\0")[0] if release_at else b""
    words = text.decode("ascii", "replace").split()
    return BzImage(words[0] if words else "", (start + offset, length))


def _vmlinux(data: Bytes, label: str) -> Vmlinux:
    if len(data) < 64:
        raise ImageFailed(f"{label} is an ELF file that is cut short", hint="copy or install it again")
    ident, kind, machine, header_size, count = _program_headers(data)
    if ident[4:6] != b"\x02\x01" or machine != _EM_X86_64 or kind not in (2, 3) or header_size < _PROGRAM_HEADER.size:
        raise ImageFailed(f"{label} is an ELF file and no kernel for x86-64", hint="name a vmlinuz, such as /boot/vmlinuz-$(uname -r)")
    found = False
    for number in range(count):
        segment = _segment(data, number, header_size, label)
        if segment[0] == _PT_NOTE:
            found = found or any(name == b"Xen" and note == _PHYS32_ENTRY for name, note in _notes(data, segment[2], segment[5]))
    if not found:
        raise ImageFailed(
            f"{label} is an ELF file without a PVH entry, so no VMM here can boot it",
            hint="use the bzImage, or build the kernel with CONFIG_PVH=y",
        )
    return Vmlinux()


def _program_headers(data: Bytes) -> tuple[bytes, int, int, int, int]:
    """e_ident, type, machine, and the size and number of program headers."""
    fields = _ELF_HEADER.unpack_from(data)
    return fields[0], fields[1], fields[2], fields[9], fields[10]


def _segment(data: Bytes, number: int, header_size: int, label: str) -> tuple[int, ...]:
    """One program header: type, flags, offset, virtual and physical address, size in the file, size in memory, alignment."""
    (table,) = struct.unpack_from("<Q", data, 32)
    at = table + number * header_size
    if at + _PROGRAM_HEADER.size <= len(data):
        segment = _PROGRAM_HEADER.unpack_from(data, at)
        if segment[0] not in (_PT_LOAD, _PT_NOTE) or segment[2] + segment[5] <= len(data):
            return segment
    raise ImageFailed(f"{label} is an ELF file that is cut short", hint="copy or install it again")


def _notes(data: Bytes, start: int, size: int) -> Iterator[tuple[bytes, int]]:
    """(owner, type) of the notes in a segment."""
    at, end = start, start + size
    while at + 12 <= end:
        name_size, content_size, kind = struct.unpack_from("<III", data, at)
        yield bytes(data[at + 12 : min(at + 12 + name_size, end)]).rstrip(b"\0"), kind
        at += 12 + name_size + -name_size % 4 + content_size + -content_size % 4
