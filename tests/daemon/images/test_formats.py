"""What a file is taken for, and what is refused with which sentence."""

from __future__ import annotations

import random

import pytest

from tests.daemon.images import samples
from volant.daemon.images.formats import Content, check, identify
from volant.proto.errors import ImageFailed


@pytest.mark.parametrize(
    ("head", "content", "writable"),
    [
        (samples.ext4(), Content("raw", "ext4"), True),
        (samples.squashfs(), Content("raw", "squashfs"), False),
        (samples.at(1024, b"\xe2\xe1\xf5\xe0"), Content("raw", "erofs"), False),
        (samples.xfs(), Content("raw", "xfs"), True),
        (samples.at(0x8001, b"CD001"), Content("raw", "iso9660"), False),
        (bytes(54) + b"FAT16   " + bytes(448) + b"\x55\xaa", Content("raw", "vfat"), True),
        (bytes(82) + b"FAT32   " + bytes(420) + b"\x55\xaa", Content("raw", "vfat"), True),
        (samples.qcow2(), Content("qcow2", "3"), True),
        (samples.qcow2(version=2), Content("qcow2", "2"), True),
        (samples.cpio({}), Content("cpio", ""), True),
        (samples.packed_cpio({}), Content("cpio", "gzip"), True),
        (samples.at(0, b"\x28\xb5\x2f\xfd"), Content("cpio", "zstd"), True),
        (samples.at(0, b"\x02\x21\x4c\x18"), Content("cpio", "lz4"), True),
        (samples.at(0, b"\x04\x22\x4d\x18"), Content("cpio", "lz4"), True),
        (samples.at(0, b"\xfd7zXZ\x00"), Content("cpio", "xz"), True),
    ],
)
def test_known_files_are_known_by_their_bytes(head: bytes, content: Content, writable: bool) -> None:
    assert identify(head, len(head)) == content
    assert check(head, len(head), content.format, "it") == content
    assert content.writable is writable


@pytest.mark.parametrize(
    ("head", "wanted", "sentence"),
    [
        (b"", "raw", "is no file system: it is empty"),
        (b"<html>not found</html>", "raw", "is no file system: it is a text"),
        (bytes(8192), "raw", "is no file system"),
        (samples.qcow2(), "raw", "it is a qcow2 image"),
        (samples.ext4(), "qcow2", "is no qcow2 image: it is a file system"),
        (samples.ext4(), "cpio", "is no cpio archive"),
        (samples.qcow2(backing=1024), "qcow2", "refers to another file"),
        (samples.qcow2(features=4), "qcow2", "refers to another file"),
        (samples.qcow2(features=1 << 9), "qcow2", "newer"),
        (samples.qcow2(crypt=2), "qcow2", "encrypted"),
        (samples.qcow2(size=1 << 50), "qcow2", "disk of 1125899906842624 bytes"),
        (samples.qcow2(version=4), "qcow2", "broken header"),
        (samples.qcow2()[:40], "qcow2", "cut short"),
        (samples.ext4()[:-1024], "raw", "cut short"),
        (samples.squashfs()[:-8], "raw", "cut short"),
    ],
)
def test_what_it_is_not_is_said_in_one_sentence(head: bytes, wanted: str, sentence: str) -> None:
    with pytest.raises(ImageFailed, match=sentence) as caught:
        check(head, len(head), wanted, "/srv/x.img")
    assert caught.value.message.startswith("/srv/x.img ") and caught.value.hint


def test_any_bytes_are_either_known_or_refused() -> None:
    chance = random.Random(4)
    for sample in (samples.ext4(), samples.squashfs(), samples.qcow2(), samples.xfs(), samples.cpio({"a": b"b"})):
        for _ in range(300):
            data = bytearray(sample)
            data[chance.randrange(len(data))] = chance.randrange(256)
            cut = bytes(data[: chance.randrange(len(data) + 1)])
            for wanted in ("raw", "qcow2", "cpio"):
                try:
                    check(cut, len(cut), wanted, "it")
                except ImageFailed:
                    pass
