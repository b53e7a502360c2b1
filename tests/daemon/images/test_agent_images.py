"""The agent's initramfs is built once per what goes into it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from tests.daemon.images import samples
from volant.daemon.images.agent_images import BuildCommand, build_command, fingerprint, image_key
from volant.daemon.images.kernel_files import Kernel
from volant.daemon.images.library import ImageLibrary
from volant.daemon.ports import CachedImage
from volant.proto.errors import HostShort, ImageFailed


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    folder = tmp_path / "state/kernels/6.1"
    (folder / "modules/kernel").mkdir(parents=True)
    (folder / "vmlinuz").write_bytes(samples.vmlinux())
    (tmp_path / "state/kernels/default").symlink_to("6.1")
    return Kernel(folder / "vmlinuz", "0" * 64, folder / "vmlinuz", folder / "modules")


async def library(tmp_path: Path, script: str) -> ImageLibrary:
    """A library whose builder is a shell script that gets the output's path as $1; its runs are counted."""
    program = tmp_path / "builder.sh"
    program.write_text(f"echo run >> {tmp_path}/runs\n{script}\n")

    def command(modules: str, output: Path, workload: CachedImage | None) -> list[str]:
        return ["sh", str(program), str(output)]

    builder: BuildCommand = command
    made = ImageLibrary(tmp_path / "state", builder=builder)
    await made.prepare()
    return made


async def test_one_build_serves_all_who_ask(kernel: Kernel, tmp_path: Path) -> None:
    images = await library(tmp_path, 'printf 070701 > "$1"')
    found: list[Path] = []

    async def ask() -> None:
        found.append(await images.initramfs())

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(ask)
    assert len(set(found)) == 1 and (tmp_path / "runs").read_text() == "run\n"
    assert list((tmp_path / "state/images/drafts").iterdir()) == []


async def test_what_was_made_of_a_workload_goes_with_it(kernel: Kernel, tmp_path: Path) -> None:
    images = await library(tmp_path, 'printf 070701 > "$1"')
    (tmp_path / "one").write_bytes(samples.cpio({"init": b"1"}))
    (tmp_path / "other").write_bytes(samples.cpio({"init": b"2"}))
    one = await images.fetch(str(tmp_path / "one"), checksum="", format="cpio")
    other = await images.fetch(str(tmp_path / "other"), checksum="", format="cpio")
    made = [await images.initramfs(workload=workload) for workload in (None, one, other)]
    await images.forget(one.sha256)
    assert [path.exists() for path in made] == [True, False, True]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ('echo half > "$1"; echo "error: no module virtio_mmio" >&2; exit 1', "no module virtio_mmio"),
        ('echo nonsense > "$1"', "is no cpio archive"),
        ("exit 3", "ended with 3"),
    ],
)
async def test_a_failed_build_says_why_and_leaves_nothing(kernel: Kernel, tmp_path: Path, script: str, sentence: str) -> None:
    images = await library(tmp_path, script)
    with pytest.raises(ImageFailed, match=sentence):
        await images.initramfs()
    for folder in ("drafts", "agent"):
        assert list((tmp_path / "state/images" / folder).iterdir()) == []


async def test_a_kernel_without_modules_is_named(tmp_path: Path) -> None:
    images = await library(tmp_path, "true")
    lone = tmp_path / "lone"
    lone.write_bytes(samples.vmlinux())
    with pytest.raises(HostShort, match="modules of the kernel"):
        await images.initramfs(str(lone))


def test_everything_that_goes_in_makes_another_image(kernel: Kernel) -> None:
    workload = CachedImage(Path("/w"), "1" * 64, 1, "cpio")
    keys = [image_key(kernel, None), image_key(kernel, workload), image_key(replace(kernel, sha256="2" * 64), None)]
    assert len(set(keys)) == 3 and keys[0] == image_key(kernel, None)
    assert kernel.modules
    (kernel.modules / "kernel/new.ko").touch()
    assert image_key(kernel, None) != keys[0]


def test_the_sources_of_agent_contract_and_builder_count(tmp_path: Path) -> None:
    for package in ("agent", "proto", "fledge", "daemon"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("x = 1")
    assert [Path(name).parent.name for name, _, _ in fingerprint(tmp_path)] == ["agent", "proto", "fledge"]


def test_the_builder_is_called_as_it_documents() -> None:
    workload = CachedImage(Path("/cache/w"), "1" * 64, 1, "cpio")
    assert build_command("/m", Path("/o"), workload)[1:] == [
        "-m", "volant.fledge", "agent-image", "--kernel-modules", "/m", "--output", "/o", "--workload", "/cache/w",
    ]  # fmt: skip
