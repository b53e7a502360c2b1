"""Finding a program in an initramfs."""

from __future__ import annotations

import io
import random

import pytest

from tests.daemon.images import samples
from volant.daemon.images import trees
from volant.daemon.images.trees import MAX_PADDING, find_program, list_members
from volant.proto.errors import ImageFailed

TREE: dict[str, str | bytes] = {
    "./bin": "usr/bin",
    "usr/bin/busybox": b"\x7fELF",
    "usr/bin/sh": "busybox",
    "usr/bin/abs": "/usr/bin/busybox",
    "usr/bin/up": "../../usr/bin/busybox",
    "usr/bin/gone": "nowhere",
    "usr/bin/circle": "circle",
    "/srv/run": b"#!",
}


def members(content: bytes) -> dict[str, object]:
    return dict(list_members(io.BytesIO(content).read, "the initramfs"))


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("/usr/bin/busybox", True), ("/bin/sh", True), ("/usr/bin/abs", True), ("/bin/up", True), ("/usr/bin/gone", False),
        ("/usr/bin/circle", False), ("/usr/bin", False), ("sh", True), ("run", False), ("./run", True), ("../srv/run", True),
        ("/nope", False), ("", False),
    ],
)  # fmt: skip
def test_a_program_is_found_as_exec_finds_it(program: str, found: bool) -> None:
    tree = list_members(io.BytesIO(samples.cpio(TREE)).read, "the initramfs")
    assert find_program(tree, program, workdir="/srv") is found


def test_path_decides_where_a_bare_name_is_looked_for() -> None:
    tree = list_members(io.BytesIO(samples.cpio(TREE)).read, "the initramfs")
    assert find_program(tree, "run", path="/opt:/srv")
    assert not find_program(tree, "sh", path="/opt")


def test_a_file_that_is_not_executable_is_no_program() -> None:
    plain = samples.cpio({"init": b"#!"}).replace(b"000081ED", b"000081A4")
    assert not find_program(list_members(io.BytesIO(plain).read, "the initramfs"), "/init")


def test_archives_in_a_row_make_one_tree() -> None:
    both = samples.cpio({"a": b"1"}) + bytes(512) + samples.cpio({"b": b"2"})
    assert set(members(both)) == {"a", "b"}


def test_zeros_without_end_are_refused() -> None:
    with pytest.raises(ImageFailed, match="zeros"):
        members(samples.cpio({"a": b"1"}) + bytes(MAX_PADDING + 1))


def test_names_that_fill_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_TEXT", 10_000)
    with pytest.raises(ImageFailed, match="names"):
        members(samples.cpio({f"{number}{'/a' * 500}": b"" for number in range(12)}))
    with pytest.raises(ImageFailed, match="names"):
        members(samples.cpio({f"{number}": "/a" * 500 for number in range(12)}))


def test_one_name_over_and_over_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_ENTRIES", 10)
    with pytest.raises(ImageFailed, match="members"):
        members(samples.cpio({"a": b""}) * 6)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (samples.cpio({"a": b"12345678"})[:-140], "cut short"),
        (samples.cpio({"a": b"1"})[:50], "cut short"),
        (b"hello" * 100, "no newc"),
        (samples.cpio({"a": b"1"}).replace(b"00000002", b"ffffffff", 1), "name has"),
    ],
)
def test_a_broken_archive_is_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(ImageFailed, match=sentence):
        members(content)


def test_any_bytes_are_either_a_tree_or_refused() -> None:
    chance, whole = random.Random(5), samples.cpio(TREE)
    for _ in range(2_000):
        data = bytearray(whole)
        data[chance.randrange(len(data))] = chance.choice(b"0123456789abcdefX\x00")
        try:
            members(bytes(data[: chance.randrange(len(data) + 1)]))
        except ImageFailed:
            pass
