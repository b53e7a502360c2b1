"""What the agent reads and decides without touching anything: configuration, HTTP, logs, disks, paths."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.agent import disks, relay
from volant.agent.config import MAX_MANIFEST, ConfigError, command_line_words, decode_manifest, read_config
from volant.agent.http1 import BodyReader, HttpError, chunk, parse_head, render_head, response_body
from volant.agent.logs import MAX_LINE, MAX_LINES, Logs, rfc3339
from volant.agent.loop import Condition, Loop
from volant.agent.tree import TreeError, inside
from volant.proto.errors import InvalidParams

MANIFEST = {
    "workload": {"type": "http", "base_url": "http://127.0.0.1:80", "entrypoint": ["/app"], "env": {"A": "1"}},
    "health_check": {"endpoint": "/up", "timeout_ms": 700},
    "actions": {"greet": {"method": "get", "path": "/greet"}},
    "disks": [{"name": "a", "target": "/a", "readonly": True}, {"name": "b", "target": "vdc"}, {"name": "c", "target": "/c"}],
}


def _word(manifest: Any, *, zipped: bool = True) -> str:
    raw = json.dumps(manifest).encode()
    return base64.urlsafe_b64encode(gzip.compress(raw) if zipped else raw).decode().rstrip("=")


@pytest.mark.parametrize("zipped", [True, False])
def test_the_command_line_says_it_all(zipped: bool) -> None:
    net = "volant.ip=10.0.0.2/24 volant.gw=10.0.0.1 volant.dns=1.1.1.1,9.9.9.9"
    line = f"quiet volant.id=ab volant.name=web-1 {net} volant.manifest={_word(MANIFEST, zipped=zipped)}"
    config = read_config(command_line_words(line), b"")
    assert (config.vm_id, config.hostname, config.boot) == ("ab", "web-1", "auto")
    assert config.network is not None
    assert (config.network.ip, config.network.prefix, config.network.gateway, config.network.dns) == (
        "10.0.0.2",
        24,
        "10.0.0.1",
        ("1.1.1.1", "9.9.9.9"),
    )
    assert config.workload is not None
    assert (config.workload.entrypoint, config.workload.health_path, config.workload.health_timeout_ms) == (("/app",), "/up", 700)
    assert config.actions["greet"].method == "GET"
    assert [(disk.serial, disk.target, disk.readonly) for disk in config.disks] == [("disk-0", "/a", True), ("disk-2", "/c", False)]


def test_the_blob_wins_over_the_command_line() -> None:
    blob = json.dumps({"manifest": MANIFEST, "hostname": "blob", "net": {"ip": "10.1.0.2", "prefix": 16}}).encode()
    config = read_config({"name": "word", "ip": "10.0.0.2/24"}, blob)
    assert config.hostname == "blob"
    assert config.network is not None and (config.network.ip, config.network.prefix) == ("10.1.0.2", 16)


@pytest.mark.parametrize(
    "blob", [b"{", b"[]", b'{"manifest": []}x', b'{"manifest": {"workload": {"entrypoint": []}}}', b'{"net": {"ip": "1/x"}}']
)
def test_a_config_that_makes_no_sense_is_one_sentence(blob: bytes) -> None:
    with pytest.raises(ConfigError):
        read_config({}, blob)


@given(st.text(alphabet="ABCDEFabcdef0123456789-_=+/.~", max_size=200))
def test_any_word_is_a_manifest_or_a_named_error(word: str) -> None:
    try:
        decode_manifest(word)
    except ConfigError:
        pass


def test_a_manifest_that_unpacks_too_far_is_refused() -> None:
    with pytest.raises(ConfigError, match="unpacks to more"):
        decode_manifest(_word({"x": "a" * (MAX_MANIFEST + 1)}))


def test_heads_are_read_and_written() -> None:
    head = parse_head(b"HTTP/1.1 200 All right\r\nA: b\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 3\r\n")
    assert head.first == ("HTTP/1.1", "200", "All right")
    assert head.passed_on() == [("A", "b"), ("Content-Length", "3")]
    with pytest.raises(HttpError):
        render_head("GET / HTTP/1.1", [("A", "b\r\nC: d")])


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.integers(1, 20))
def test_a_chunked_body_is_the_same_however_it_is_cut(parts: list[bytes], step: int) -> None:
    raw = b"".join(map(chunk, parts)) + b"0\r\nTrailer: x\r\n\r\n"
    body = BodyReader(length=None, chunked=True)
    got = b"".join(body.feed(raw[start : start + step]) for start in range(0, len(raw), step))
    assert got == b"".join(parts)
    assert body.done


@pytest.mark.parametrize("raw", [b"-5\r\n", b"0x5\r\n", b"\r\n", b"zz\r\n", b"1" * 2000])
def test_a_chunk_size_that_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(HttpError):
        BodyReader(length=None, chunked=True).feed(raw)


@pytest.mark.parametrize(
    ("method", "status", "headers", "takes"),
    [
        ("GET", 200, b"Content-Length: 3\r\n", b"abc"),
        ("GET", 200, b"Transfer-Encoding: chunked\r\nContent-Length: 9\r\n", b"a"),
        ("GET", 200, b"", b"abcd\r\n0\r\n\r\n"),
        ("HEAD", 200, b"Content-Length: 3\r\n", b""),
        ("GET", 204, b"", b""),
        ("GET", 304, b"Content-Length: 3\r\n", b""),
    ],
)
def test_where_a_responses_body_ends(method: str, status: int, headers: bytes, takes: bytes) -> None:
    body = response_body(method, status, parse_head(b"HTTP/1.1 200\r\n" + headers))
    raw = b"1\r\na\r\n0\r\n\r\n" if b"chunked" in headers else b"abcd\r\n0\r\n\r\n"
    assert body.feed(raw) == takes
    body.end()
    assert body.done


@pytest.mark.parametrize("length", ["-1", "3 4", "x", "9" * 19, "9" * 5_000])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(HttpError, match="no content length"):
        response_body("GET", 200, parse_head(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n".encode()))


@pytest.mark.parametrize("headers", ["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"])
def test_a_body_that_breaks_off_is_told(headers: str) -> None:
    body = response_body("GET", 200, parse_head(f"HTTP/1.1 200 OK\r\n{headers}".encode()))
    body.feed(b"1\r")
    with pytest.raises(HttpError, match="in the middle"):
        body.end()


@pytest.mark.parametrize(
    ("url", "authority", "prefix"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", ""),
        ("http://localhost/api/", "127.0.0.1", "/api"),
        ("http://0.0.0.0:81", "127.0.0.1:81", ""),
        ("http://[::1]:8000/x", "[::1]:8000", "/x"),
    ],
)
def test_base_urls(url: str, authority: str, prefix: str) -> None:
    base = relay.parse_base_url(url)
    assert (base.authority, base.prefix) == (authority, prefix)


@pytest.mark.parametrize("url", ["", "https://127.0.0.1", "http://example.org", "http://127.0.0.1:http", "127.0.0.1:80"])
def test_a_base_url_that_cannot_be_called_is_refused(url: str) -> None:
    with pytest.raises(InvalidParams, match="base_url"):
        relay.parse_base_url(url)


@pytest.fixture
def logs() -> Logs:
    return Logs(Condition(Loop(lambda task, failure: None)), wall=lambda: 1_700_000_000.25)


def test_lines_are_cut_at_line_ends_only(logs: Logs) -> None:
    for piece in (b"on", b"e\r\ntw", b"o\n\nthr", b"ee"):
        logs.feed("stdout", piece)
    logs.finish("stdout")
    assert [line.text for line in logs.after(0, 10)] == ["one", "two", "", "three"]
    assert logs.after(0, 1)[0].to_wire() == {"seq": 1, "time": "2023-11-14T22:13:20.250Z", "stream": "stdout", "text": "one"}


def test_the_ring_keeps_the_newest_and_counts_the_rest(logs: Logs) -> None:
    logs.feed("stdout", b"x\n" * (MAX_LINES + 500))
    assert logs.dropped == 500
    assert logs.after(0, 1)[0].seq == 501
    assert logs.start_of(3, None) == MAX_LINES + 497


def test_a_line_without_an_end_is_cut_into_several(logs: Logs) -> None:
    logs.feed("stdout", b"x" * (3 * MAX_LINE + 5))
    assert [len(line.text) for line in logs.after(0, 10)] == [MAX_LINE] * 3


def test_times_are_utc() -> None:
    assert rfc3339(0.5) == "1970-01-01T00:00:00.500Z"


@pytest.mark.parametrize(
    ("kind", "offset", "mark"),
    [
        ("squashfs", 0, b"hsqs"),
        ("ext4", 1080, b"\x53\xef"),
        ("erofs", 1024, b"\xe2\xe1\xf5\xe0"),
        ("iso9660", 32_769, b"CD001"),
        ("", 0, b""),
    ],
)
def test_file_systems_are_told_by_their_marks(kind: str, offset: int, mark: bytes) -> None:
    assert disks.recognise((bytes(offset) + mark).ljust(36_864, b"\0")) == kind


def test_disks_are_found_by_serial_and_volumes_by_size(tmp_path: Path) -> None:
    for name, serial in (("vda", "other"), ("vdb", "rootfs")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "serial").write_text(serial)
    for part, size in (("vdb1", 100), ("vdb2", 900)):
        (tmp_path / "vdb" / part).mkdir()
        (tmp_path / "vdb" / part / "size").write_text(f"{size}\n")
    assert disks.find_disk("rootfs", str(tmp_path)) == "vdb"
    assert disks.find_disk("missing", str(tmp_path)) == ""
    assert disks.volumes("vdb", str(tmp_path)) == ["/dev/vdb", "/dev/vdb2", "/dev/vdb1"]


def test_paths_of_the_tree_follow_links_without_leaving_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "abs").symlink_to("/etc")
    (tmp_path / "up").symlink_to("../../../etc")
    (tmp_path / "round").symlink_to("round")
    tree = str(tmp_path)
    assert inside(tree, "/abs/x") == f"{tree}/etc/x"
    assert inside(tree, "up/x") == f"{tree}/etc/x"
    assert inside(tree, "../../x") == f"{tree}/x"
    with pytest.raises(TreeError, match="circle"):
        inside(tree, "round")
