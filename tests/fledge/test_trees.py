"""Folders and foreign archives as members: everything arrives, and nothing gets out of its folder."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.fledge.archives import packed, written
from volant.fledge.cpio import Entry, members
from volant.fledge.trees import safe_name, write_archive, write_folder
from volant.proto.errors import HostShort, ImageFailed


def file(name: str, data: bytes = b"") -> tuple[Entry, bytes]:
    return Entry(name=name, mode=stat.S_IFREG | 0o644, size=len(data)), data


def link(name: str, target: bytes) -> tuple[Entry, bytes]:
    return Entry(name=name, mode=stat.S_IFLNK | 0o777, size=len(target)), target


def folder_listing(folder: Path) -> list[tuple[Entry, bytes]]:
    made = written(lambda writer: write_folder(folder, writer))
    return [(entry, body.read()) for entry, body in members(io.BytesIO(made), "made")]


def rerooted(source: Path) -> dict[str, bytes]:
    made = written(lambda writer: write_archive(source, "workload", writer))
    return {entry.name: body.read() for entry, body in members(io.BytesIO(made), "made")}


def test_a_folder_arrives_whole_sorted_and_owned_by_root(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir(mode=0o700)
    (tmp_path / "b/tool").write_bytes(b"#!")
    (tmp_path / "b/tool").chmod(0o4755)
    (tmp_path / "a").symlink_to("b/tool")
    os.mkfifo(tmp_path / "pipe")
    os.utime(tmp_path / "b/tool", (7, 7))
    found = folder_listing(tmp_path)
    assert [entry.name for entry, _ in found] == ["a", "b", "pipe", "b/tool"]
    by_name = {entry.name: (entry, data) for entry, data in found}
    assert by_name["a"][1] == b"b/tool"
    assert by_name["b/tool"][1] == b"#!"
    assert stat.S_IMODE(by_name["b/tool"][0].mode) == 0o4755
    assert by_name["b/tool"][0].mtime == 7
    assert stat.S_ISFIFO(by_name["pipe"][0].mode)
    assert {(entry.uid, entry.gid) for entry, _ in found} == {(0, 0)}


def test_hard_links_in_a_folder_stay_links_and_the_last_carries_the_data(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "in/one").write_bytes(b"data")
    os.link(tmp_path / "in/one", tmp_path / "in/two")
    (tmp_path / "in/single").write_bytes(b"x")
    os.link(tmp_path / "in/single", tmp_path / "out/elsewhere")
    (one, first), (single, own), (two, last) = folder_listing(tmp_path / "in")
    assert (first, last, own) == (b"", b"data", b"x")
    assert one.inode == two.inode and one.links == two.links == 2
    assert single.inode is None and single.links == 1


@pytest.mark.root
def test_device_nodes_keep_their_numbers(tmp_path: Path) -> None:
    os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    ((entry, _),) = folder_listing(tmp_path)
    assert stat.S_ISCHR(entry.mode) and entry.device == (1, 3)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match="missing is not a folder"):
        folder_listing(tmp_path / "missing")


def test_an_archive_moves_below_its_folder(tmp_path: Path) -> None:
    archive = tmp_path / "a.cpio"
    archive.write_bytes(
        packed((Entry(name=".", mode=stat.S_IFDIR | 0o755), b""), file("./init", b"run"), file("/etc/hosts", b"h"), link("x", b"/y"))
    )
    assert rerooted(archive) == {
        "workload": b"",
        "workload/init": b"run",
        "workload/etc": b"",
        "workload/etc/hosts": b"h",
        "workload/x": b"/y",
    }


@pytest.mark.parametrize("program", ["gzip", "xz", "zstd", "lz4"])
def test_compressed_archives_are_unpacked(tmp_path: Path, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    data = packed(file("init", os.urandom(100_000)))
    archive = tmp_path / "a.cpio.packed"
    archive.write_bytes(subprocess.run([program, "-c"], input=data, capture_output=True, check=True).stdout)
    assert len(rerooted(archive)["workload/init"]) == 100_000
    archive.write_bytes(archive.read_bytes()[:-5_000])
    with pytest.raises(ImageFailed):
        rerooted(archive)


def test_a_missing_decompressor_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(9))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostShort, match="zstd") as caught:
        rerooted(tmp_path / "a")
    assert "apt-get install zstd" in caught.value.hint


@pytest.mark.parametrize("name", ["../etc/passwd", "a/../../b", "..", "/../x"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.cpio").write_bytes(packed(file(name)))
    with pytest.raises(ImageFailed, match="leads out of its root"):
        rerooted(tmp_path / "a.cpio")


@pytest.mark.parametrize("content", [(link("lib", b"/"), file("lib/init", b"evil")), (file("lib"), file("lib/init"))])
def test_no_name_goes_through_a_link_or_a_file(tmp_path: Path, content: tuple[tuple[Entry, bytes], ...]) -> None:
    (tmp_path / "a.cpio").write_bytes(packed(*content))
    with pytest.raises(ImageFailed, match="no folder in it"):
        rerooted(tmp_path / "a.cpio")


def test_a_member_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.cpio").write_bytes(packed((Entry(name="x", mode=0), b"")))
    with pytest.raises(ImageFailed, match="unknown kind"):
        rerooted(tmp_path / "a.cpio")


def test_a_damaged_gzip_is_named(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(packed(file("x", os.urandom(5_000)))))
    whole[2_000] ^= 0xFF
    (tmp_path / "a.cpio.gz").write_bytes(whole)
    with pytest.raises(ImageFailed, match=r"a\.cpio\.gz"):
        rerooted(tmp_path / "a.cpio.gz")


@pytest.mark.parametrize(("name", "safe"), [("./a//b/.", "a/b"), ("/", ""), ("a/..b", "a/..b"), (".", "")])
def test_names_are_cleaned(name: str, safe: str) -> None:
    assert safe_name(name, "x") == safe
