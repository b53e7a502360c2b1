"""Looking for a program in archives, whatever they are packed with."""

from __future__ import annotations

import gzip
import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon.images import samples
from volant.daemon.images.unpacking import has_program
from volant.proto.errors import HostShort, ImageFailed

TREE: dict[str, str | bytes] = {"usr/bin/hello": b"#!" + bytes(100_000), "bin": "usr/bin"}


def through(*argv: str) -> Callable[[bytes], bytes]:
    return lambda data: subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True).stdout


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": through("zstd", "-qc"),
    "lz4": through("lz4", "-qc"),
    "lz4 legacy": through("lz4", "-lqc"),
}


@pytest.mark.parametrize("packer", PACKERS)
def test_the_entrypoint_or_an_init_is_found(tmp_path: Path, packer: str) -> None:
    archive = tmp_path / "tree"
    archive.write_bytes(PACKERS[packer](samples.cpio(TREE)))
    assert has_program(archive, "/bin/hello") and has_program(archive, "hello")
    assert not has_program(archive, "/bin/other")
    archive.write_bytes(PACKERS[packer](samples.cpio({"init": b"#!"})))
    assert has_program(archive, "/bin/other")


@pytest.mark.parametrize("packer", PACKERS)
def test_a_packed_archive_that_is_cut_short_is_refused(tmp_path: Path, packer: str) -> None:
    archive = tmp_path / "tree"
    # Incompressible, so that what is cut off is really missing.
    body = bytes(range(256)) * 40
    archive.write_bytes(PACKERS[packer](samples.cpio({"a": body}))[:120])
    with pytest.raises(ImageFailed, match="the initramfs"):
        has_program(archive, "/bin/hello")


def test_an_archive_that_wants_a_gigabyte_to_be_read_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "tree"
    archive.write_bytes(through("xz", "-qc", "--lzma2=dict=1GiB,mode=fast,mf=hc3,nice=4")(samples.cpio(TREE)))
    with pytest.raises(ImageFailed, match="the initramfs"):
        has_program(archive, "/bin/hello")


def test_a_missing_unpacker_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "tree"
    archive.write_bytes(PACKERS["lz4"](samples.cpio(TREE)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostShort, match="lz4"):
        has_program(archive, "/bin/hello")
