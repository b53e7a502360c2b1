"""The least bytes that are an image of each kind."""

from __future__ import annotations

import gzip
import struct

EXT4_BLOCKS = 8


def ext4(seed: int = 0) -> bytes:
    """A superblock of 8 KiB worth of blocks; `seed` makes it another file."""
    data = bytearray(EXT4_BLOCKS * 1024)
    data[0x404:0x408] = struct.pack("<I", EXT4_BLOCKS)
    data[0x438:0x43A] = b"\x53\xef"
    data[-4:] = struct.pack("<I", seed)
    return bytes(data)


def squashfs(size: int = 96) -> bytes:
    return (b"hsqs" + bytes(36) + struct.pack("<Q", size)).ljust(size, b"\0")


def at(offset: int, magic: bytes) -> bytes:
    """`magic` at an offset, with some zeros behind it."""
    return bytes(offset) + magic + bytes(64)


def xfs() -> bytes:
    return (b"XFSB" + struct.pack(">IQ", 512, 2)).ljust(1024, b"\0")


def qcow2(*, version: int = 3, backing: int = 0, crypt: int = 0, features: int = 0, size: int = 1 << 20) -> bytes:
    return struct.pack(">4sIQIIQI", b"QFI\xfb", version, backing, 0, 16, size, crypt).ljust(72, b"\0") + struct.pack(">Q", features).ljust(
        32, b"\0"
    )


def cpio(members: dict[str, str | bytes]) -> bytes:
    """A newc archive: bytes make an executable file, text a symbolic link."""
    parts = []
    for name, content in [*members.items(), ("TRAILER!!!", b"")]:
        mode = 0o120777 if isinstance(content, str) else 0o100755
        body = content.encode() if isinstance(content, str) else content
        fields = [0, mode, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts.append(head + bytes(-len(head) % 4) + body + bytes(-len(body) % 4))
    return b"".join(parts)


def packed_cpio(members: dict[str, str | bytes]) -> bytes:
    return gzip.compress(cpio(members), mtime=0)


def bzimage(payload: bytes = b"", *, release: str = "6.1.0-test", size: int = 0) -> bytes:
    """A kernel header of boot protocol 2.15 around a payload, one sector of set-up code."""
    payload += struct.pack("<I", size)
    payload += bytes(-len(payload) % 16)
    data = bytearray(2048)
    data[0x1F1] = 3
    data[0x1F4:0x1F8] = struct.pack("<I", len(payload) // 16)
    data[0x1FE:0x200] = b"\x55\xaa"
    data[0x202:0x206] = b"HdrS"
    data[0x206:0x208] = struct.pack("<H", 0x20F)
    data[0x20E:0x210] = struct.pack("<H", 0x400)
    data[0x211] = 1
    data[0x248:0x250] = struct.pack("<II", 0, len(payload) or 8)
    text = release.encode() + b" (build@host) #1\0"
    data[0x600 : 0x600 + len(text)] = text
    return bytes(data) + payload


def vmlinux(*, machine: int = 62, note: int = 18) -> bytes:
    """An x86-64 ELF file with one note segment."""
    content = struct.pack("<III", 4, 8, note) + b"Xen\0" + bytes(8)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    program = struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(content), len(content), 4)
    return header + program + content
