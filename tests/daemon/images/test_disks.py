"""Overlays and blank disks: made whole, named safely, never made twice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.daemon.images import samples
from volant.daemon.images.disks import BLANK_DISK_BYTES, overlay_command
from volant.daemon.images.formats import identify
from volant.daemon.images.library import ImageLibrary
from volant.daemon.ports import CachedImage
from volant.proto.errors import HostShort


@pytest.fixture
async def library(tmp_path: Path) -> ImageLibrary:
    made = ImageLibrary(tmp_path / "st,ate=json:{}")
    await made.prepare()
    return made


async def test_an_overlay_refers_to_its_base_and_is_kept(library: ImageLibrary, tmp_path: Path) -> None:
    source = tmp_path / "root.img"
    source.write_bytes(samples.ext4())
    base = await library.fetch(str(source), checksum="", format="raw")
    disk = tmp_path / "-o backing_file=x,size=1"
    await library.root_overlay(base, disk)
    facts = json.loads(subprocess.run(["qemu-img", "info", "--output=json", str(disk)], capture_output=True, check=True).stdout)
    assert (facts["format"], facts["backing-filename"], facts["backing-filename-format"]) == ("qcow2", str(base.path), "raw")
    assert facts["virtual-size"] == base.size
    disk.write_bytes(b"somebody's data")
    await library.root_overlay(base, disk)
    assert disk.read_bytes() == b"somebody's data"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


async def test_a_blank_disk_is_a_sparse_file_system_and_is_kept(library: ImageLibrary, tmp_path: Path) -> None:
    disk = tmp_path / "upper.img"
    await library.blank_disk(disk)
    with disk.open("rb") as file:
        content = identify(file.read(4096), BLANK_DISK_BYTES)
    assert content and content.kind == "ext4" and disk.stat().st_blocks * 512 < 64 << 20
    disk.write_bytes(b"somebody's data")
    await library.blank_disk(disk)
    assert disk.read_bytes() == b"somebody's data"


async def test_a_missing_program_is_named_with_its_package(library: ImageLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostShort, match="qemu-img") as caught:
        await library.root_overlay(CachedImage(tmp_path / "base", "0" * 64, 1, "raw"), tmp_path / "disk")
    assert "qemu-utils" in caught.value.hint and not (tmp_path / "disk").exists()


def test_a_relative_path_never_reaches_the_program() -> None:
    with pytest.raises(ValueError, match="absolute"):
        overlay_command("qemu-img", CachedImage(Path("json:{}"), "", 1, "raw"), Path("/disk"), 512)


async def test_a_base_with_a_hostile_inside_is_not_opened_by_the_daemon(library: ImageLibrary, tmp_path: Path) -> None:
    source = tmp_path / "hostile.qcow2"
    # The header is fine, and there is nothing behind it that a reader could make sense of.
    source.write_bytes(samples.qcow2(size=(3 << 20) - 100) + b"\xff" * 4096)
    base = await library.fetch(str(source), checksum="", format="qcow2")
    await library.root_overlay(base, tmp_path / "disk")
    header = (tmp_path / "disk").read_bytes()[:32]
    assert int.from_bytes(header[24:32], "big") == 3 << 20
