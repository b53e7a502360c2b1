"""Archives of guests that mean harm, and of guests that don't."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volant.client.cli.tarball import MAX_HEADERS, HostileArchive, Unpacker, link_stays_inside, pack, safe_parts
from volant.proto.errors import Failed


def archive(*members: tuple[str, bytes, dict[str, object]]) -> io.BytesIO:
    """A tar stream of (name, type, fields) members; a regular one holds its own name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, kind, fields in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755 if kind == tarfile.DIRTYPE else 0o644
            for key, value in fields.items():
                setattr(info, key, value)
            data = name.encode() if kind == tarfile.REGTYPE else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    stream.seek(0)
    return stream


def unpack(stream: io.BytesIO, target: Path) -> Unpacker:
    unpacker = Unpacker(str(target), lambda done: None)
    unpacker.unpack(stream)
    return unpacker


FILE, FOLDER, LINK, HARD, DEVICE, PIPE = (
    tarfile.REGTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.FIFOTYPE,
)


def test_a_folder_comes_out_as_it_was_under_its_new_name(tmp_path: Path) -> None:
    stream = archive(
        ("www", FOLDER, {"mode": 0o750}),
        ("www/a", FILE, {"mode": 0o640, "mtime": 1_000_000_000}),
        ("www/b", LINK, {"linkname": "a"}),
        ("www/c/d", FILE, {}),
    )
    unpacker = unpack(stream, tmp_path / "site")
    assert (tmp_path / "site/a").read_bytes() == b"www/a"
    assert (tmp_path / "site/a").stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "site/a").stat().st_mtime == 1_000_000_000
    assert (tmp_path / "site").stat().st_mode & 0o7777 == 0o750
    assert os.readlink(tmp_path / "site/b") == "a"
    assert (unpacker.files, unpacker.bytes, unpacker.skipped) == (2, 12, [])


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "www/../../x", "www/../x/../../y"])
def test_a_name_that_leads_out_ends_it(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    with pytest.raises(HostileArchive):
        unpack(archive(("www", FOLDER, {}), (name, FILE, {})), inside / "www")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_second_tree_beside_the_first_ends_it(tmp_path: Path) -> None:
    with pytest.raises(HostileArchive):
        unpack(archive(("www", FOLDER, {}), ("other/x", FILE, {})), tmp_path / "www")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = tmp_path / "www"
    target.mkdir()
    (target / "way").symlink_to(outside)  # as an earlier copy might have left it
    with pytest.raises(Failed):
        unpack(archive(("www", FOLDER, {}), ("www/way/x", FILE, {})), target)
    assert list(outside.iterdir()) == []


def test_a_link_in_a_files_place_is_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("safe")
    (tmp_path / "www").mkdir()
    (tmp_path / "www/a").symlink_to(victim)
    unpack(archive(("www", FOLDER, {}), ("www/a", FILE, {})), tmp_path / "www")
    assert victim.read_text() == "safe"
    assert not (tmp_path / "www/a").is_symlink()


def test_what_is_not_copied_is_told(tmp_path: Path) -> None:
    stream = archive(
        ("www", FOLDER, {}),
        ("www/out", LINK, {"linkname": "/etc/passwd"}),
        ("www/up", LINK, {"linkname": "../../x"}),
        ("www/hard", HARD, {"linkname": "/etc/shadow"}),
        ("www/null", DEVICE, {"devmajor": 1, "devminor": 3}),
        ("www/pipe", PIPE, {}),
        ("www/kept", FILE, {"mode": 0o6755}),
    )
    unpacker = unpack(stream, tmp_path / "www")
    assert sorted(path.name for path in (tmp_path / "www").iterdir()) == ["kept"]
    assert (tmp_path / "www/kept").stat().st_mode & 0o7777 == 0o755
    assert [name for name, _ in unpacker.skipped] == ["www/out", "www/up", "www/hard", "www/null", "www/pipe"]


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a/inner").mkdir(parents=True)
    with pytest.raises(Failed, match="folder"):
        unpack(archive(("a", FILE, {})), tmp_path / "a")


def test_a_damaged_archive_is_one_sentence(tmp_path: Path) -> None:
    stream = io.BytesIO(archive(("www/a", FILE, {})).getvalue()[:700])
    with pytest.raises(Failed):
        unpack(stream, tmp_path / "www")


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b", "/"]), max_size=6).map("/".join))
def test_safe_parts_never_climb(name: str) -> None:
    try:
        parts = safe_parts(name)
    except HostileArchive:
        return
    assert ".." not in parts and not name.startswith("/")


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["..", ".", "a", "b"]), min_size=1, max_size=6).map("/".join))
def test_a_link_that_stays_inside_resolves_inside(target: str) -> None:
    where = os.path.normpath(os.path.join("/root/x", target))
    inside = where == "/root" or where.startswith("/root/")
    assert inside or not link_stays_inside(("x", "link"), target)


def test_links_through_links_do_not_lead_out(tmp_path: Path) -> None:
    stream = archive(("www", FOLDER, {}), ("www/here", LINK, {"linkname": "."}), ("www/out", LINK, {"linkname": "here/here/../../x"}))
    assert [name for name, _ in unpack(stream, tmp_path / "www").skipped] == ["www/out"]
    assert link_stays_inside(("x", "y", "link"), "../../z") and not link_stays_inside(("x", "link"), "../../z")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_without_end_are_not_kept_in_memory(tmp_path: Path, kind: bytes) -> None:
    class Endless:
        taken = 0

        def __init__(self) -> None:
            claim = tarfile.TarInfo("a")
            claim.type, claim.size = kind, 1 << 40
            self.head = claim.tobuf(tarfile.GNU_FORMAT)

        def read(self, size: int = -1, /) -> bytes:
            piece, self.head = self.head[:size], self.head[size:]
            self.taken += size
            assert self.taken < 4 * MAX_HEADERS
            return piece.ljust(size, b"x")

    with pytest.raises(Failed, match="headers"):
        Unpacker(str(tmp_path / "www"), lambda done: None).unpack(Endless())


def test_what_is_packed_unpacks_to_the_same(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep/er").mkdir(parents=True)
    (source / "deep/er/file").write_bytes(os.urandom(200_000))
    (source / "empty").mkdir()
    (source / "link").symlink_to("deep/er/file")
    stream = io.BytesIO()
    assert pack(str(source), "name", stream, lambda done: None) == 1
    stream.seek(0)
    unpack(stream, tmp_path / "copy")
    assert (tmp_path / "copy/deep/er/file").read_bytes() == (source / "deep/er/file").read_bytes()
    assert (tmp_path / "copy/empty").is_dir()
    assert os.readlink(tmp_path / "copy/link") == "deep/er/file"
