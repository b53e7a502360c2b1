"""Disk images from folders."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from volant.fledge.__main__ import SOURCE
from volant.fledge.filesystems import Format, ext4_bytes, ext4_command, make_image, squashfs_command
from volant.proto.errors import HostShort, ImageFailed

SBIN = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
MAGIC = {Format.EXT4: (0x438, b"\x53\xef"), Format.SQUASHFS: (0, b"hsqs")}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "deep/er").mkdir(parents=True)
    (root / "deep/er/file").write_bytes(os.urandom(3_000_000))
    (root / "link").symlink_to("deep")
    for number in range(500):
        (root / f"small-{number}").write_text("x")
    return root


@pytest.mark.parametrize("format", list(Format))
def test_an_image_is_what_its_format_says(tree: Path, tmp_path: Path, format: Format) -> None:
    make_image(tree, tmp_path / "image", format)
    at, magic = MAGIC[format]
    data = (tmp_path / "image").read_bytes()
    assert data[at : at + len(magic)] == magic
    assert len(data) % 512 == 0


@pytest.mark.skipif(shutil.which("e2fsck", path=SBIN) is None, reason="needs e2fsck")
@pytest.mark.parametrize("count", [0, 1, 3_000])
def test_ext4_has_room_for_what_goes_in(tmp_path: Path, count: int) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(count):
        (root / f"file-{number}").write_bytes(b"x" * 5)
    make_image(root, tmp_path / "image", Format.EXT4)
    subprocess.run([shutil.which("e2fsck", path=SBIN) or "", "-fn", tmp_path / "image"], check=True, capture_output=True)


def test_ext4_has_a_journal_so_that_a_crash_does_not_damage_it(tree: Path, tmp_path: Path) -> None:
    make_image(tree, tmp_path / "image", Format.EXT4)
    superblock = (tmp_path / "image").read_bytes()[1024:2048]
    features = int.from_bytes(superblock[0x5C:0x60], "little")  # s_feature_compat (the kernel's fs/ext4/ext4.h)
    assert features & 0x4, "COMPAT_HAS_JOURNAL"


def test_squashfs_is_the_same_each_time(tree: Path, tmp_path: Path) -> None:
    sums = set()
    for number in range(2):
        make_image(tree, tmp_path / str(number), Format.SQUASHFS)
        sums.add(hashlib.sha256((tmp_path / str(number)).read_bytes()).hexdigest())
    assert len(sums) == 1


def test_sizes_are_whole_blocks(tree: Path) -> None:
    assert ext4_bytes(tree) % 4096 == 0
    assert ext4_bytes(tree) > 3_000_000 + 500 * 4096


def test_paths_are_arguments_and_nothing_more() -> None:
    odd = Path("/a b/$(x);-e")
    assert str(odd) in ext4_command("mke2fs", odd, Path("/o"), 8192)
    assert str(odd) in squashfs_command("mksquashfs", odd, Path("/o"))


def test_what_is_missing_is_named(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageFailed, match="is not a folder"):
        make_image(tmp_path / "none", tmp_path / "o", Format.EXT4)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("volant.fledge.filesystems._SBIN", str(tmp_path))
    with pytest.raises(HostShort, match="mksquashfs is not installed") as caught:
        make_image(tree, tmp_path / "o", Format.SQUASHFS)
    assert "squashfs-tools" in caught.value.hint


def test_the_example_builds_with_true_checksums(tmp_path: Path) -> None:
    done = subprocess.run([SOURCE / "examples/hello/build", tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    manifests = sorted((tmp_path / "out").glob("*.json"))
    assert [path.name for path in manifests] == ["plugin-ext4.json", "plugin-squashfs.json", "plugin.json"]
    for path in manifests:
        manifest = json.loads(path.read_text())
        source = manifest.get("initramfs") or manifest["rootfs"]
        assert source["checksum"] == "sha256:" + hashlib.sha256(Path(source["url"]).read_bytes()).hexdigest()
    first = (tmp_path / "out/hello.cpio").read_bytes()
    subprocess.run([SOURCE / "examples/hello/build", tmp_path / "out"], capture_output=True, check=True)
    assert (tmp_path / "out/hello.cpio").read_bytes() == first
