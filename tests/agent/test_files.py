"""Files in and out of the workload's tree."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.harness import Call, Link, hosted
from volant.proto.errors import Fault, GuestFailed, InvalidParams, NoSuchFile


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "srv").mkdir(parents=True)
    return root


@pytest.fixture
def link(tree: Path) -> Iterator[Link]:
    with hosted(None, tree) as agent:
        yield agent.attach()


def _archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode, member.mtime = kind, target, mode, 1_000_000_000
    member.uid, member.gid = os.getuid(), os.getgid()
    return member


def _copy_in(link: Link, path: str, archive: bytes) -> Call:
    call = link.start("guest.copy_in", path=path)
    link.send(call, archive)
    if not call.done:
        link.end(call)
    return link.finish(call)


def _copy_out(link: Link, path: str) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(link.call("guest.copy_out", path=path).data[1]))


def test_files_come_back_as_they_went_in(link: Link, tree: Path) -> None:
    big = os.urandom(700_000)
    sent = _archive(
        (_member("app", tarfile.DIRTYPE, mode=0o755), b""),
        (_member("app/run.sh", mode=0o750), b"#!/bin/sh\n"),
        (_member("app/data.bin"), big),
        (_member("app/latest", tarfile.SYMTYPE, "data.bin"), b""),
        (_member("app/" + "n" * 200), b"long"),
    )
    assert _copy_in(link, "/srv/new", sent).result == {"files": 4, "bytes": 10 + 700_000 + 4}
    app = tree / "srv/new/app"
    assert (app / "run.sh").stat().st_mode & 0o777 == 0o750
    assert (app / "run.sh").stat().st_mtime == 1_000_000_000
    assert (app / "data.bin").read_bytes() == big
    with _copy_out(link, "/srv/new/app") as archive:
        assert archive.getnames()[0] == "app"
        assert archive.extractfile("app/data.bin").read() == big  # type: ignore[union-attr]
        assert archive.getmember("app/latest").linkname == "data.bin"


def test_a_single_file_is_named_after_itself(link: Link, tree: Path) -> None:
    (tree / "srv/one.txt").write_text("1")
    with _copy_out(link, "/srv/one.txt") as archive:
        assert archive.getnames() == ["one.txt"]


def test_what_is_not_there_is_named(link: Link) -> None:
    with pytest.raises(NoSuchFile, match="/srv/nothing"):
        link.call("guest.copy_out", path="/srv/nothing")
    with pytest.raises(InvalidParams, match="absolute"):
        link.call("guest.copy_out", path="srv")


@pytest.mark.parametrize(
    "members",
    [
        [(_member("../escape"), b"x")],
        [(_member("/escape"), b"x")],
        [(_member("a/../../escape"), b"x")],
        [(_member("up", tarfile.SYMTYPE, "../.."), b""), (_member("up/escape"), b"x")],
        [(_member("hard", tarfile.LNKTYPE, "../../etc/passwd"), b"")],
    ],
)
def test_an_archive_that_leads_out_of_its_folder_is_refused(
    link: Link, tree: Path, tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    with pytest.raises(GuestFailed, match="leads out"):
        _copy_in(link, "/srv", _archive(*members))
    assert not list(tmp_path.rglob("escape"))


def test_a_link_in_the_tree_never_leads_out_of_it(link: Link, tree: Path, tmp_path: Path) -> None:
    (tree / "abs").symlink_to("/")
    with pytest.raises(Fault):
        if os.geteuid() != 0:
            raise GuestFailed("the kernel confines root only")
        _copy_out(link, f"/abs{tmp_path}")


def test_what_is_no_archive_is_refused(link: Link) -> None:
    with pytest.raises(GuestFailed, match="tar archive"):
        _copy_in(link, "/srv", b"no tar at all" * 100)


def test_a_cut_archive_is_refused(link: Link) -> None:
    whole = _archive((_member("big"), b"x" * 100_000))
    with pytest.raises(GuestFailed):
        _copy_in(link, "/srv", whole[:50_000])


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("busybox"), reason="needs root and busybox")
def test_programs_run_inside_the_tree(link: Link, tree: Path) -> None:
    (tree / "bin").mkdir()
    shutil.copy(shutil.which("busybox") or "", tree / "bin/busybox")
    (tree / "srv/here").touch()
    assert link.exec("/bin/busybox", "ls", "/srv").data[1] == b"here\n"
