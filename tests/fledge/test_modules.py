"""Kernel modules: what is loaded when, and what a folder without them is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fledge.elves import RELEASE, module_bytes, module_tree
from volant.fledge.modules import dependency_file, load_order, release_of
from volant.proto.errors import ImageFailed

TREE = {
    "drivers/virtio/virtio_mmio": "virtio,virtio_ring",
    "drivers/virtio/virtio": "virtio_ring",
    "drivers/virtio/virtio_ring": "",
    "drivers/char/virtio_console": "virtio,virtio_ring",
    "drivers/char/hw_random/virtio-rng": "virtio",
    "net/unwanted": "",
}
WANTED = ("virtio_mmio", "virtio_console", "virtio_rng", "absent")


@pytest.mark.parametrize("packed", [False, True])
def test_modules_come_after_what_they_need_and_unpacked(tmp_path: Path, packed: bool) -> None:
    modules = load_order(module_tree(tmp_path, TREE, packed=packed), WANTED)
    assert [module.path for module in modules] == [
        "kernel/drivers/virtio/virtio_ring.ko",
        "kernel/drivers/virtio/virtio.ko",
        "kernel/drivers/virtio/virtio_mmio.ko",
        "kernel/drivers/char/virtio_console.ko",
        "kernel/drivers/char/hw_random/virtio-rng.ko",
    ]
    assert all(module.data.startswith(b"\x7fELF") for module in modules)
    assert release_of(modules, tmp_path) == RELEASE


def test_the_dependency_file_is_what_depmod_would_write(tmp_path: Path) -> None:
    lines = dependency_file(load_order(module_tree(tmp_path, TREE), WANTED)).decode().splitlines()
    assert lines[0] == "kernel/drivers/virtio/virtio_ring.ko:"
    assert lines[2] == "kernel/drivers/virtio/virtio_mmio.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko"
    assert lines[4] == "kernel/drivers/char/hw_random/virtio-rng.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko"


def test_what_the_kernel_has_built_in_is_left_out(tmp_path: Path) -> None:
    tree = module_tree(tmp_path, {"drivers/virtio_console": "virtio"}, builtin=("drivers/virtio_mmio", "drivers/virtio"))
    assert [module.path for module in load_order(tree, WANTED)] == ["kernel/drivers/virtio_console.ko"]


def test_a_kernel_without_the_agents_channel_is_refused(tmp_path: Path) -> None:
    tree = module_tree(tmp_path, {"drivers/virtio_mmio": ""})
    with pytest.raises(ImageFailed, match="has no module virtio_console") as caught:
        load_order(tree, WANTED)
    assert "cloud kernel" in caught.value.hint


def test_a_missing_dependency_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match="virtio_mmio needs virtio, which is missing"):
        load_order(module_tree(tmp_path, {"virtio_mmio": "virtio"}), WANTED)


def test_a_circle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match="virtio_mmio -> a -> virtio_mmio"):
        load_order(module_tree(tmp_path, {"virtio_mmio": "a", "a": "virtio-mmio"}), WANTED)


@pytest.mark.parametrize(("data", "says"), [(b"text", "ELF"), (module_bytes()[:80], "damaged|vermagic"), (b"", "ELF")])
def test_what_is_no_module_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    tree = module_tree(tmp_path, {"virtio_mmio": ""})
    (tree / "kernel/virtio_mmio.ko").write_bytes(data)
    with pytest.raises(ImageFailed, match=says):
        load_order(tree, WANTED)


def test_modules_of_two_kernels_are_not_mixed(tmp_path: Path) -> None:
    tree = module_tree(tmp_path, {"virtio_mmio": "", "virtio_console": ""})
    (tree / "kernel/virtio_console.ko").write_bytes(module_bytes(release="5.10.0"))
    with pytest.raises(ImageFailed, match=r"5\.10\.0, 6\.1\.0-test"):
        release_of(load_order(tree, WANTED), tree)


def test_an_empty_folder_is_told_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(ImageFailed, match="no kernel modules"):
        load_order(tmp_path, WANTED)
    with pytest.raises(ImageFailed, match="no kernel modules"):
        load_order(tmp_path / "missing", WANTED)
