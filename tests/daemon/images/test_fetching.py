"""Artifacts into the cache: from files and over http, and every way in which that goes wrong."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import trio

from tests.daemon.images import samples
from tests.fakes.http_server import WebServer, web_server
from volant.daemon.images.download import MAX_REDIRECTS, Patience
from volant.daemon.images.library import ImageLibrary
from volant.daemon.ports import CachedImage
from volant.proto.errors import HostShort, ImageFailed

BODY = samples.ext4()
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with web_server() as server:
        yield server


@pytest.fixture
async def library(tmp_path: Path) -> ImageLibrary:
    made = ImageLibrary(tmp_path / "state", max_bytes=1 << 30)
    await made.prepare()
    return made


def kept(tmp_path: Path) -> list[str]:
    """What the cache holds, drafts included."""
    images = tmp_path / "state/images"
    return sorted(path.name for part in ("sha256", "drafts") for path in (images / part).iterdir())


async def refused(library: ImageLibrary, url: str, *, checksum: str = "", format: str = "raw") -> str:
    with pytest.raises(ImageFailed) as caught:
        await library.fetch(url, checksum=checksum, format=format)
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize("checksum", ["", DIGEST, f"sha256:{DIGEST}", DIGEST.upper()])
@pytest.mark.parametrize("prefix", ["", "file://"])
async def test_a_file_is_copied_and_verified(library: ImageLibrary, tmp_path: Path, prefix: str, checksum: str) -> None:
    source = tmp_path / "root 1,2.img"
    source.write_bytes(BODY)
    url = str(source) if not prefix else source.as_uri()
    image = await library.fetch(url, checksum=checksum, format="raw")
    assert (image.sha256, image.size, image.format, image.writable) == (DIGEST, len(BODY), "raw", True)
    source.write_bytes(bytes(len(BODY)))
    assert image.path.read_bytes() == BODY, "the source may change later"
    assert image.path.stat().st_mode & 0o222 == 0
    assert await library.cached(DIGEST) == image
    assert kept(tmp_path) == [DIGEST]


async def test_another_user_may_read_an_image_and_not_list_the_cache(library: ImageLibrary, tmp_path: Path) -> None:
    source = tmp_path / "root.img"
    source.write_bytes(BODY)
    image = await library.fetch(str(source), checksum="", format="raw")
    assert image.path.stat().st_mode & 0o777 == 0o444
    assert image.path.parent.stat().st_mode & 0o777 == image.path.parent.parent.stat().st_mode & 0o777 == 0o711


async def test_holes_stay_holes(library: ImageLibrary, tmp_path: Path) -> None:
    source = tmp_path / "sparse.img"
    source.write_bytes(BODY)
    os.truncate(source, 64 << 20)
    image = await library.fetch(str(source), checksum="", format="raw")
    assert image.size == 64 << 20 and image.path.stat().st_blocks * 512 < 2 << 20


async def test_over_http_with_redirects_and_progress(library: ImageLibrary, web: WebServer, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    async def progress(done: int, total: int) -> None:
        told.append((done, total))

    web.serve("/b", BODY)
    image = await library.fetch(web.redirect("/a", "/b"), checksum=DIGEST, format="raw", progress=progress)
    assert image.path.read_bytes() == BODY
    assert told[0] == (0, len(BODY)) and told[-1] == (len(BODY), len(BODY))


async def test_what_is_cached_is_not_fetched_again(library: ImageLibrary, web: WebServer) -> None:
    url = web.serve("/x", BODY)
    assert await library.fetch(url, checksum=DIGEST, format="raw") == await library.fetch(url, checksum=DIGEST, format="raw")
    assert web.asked["/x"] == 1
    assert "is no qcow2" in await refused(library, url, checksum=DIGEST, format="qcow2")
    await library.forget(DIGEST)
    await library.forget(DIGEST)
    assert await library.cached(DIGEST) is None and await library.cached("../../etc/passwd") is None


async def test_fetches_of_the_same_share_one_transfer(library: ImageLibrary, web: WebServer) -> None:
    url, images = web.serve("/x", BODY), list[CachedImage]()

    async def fetch() -> None:
        images.append(await library.fetch(url, checksum="", format="raw"))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(fetch)
    assert web.asked["/x"] == 1 and {image.sha256 for image in images} == {DIGEST} and len(images) == 8


async def test_cancelling_ends_a_stalled_transfer_at_once_and_others_go_on(tmp_path: Path, web: WebServer) -> None:
    library = ImageLibrary(tmp_path / "state")
    await library.prepare()
    url = web.stall("/x", BODY[:1000], length=len(BODY))
    images: list[CachedImage] = []

    async def fetch() -> None:
        images.append(await library.fetch(url, checksum="", format="raw"))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as first:

                async def cancel_and_serve(done: int, total: int) -> None:
                    web.serve("/x", BODY)
                    nursery.start_soon(fetch)
                    await trio.testing.wait_all_tasks_blocked(0.05)
                    first.cancel()

                await library.fetch(url, checksum="", format="raw", progress=cancel_and_serve)
            assert first.cancelled_caught
    assert [image.sha256 for image in images] == [DIGEST]
    assert kept(tmp_path) == [DIGEST]


async def test_a_cancelled_transfer_that_waits_for_the_network_ends_at_once(tmp_path: Path, web: WebServer) -> None:
    library = ImageLibrary(tmp_path / "state")
    await library.prepare()
    url = web.stall("/x", BODY[:1000], length=len(BODY))
    with trio.fail_after(10):
        with trio.move_on_after(0.3) as scope:
            await library.fetch(url, checksum="", format="raw")
    assert scope.cancelled_caught and kept(tmp_path) == []


async def test_what_goes_wrong_over_http_is_one_sentence_each(library: ImageLibrary, web: WebServer, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        assert "nobody listens" in await refused(library, closed)
    assert "404" in await refused(library, web.url + "/missing")
    assert "can't be resolved" in await refused(library, "http://name.invalid/x")
    hasty = ImageLibrary(tmp_path / "state", patience=Patience(connect_seconds=5, stall_seconds=0.2))
    assert "no answer" in await refused(hasty, web.stall("/stall", BODY[:100], length=len(BODY)))
    assert "broke off after 100 of" in await refused(library, web.serve("/short", BODY[:100], length=len(BODY)))
    assert "does not match its checksum" in await refused(library, web.serve("/x", BODY), checksum="0" * 64)
    assert "at most" in await refused(library, web.serve("/huge", b"", length=10**15))
    assert "is no file system" in await refused(library, web.serve("/html", b"<html>sign in</html>"))
    assert "can't be fetched" in await refused(library, "http://127.0.0.1:99999/x")
    assert "can't be fetched" in await refused(library, "http://a b/x")
    assert "closed the connection" in await refused(library, _dropped(web))
    assert kept(tmp_path) == []


def _dropped(web: WebServer) -> str:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True

    web.answers["/drop"] = answer
    return web.url + "/drop"


async def test_redirects_are_followed_neither_in_circles_nor_elsewhere(library: ImageLibrary, web: WebServer, tmp_path: Path) -> None:
    web.redirect("/a", "/b")
    assert "in a circle" in await refused(library, web.redirect("/b", "/a"))
    for number in range(MAX_REDIRECTS + 1):
        web.redirect(f"/r{number}", f"/r{number + 1}")
    assert f"more than {MAX_REDIRECTS} times" in await refused(library, web.url + "/r0")
    secret = tmp_path / "secret"
    secret.write_bytes(BODY)
    assert "not allowed" in await refused(library, web.redirect("/file", secret.as_uri()))
    assert "neither http nor https" in await refused(library, web.redirect("/ftp", "ftp://127.0.0.1/x"))
    assert kept(tmp_path) == []


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, signed by itself, and its key."""
    made, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", *kind, *subject, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key


async def test_https_holds_the_server_to_its_certificate(
    library: ImageLibrary, web: WebServer, certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with web_server(context) as secure:
        url = secure.serve("/root.img", BODY)
        assert "its certificate is not valid" in await refused(library, url)
        assert secure.asked["/root.img"] == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        plain = secure.redirect("/plain", web.serve("/root.img", BODY))
        assert "redirects from https to unprotected http" in await refused(library, plain)
        assert (await library.fetch(url, checksum=DIGEST, format="raw")).sha256 == DIGEST
    assert kept(tmp_path) == [DIGEST]


async def test_a_source_that_is_no_file_is_one_sentence(library: ImageLibrary, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "does not exist" in await refused(library, str(tmp_path / "missing"))
    assert "no regular file" in await refused(library, str(tmp_path))
    assert "no regular file" in await refused(library, str(tmp_path / "fifo"))
    assert "no place" in await refused(library, "ftp://h/x")
    assert "no SHA-256" in await refused(library, "/x", checksum="md5:12")
    assert "no format" in await refused(library, "/x", format="vmdk")
    hostile = tmp_path / "hostile.qcow2"
    hostile.write_bytes(samples.qcow2(backing=512))
    assert "refers to another file" in await refused(library, str(hostile), format="qcow2")
    assert kept(tmp_path) == []


async def test_drafts_of_an_earlier_daemon_are_swept(library: ImageLibrary, tmp_path: Path) -> None:
    (tmp_path / "state/images/drafts/left").write_bytes(b"half")
    (tmp_path / "state/images/drafts/folder").mkdir()
    (tmp_path / "state/images/drafts/folder/left").write_bytes(b"half")
    await library.prepare()
    assert kept(tmp_path) == []


@pytest.mark.root
@pytest.mark.parametrize("announced", [True, False])
async def test_a_full_disk_is_named_with_what_is_missing(tmp_path: Path, web: WebServer, announced: bool) -> None:
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(state)], check=True)
    try:
        library = ImageLibrary(state)
        await library.prepare()
        body = BODY + os.urandom(2 << 20)

        def chunked(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            request.wfile.write(body)

        url = web.serve("/x", body)
        if not announced:
            web.answers["/x"] = chunked
        with pytest.raises(HostShort, match=str(state)) as caught:
            await library.fetch(url, checksum="", format="raw")
        assert caught.value.data["missing_bytes"] > 0
        assert "MiB more are needed" in caught.value.message
        assert kept(tmp_path) == []
    finally:
        subprocess.run(["umount", str(state)], check=True)


async def test_a_file_that_claims_more_than_is_taken_is_refused_before_it_is_copied(library: ImageLibrary, tmp_path: Path) -> None:
    huge = tmp_path / "huge.img"  # as /proc/kcore does, which is a regular file of 128 TiB without a block
    huge.touch()
    os.truncate(huge, 2 << 30)
    assert f"has {2 << 30} bytes; at most" in await refused(library, str(huge))
    assert not kept(tmp_path)
