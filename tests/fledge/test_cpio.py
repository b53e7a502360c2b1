"""The newc format: what is written reads back, other programs agree, and rubbish is refused by name."""

from __future__ import annotations

import io
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fledge.archives import packed
from volant.fledge import cpio
from volant.fledge.cpio import Entry, Writer, members
from volant.proto.errors import ImageFailed

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name != "TRAILER!!!"
)
numbers = st.integers(0, 0xFFFFFFFF)
files = st.builds(
    lambda name, data, bits, uid, gid, mtime: (
        Entry(name=name, mode=stat.S_IFREG | bits, size=len(data), uid=uid, gid=gid, mtime=mtime),
        data,
    ),
    names, st.binary(max_size=300), st.integers(0, 0o7777), numbers, numbers, numbers,
)  # fmt: skip
nodes = st.builds(
    lambda name, major, minor: (Entry(name=name, mode=stat.S_IFCHR | 0o600, device=(major, minor)), b""), names, numbers, numbers
)
links = st.builds(
    lambda name, target: (Entry(name=name, mode=stat.S_IFLNK | 0o777, size=len(target)), target), names, st.binary(min_size=1, max_size=99)
)


def listing(data: bytes) -> list[tuple[Entry, bytes]]:
    return [(entry, body.read()) for entry, body in members(io.BytesIO(data), "test.cpio")]


@given(st.lists(st.one_of(files, nodes, links), max_size=8))
def test_what_is_written_reads_back(content: list[tuple[Entry, bytes]]) -> None:
    written = packed(*content)
    assert listing(written) == content
    assert len(written) % 512 == 0
    assert packed(*content) == written


@given(st.lists(files, min_size=1, max_size=3), st.data())
def test_any_cut_is_noticed(content: list[tuple[Entry, bytes]], data: st.DataObject) -> None:
    whole = packed(*content)
    end = whole.index(b"TRAILER!!!") + len(b"TRAILER!!!")
    cut = data.draw(st.integers(1, end))
    with pytest.raises(ImageFailed, match=r"test\.cpio"):
        listing(whole[:cut])


@given(st.lists(files, max_size=3), st.data())
def test_mutations_raise_nothing_but_the_named_fault(content: list[tuple[Entry, bytes]], data: st.DataObject) -> None:
    mutated = bytearray(packed(*content))
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    try:
        listing(bytes(mutated))
    except ImageFailed:
        pass


@given(st.binary(min_size=1, max_size=600).filter(lambda data: any(data)))
def test_rubbish_is_no_archive(data: bytes) -> None:
    with pytest.raises(ImageFailed):
        listing(data)


def test_an_empty_file_is_no_archive() -> None:
    with pytest.raises(ImageFailed, match="empty"):
        listing(b"")
    with pytest.raises(ImageFailed, match="empty"):
        listing(bytes(2048))


def test_archives_one_after_another_are_read_as_one() -> None:
    one, two = (Entry(name="a", mode=stat.S_IFDIR | 0o755), b""), (Entry(name="a/b", mode=stat.S_IFREG, size=1), b"x")
    assert listing(packed(one) + bytes(1024) + packed(two)) == [one, two]


def test_hard_links_keep_their_identity() -> None:
    shared = (0, 1, 77)
    first = Entry(name="one", mode=stat.S_IFREG | 0o644, inode=shared, links=2)
    last = Entry(name="two", mode=stat.S_IFREG | 0o644, inode=shared, links=2, size=3)
    other = Entry(name="three", mode=stat.S_IFREG | 0o644)
    read = listing(packed((first, b""), (other, b""), (last, b"abc")))
    assert read[0][0].inode == read[2][0].inode != None  # noqa: E711 - part of a chain
    assert read[1][0].inode is None
    assert read[2][1] == b"abc"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: data.replace(b"070701", b"070702"), "newc"),
        (lambda data: b"+0" + data[2:], "newc"),
        (lambda data: data[:94] + b"00000000" + data[102:], "name of 0 bytes"),
        (lambda data: data[:94] + b"7fffffff" + data[102:], "name of 2147483647 bytes"),
        (lambda data: data[:110] + b"a\0b" + data[113:], "NUL"),
    ],
)
def test_damage_is_named(damage, says: str) -> None:  # type: ignore[no-untyped-def]
    whole = packed((Entry(name="abc", mode=stat.S_IFREG), b""))
    with pytest.raises(ImageFailed, match=says):
        listing(damage(whole))


def test_an_archive_that_announces_too_much_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpio, "MAX_CONTENT", 10)
    with pytest.raises(ImageFailed, match="too much"):
        listing(packed((Entry(name="big", mode=stat.S_IFREG, size=11), b"x" * 11)))


def test_a_file_that_shrinks_while_it_is_packed_is_noticed() -> None:
    with pytest.raises(ImageFailed, match="ended 2 bytes early"):
        Writer(io.BytesIO()).add(Entry(name="log", mode=stat.S_IFREG, size=5), io.BytesIO(b"abc"))


def test_names_and_numbers_that_the_format_cannot_hold_are_refused() -> None:
    with pytest.raises(ImageFailed, match="too long"):
        packed((Entry(name="x" * 4096, mode=stat.S_IFREG), b""))
    with pytest.raises(ImageFailed, match="doesn't fit"):
        packed((Entry(name="x", mode=stat.S_IFREG, mtime=1 << 33), b""))


@pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox")
def test_busybox_unpacks_it(tmp_path: Path) -> None:
    shared = (0, 1, 5)
    data = packed(
        (Entry(name="d", mode=stat.S_IFDIR | 0o755, links=2), b""),
        (Entry(name="d/one", mode=stat.S_IFREG | 0o640, inode=shared, links=2), b""),
        (Entry(name="d/two", mode=stat.S_IFREG | 0o640, inode=shared, links=2, size=5), b"hello"),
        (Entry(name="l", mode=stat.S_IFLNK | 0o777, size=5), b"d/two"),
    )
    subprocess.run(["busybox", "cpio", "-i"], input=data, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "l").read_text() == "hello"
    assert (tmp_path / "d/one").samefile(tmp_path / "d/two")
    assert stat.S_IMODE((tmp_path / "d/one").stat().st_mode) == 0o640


@pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox")
def test_what_busybox_packs_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("content")
    (tmp_path / "l").symlink_to("f")
    packed = subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], input=b"f\nl\n", cwd=tmp_path, check=True, capture_output=True).stdout
    assert [(entry.name, data) for entry, data in listing(packed)] == [("f", b"content"), ("l", b"f")]


def test_zeros_without_end_between_archives_are_refused() -> None:
    one = packed((Entry(name="a", mode=stat.S_IFREG), b""))
    with pytest.raises(ImageFailed, match="zeros"):
        listing(one + bytes(cpio.MAX_PADDING + 8) + one)


def test_end_marks_are_counted_and_carry_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpio, "MAX_MEMBERS", 10)
    with pytest.raises(ImageFailed, match="more than 10 files"):
        listing(packed() * 11)
    end = bytearray(packed())
    end[54:62] = b"40000000"
    with pytest.raises(ImageFailed, match="end mark"):
        listing(bytes(end))
