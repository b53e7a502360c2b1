"""The workload's life: health, output, end; and HTTP to it."""

from __future__ import annotations

import socket
import sys
import time
from typing import Any

import pytest

from tests.agent.harness import Call, Hosted, Link, hosted, manifest
from volant.proto.errors import GuestFailed, InvalidParams, Timeout

SERVER = r"""
import http.server, sys, time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(60)
        if self.path == "/sick":
            self.send_error(500); return
        if self.path == "/chunks":
            self.send_response(200); self.send_header("Transfer-Encoding", "chunked"); self.end_headers()
            for part in (b"one ", b"two"):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n"); return
        self.reply(self.path.encode() + b" " + self.headers.get("X-Ask", "").encode())
    def do_POST(self):
        self.reply(self.rfile.read(int(self.headers.get("Content-Length", 0))))
    def reply(self, body):
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.send_header("X-Answer", "yes")
        self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
print("serving", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _server(health: str = "/healthy", **more: Any) -> dict[str, Any]:
    port = _free_port()
    health_check = {"endpoint": health, **more}
    return manifest(sys.executable, "-c", SERVER, str(port), base_url=f"http://127.0.0.1:{port}", health_check=health_check)


def _watched(link: Link, *phases: str) -> dict[str, Any]:
    """The status once it is in one of `phases`."""
    call = link.start("guest.watch")
    link.until(lambda: call.items and call.items[-1]["phase"] in phases)
    status: dict[str, Any] = call.items[-1]
    return status


def _http(link: Link, verb: str, path: str, body: bytes = b"", **more: Any) -> Call:
    call = link.start("guest.http", method=verb, path=path, **more)
    link.send(call, body)
    if not call.done:
        link.end(call)
    return link.finish(call)


def test_ready_comes_with_the_first_healthy_answer_and_http_works() -> None:
    with hosted(_server()) as agent:
        link = agent.attach()
        status = _watched(link, "ready", "failed", "exited")
        assert (status["phase"], status["health"]) == ("ready", "healthy")
        assert status["timings"]["ready"] >= status["timings"]["workload"]
        answer = _http(link, "GET", "/a?b=c", headers=[["X-Ask", "what"]])
        assert answer.items[0]["status"] == 200
        assert ["X-Answer", "yes"] in answer.items[0]["headers"]
        assert answer.data[1] == b"/a?b=c what"
        assert _http(link, "GET", "/chunks").data[1] == b"one two"
        assert _http(link, "POST", "/", b"x" * 60_000).data[1] == b"x" * 60_000
        assert _http(link, "GET", "/sick").items[0]["status"] == 500
        with pytest.raises(Timeout, match=r"0\.3 s"):
            _http(link, "GET", "/slow", timeout_ms=300)
        with pytest.raises(InvalidParams):
            _http(link, "GET", "/a b")
        with pytest.raises(InvalidParams):
            _http(link, "GET", "/", headers=[["X", "a\r\nHost: evil"]])
        assert link.call("guest.info").result["workload_pid"] > 0


def test_a_workload_that_never_gets_healthy_fails_with_its_last_answer() -> None:
    with hosted(_server("/sick", timeout_ms=1_500)) as agent:
        status = _watched(agent.attach(), "ready", "failed", "exited")
    assert status["phase"] == "failed"
    assert "never became healthy within 1.5 s" in status["message"]


def test_an_early_end_tells_code_and_last_words() -> None:
    with hosted(manifest("sh", "-c", "echo no database; echo giving up >&2; exit 4")) as agent:
        status = _watched(agent.attach(), "failed", "exited")
    assert (status["phase"], status["exit_code"]) == ("exited", 4)
    assert "exited with code 4 before it was ready" in status["message"]
    assert "no database" in status["message"] and "giving up" in status["message"]


def test_a_missing_program_fails_the_start() -> None:
    with hosted(manifest("/srv/no-such-app")) as agent:
        status = _watched(agent.attach(), "failed", "exited")
    assert (status["phase"], status["message"]) == ("failed", "the workload could not be started: '/srv/no-such-app' was not found")


def test_without_a_health_check_running_is_ready_and_the_end_is_noticed() -> None:
    with hosted(manifest("sh", "-c", "sleep 0.5; kill -9 $$")) as agent:
        link = agent.attach()
        assert _watched(link, "ready")["health"] == "unknown"
        status = _watched(link, "exited")
        assert (status["exit_code"], status["message"]) == (137, "the workload was killed by signal 9")
        with pytest.raises(GuestFailed, match="not running: the workload was killed"):
            _http(link, "GET", "/")
        assert link.exec("echo", "still here").data[1] == b"still here\n"


def test_a_workload_nobody_listens_for_is_told_as_down() -> None:
    with hosted(manifest("sleep", "60", base_url=f"http://127.0.0.1:{_free_port()}")) as agent:
        link = agent.attach()
        _watched(link, "ready")
        with pytest.raises(GuestFailed, match="connection refused"):
            _http(link, "GET", "/")


def test_output_is_kept_by_line_and_stream() -> None:
    with hosted(manifest("sh", "-c", 'echo one; echo "$NAME" >&2; printf three; sleep 60', env={"NAME": "two"})) as agent:
        link = agent.attach()
        follow = link.start("guest.logs", follow=True, tail=-1)
        link.until(lambda: sum(item["stream"] != "agent" for item in follow.items) >= 2)
        lines = {(item["stream"], item["text"]) for item in follow.items}
        assert {("stdout", "one"), ("stderr", "two")} <= lines
        numbers = [item["seq"] for item in follow.items]
        assert numbers == list(range(1, len(numbers) + 1))
        assert [item["text"] for item in link.call("guest.logs", tail=1).items] == [follow.items[-1]["text"]]
        assert link.call("guest.logs", since="2100-01-01T00:00:00Z").items == []
        with pytest.raises(InvalidParams, match="RFC 3339"):
            link.call("guest.logs", since="yesterday")


def test_a_flood_of_output_costs_bounded_memory() -> None:
    flood = "import sys\nline = b'x' * 99 + b'\\n'\nfor _ in range(1_000_000): sys.stdout.buffer.write(line)\nsys.stdout.flush()"
    with hosted(manifest(sys.executable, "-c", flood)) as agent:
        link = agent.attach()
        _watched(link, "exited")
        assert agent.memory_mib() < 60
        lines = link.call("guest.logs", tail=-1).items
        assert 5_000 < len(lines) <= 10_000
        assert lines[0]["seq"] > 900_000


def test_shutdown_stops_the_workload_first() -> None:
    with hosted(manifest("sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done")) as agent:
        link = agent.attach()
        follow = link.start("guest.logs", follow=True)
        link.until(lambda: any(item["text"] == "up" for item in follow.items))
        link.call("guest.shutdown", grace_ms=5_000)
        assert agent.process.wait(10) == 0
        assert _said(agent).endswith(b"power off\n")
        assert any(item["text"] == "bye" for item in follow.items)


def test_a_workload_that_ignores_the_request_is_killed_after_its_grace() -> None:
    with hosted(manifest("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")) as agent:
        link = agent.attach()
        _watched(link, "ready")
        begun = time.monotonic()
        link.call("guest.shutdown", grace_ms=300, reboot=True)
        assert agent.process.wait(10) == 0
        assert 0.3 <= time.monotonic() - begun < 5
        assert _said(agent).endswith(b"restart\n")


def _said(agent: Hosted) -> bytes:
    assert agent.process.stdout is not None
    return agent.process.stdout.read()
