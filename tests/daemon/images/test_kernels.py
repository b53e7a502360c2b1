"""Which files are kernels, and what guests boot of them."""

from __future__ import annotations

import gzip
import lzma
import os
import random
from pathlib import Path

import pytest

from tests.daemon.images import samples
from volant.daemon.images.cache import Cache
from volant.daemon.images.kernel_files import KernelFiles
from volant.daemon.images.kernels import BzImage, Vmlinux, is_pvh, parse_kernel
from volant.proto.errors import HostShort, ImageFailed


@pytest.fixture
def kernels(tmp_path: Path) -> KernelFiles:
    cache = Cache(tmp_path / "images")
    cache.prepare()
    return KernelFiles(tmp_path / "images/kernels", tmp_path / "kernels/default/vmlinuz", cache)


def test_a_bzimage_tells_its_release_and_payload() -> None:
    image = samples.bzimage(b"payload")
    found = parse_kernel(image, "k")
    assert isinstance(found, BzImage) and found.release == "6.1.0-test"
    start, length = found.payload
    assert image[start : start + 7] == b"payload" and start + length == len(image)


def test_an_elf_kernel_needs_a_pvh_entry() -> None:
    assert parse_kernel(samples.vmlinux(), "k") == Vmlinux()
    assert not is_pvh(samples.vmlinux(note=17))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is no kernel"),
        (b"#!/bin/sh\necho hello\n", "is no kernel"),
        (bytes(4096), "is no kernel"),
        (samples.bzimage(b"x" * 5000)[:-100], "is cut short"),
        (samples.bzimage()[:0x200], "is no kernel"),
        (samples.vmlinux()[:100], "is cut short"),
        (samples.vmlinux()[:-10], "is cut short"),
        (samples.vmlinux()[:20], "is cut short"),
        (samples.vmlinux(machine=183), "no kernel for x86-64"),
        (samples.vmlinux(note=1), "without a PVH entry"),
    ],
)
def test_what_is_no_kernel_gets_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(ImageFailed, match=sentence) as caught:
        parse_kernel(data, "the kernel /k")
    assert caught.value.hint


def test_any_bytes_are_either_a_kernel_or_refused() -> None:
    chance = random.Random(6)
    for sample in (samples.bzimage(b"x" * 64), samples.vmlinux()):
        for _ in range(2_000):
            data = bytearray(sample)
            data[chance.randrange(min(len(data), 700))] = chance.randrange(256)
            try:
                parse_kernel(bytes(data[: chance.randrange(len(data) + 1)]), "k")
            except ImageFailed:
                pass


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
async def test_the_vmlinux_inside_is_booted_and_unpacked_once(kernels: KernelFiles, tmp_path: Path, pack: object) -> None:
    inner = samples.vmlinux()
    assert callable(pack)
    source = tmp_path / "vmlinuz"
    # The payload's size field lies right behind it: padded here inside, as a real payload is exactly so long.
    packed = pack(inner)
    source.write_bytes(samples.bzimage(packed + bytes(-(len(packed) + 4) % 16), size=len(inner)))
    found = await kernels.find(str(source))
    assert found.boot != source and found.boot.read_bytes() == inner
    first = found.boot.stat().st_mtime_ns
    assert (await kernels.find(str(source))).boot.stat().st_mtime_ns == first


async def test_a_bzimage_that_cannot_be_unpacked_is_booted_itself(kernels: KernelFiles, tmp_path: Path) -> None:
    source = tmp_path / "vmlinuz"
    for payload, size in ((b"unknown packing", 15), (gzip.compress(b"no elf"), 6), (gzip.compress(samples.vmlinux())[:-30], 400)):
        source.write_bytes(samples.bzimage(payload, size=size))
        assert (await kernels.find(str(source))).boot == source


async def test_a_replaced_kernel_is_noticed(kernels: KernelFiles, tmp_path: Path) -> None:
    source = tmp_path / "vmlinux"
    source.write_bytes(samples.vmlinux())
    before = await kernels.find(str(source))
    source.write_bytes(samples.vmlinux() + b"more")
    assert (await kernels.find(str(source))).sha256 != before.sha256
    source.write_text("no kernel any more")
    with pytest.raises(ImageFailed, match="is no kernel"):
        await kernels.find(str(source))


async def test_the_default_kernel_and_its_modules(kernels: KernelFiles, tmp_path: Path) -> None:
    with pytest.raises(HostShort, match="no kernel for guests"):
        await kernels.find()
    version = tmp_path / "kernels/6.1.0-test"
    (version / "modules/kernel").mkdir(parents=True)
    (version / "vmlinuz").write_bytes(samples.vmlinux())
    (tmp_path / "kernels/default").symlink_to("6.1.0-test")
    assert (await kernels.find()).modules == version / "modules"


async def test_modules_are_found_beside_a_boot_folder(kernels: KernelFiles, tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "lib/modules/6.1.0-test/kernel").mkdir(parents=True)
    (tmp_path / "boot/vmlinuz").write_bytes(samples.bzimage(b"x" * 16))
    assert (await kernels.find(str(tmp_path / "boot/vmlinuz"))).modules == tmp_path / "lib/modules/6.1.0-test"


async def test_a_kernel_that_is_no_file_is_one_sentence(kernels: KernelFiles, tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match="does not exist"):
        await kernels.find(str(tmp_path / "missing"))
    with pytest.raises(ImageFailed, match="no regular file"):
        await kernels.find(str(tmp_path))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ImageFailed, match="no regular file"):
        await kernels.find(str(tmp_path / "fifo"))
    (tmp_path / "empty").touch()
    with pytest.raises(ImageFailed, match="is empty"):
        await kernels.find(str(tmp_path / "empty"))
