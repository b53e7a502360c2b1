"""The guest's own HTTP surface."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.agent.harness import hosted, manifest
from tests.agent.test_workload import SERVER, _free_port, _watched


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    upstream, ours = _free_port(), _free_port()
    actions = {
        "greet": {"method": "GET", "path": "/hello?a=1"},
        "store": {"method": "POST", "path": "/store"},
        "late": {"method": "GET", "path": "/slow", "timeout_ms": 200},
    }
    base_url = f"http://127.0.0.1:{upstream}"
    config = manifest(sys.executable, "-c", SERVER, str(upstream), base_url=base_url, actions=actions, health_check={"endpoint": "/up"})
    with hosted(config, port=ours) as agent:
        _watched(agent.attach(), "ready")
        yield ours


def _ask(port: int, verb: str, path: str, body: Any = None, **more: Any) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(verb, path, body, **more)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_health_is_told(port: int) -> None:
    status, body = _ask(port, "GET", "/healthz")
    assert (status, json.loads(body)["status"]) == (200, "ok")


def test_an_action_has_its_own_verb_and_path(port: int) -> None:
    assert _ask(port, "GET", "/v1/greet?b=2") == (200, b"/hello?a=1&b=2 ")
    assert _ask(port, "POST", "/v1/store", b"x" * 10_000) == (200, b"x" * 10_000)


def test_a_chunked_request_reaches_the_workload_with_its_length(port: int) -> None:
    assert _ask(port, "POST", "/v1/store", iter([b"one ", b"two"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}) == (
        200,
        b"one two",
    )


def test_everything_else_below_v1_is_passed_on(port: int) -> None:
    assert _ask(port, "GET", "/v1/other/thing?q") == (200, b"/v1/other/thing?q ")


@pytest.mark.parametrize("path", ["/v1/../admin", "/v1/a/%2E%2e/../admin", "/v1/..%2fadmin", "/v1/..\\admin", "/v1/a/.."])
def test_no_path_leads_out_of_v1(port: int, path: str) -> None:
    assert _ask(port, "GET", path)[0] == 404
    assert _ask(port, "GET", "/v1/a..b/...")[0] == 200


def test_errors_are_json_with_their_status(port: int) -> None:
    assert _ask(port, "GET", "/elsewhere")[0] == 404
    status, body = _ask(port, "GET", "/v1/late")
    assert status == 504
    assert json.loads(body)["error"]["code"] == "timeout"


@pytest.mark.parametrize(
    "raw",
    [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"A" * 70_000, b"GET /healthz HTTP/1.1\r\nContent-Length: x\r\n\r\n"],
)
def test_what_is_no_http_is_refused(port: int, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw)
        assert b"400 Bad Request" in connection.recv(4096)


def test_many_silent_clients_hold_nobody_up_for_long(port: int) -> None:
    silent = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(30)]
    begun = time.monotonic()
    assert _ask(port, "GET", "/healthz")[0] == 200
    assert time.monotonic() - begun < 5
    for connection in silent:
        connection.close()
