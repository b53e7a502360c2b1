"""A manifest that is named by its URL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from volant.client.cli.commands.plugin_install import read_manifest, resolved
from volant.proto.errors import InvalidManifest, Usage
from volant.proto.specs.manifest_text import MAX_MANIFEST


class Pages(BaseHTTPRequestHandler):
    """One manifest, one page that is too long, and nothing else."""

    def do_GET(self) -> None:
        pages = {"/hello/plugin.json": b'{"name": "hello", "rootfs": {"url": "root.img"}}', "/long": b" " * (MAX_MANIFEST + 1)}
        body = pages.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_its_images_are_looked_for_beside_it(site: str) -> None:
    assert read_manifest(f"{site}/hello/plugin.json") == {"name": "hello", "rootfs": {"url": f"{site}/hello/root.img"}}


def test_what_is_not_there_or_too_long_is_told_in_a_sentence(site: str) -> None:
    with pytest.raises(Usage, match="can't be fetched: Not Found"):
        read_manifest(f"{site}/nothing")
    with pytest.raises(Usage, match="larger than 128 KiB"):
        read_manifest(f"{site}/long")
    with pytest.raises(Usage, match="can't be fetched"):
        read_manifest("http://127.0.0.1:1/x")


def test_it_can_name_no_file_of_this_host() -> None:
    assert resolved({"rootfs": {"url": "/etc/shadow"}}, "https://example.org/p") == {"rootfs": {"url": "https://example.org/etc/shadow"}}
    with pytest.raises(InvalidManifest, match="neither http nor https"):
        resolved({"rootfs": {"url": "file:///etc/shadow"}}, "https://example.org/p")
