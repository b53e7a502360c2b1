"""Kernels in the state folder: laid out as the daemon expects, once, and never half."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from volant.fledge.kernels import install, package_behind
from volant.proto.errors import HostShort, ImageFailed

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
VERSION = "6.1.0-99-cloud-amd64"


def package(folder: Path, *, name: str = f"linux-image-{VERSION}", kernel: str = VERSION) -> Path:
    """A kernel package as Debian lays it out, with next to nothing in it."""
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n")
    (tree / "boot").mkdir()
    (tree / f"boot/vmlinuz-{kernel}").write_bytes(b"kernel")
    (tree / f"boot/vmlinuz-{kernel}").chmod(0o600)
    (tree / f"lib/modules/{kernel}/kernel").mkdir(parents=True)
    (tree / f"lib/modules/{kernel}/modules.builtin").touch()
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, folder / "x.deb"], check=True, capture_output=True)
    shutil.rmtree(tree)
    return folder / "x.deb"


def test_a_package_becomes_a_kernel_and_the_default(tmp_path: Path) -> None:
    said: list[str] = []
    folder = install(tmp_path / "state", said.append, package=package(tmp_path))
    assert folder == tmp_path / "state/kernels" / VERSION
    assert (folder / "vmlinuz").read_bytes() == b"kernel"
    assert (folder / "vmlinuz").stat().st_mode & 0o777 == 0o644
    assert (folder / "modules/modules.builtin").exists()
    assert (folder.parent / "default").readlink() == Path(VERSION)
    assert sorted(path.name for path in folder.parent.iterdir()) == [VERSION, "default"]
    assert said[-1] == f"the kernel {VERSION} is ready"


def test_the_second_time_changes_nothing(tmp_path: Path) -> None:
    file = package(tmp_path)
    folder = install(tmp_path / "state", print, package=file)
    before = (folder / "vmlinuz").stat().st_ino
    said: list[str] = []
    install(tmp_path / "state", said.append, package=file)
    assert (folder / "vmlinuz").stat().st_ino == before
    assert said == [f"the kernel {VERSION} is there"]


def test_a_half_made_kernel_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "state/kernels" / VERSION
    folder.mkdir(parents=True)
    (folder / "vmlinuz").write_bytes(b"torn")
    install(tmp_path / "state", print, package=package(tmp_path))
    assert (folder / "vmlinuz").read_bytes() == b"kernel"


@pytest.mark.parametrize(
    ("name", "kernel", "says"), [("hello", VERSION, "no kernel"), (f"linux-image-{VERSION}", "1.0", "does not hold the kernel")]
)
def test_other_packages_are_refused_and_leave_nothing(tmp_path: Path, name: str, kernel: str, says: str) -> None:
    with pytest.raises(ImageFailed, match=says):
        install(tmp_path / "state", print, package=package(tmp_path, name=name, kernel=kernel))
    assert not list(tmp_path.glob("state/kernels/*"))
    assert not list(tmp_path.glob("state/kernels/.*"))


def test_a_file_that_is_no_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"junk")
    with pytest.raises(HostShort, match=r"x\.deb can't be read"):
        install(tmp_path / "state", print, package=tmp_path / "x.deb")


def test_the_package_behind_the_metapackage_is_found() -> None:
    record = "Package: linux-image-cloud-amd64\nVersion: 6.1\nDepends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n"
    assert package_behind(record, "m") == "linux-image-6.1.0-56-cloud-amd64"
    with pytest.raises(HostShort, match="names no kernel package"):
        package_behind("Package: m\nDepends: libc6, linux-base\n", "m")
