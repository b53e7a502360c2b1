"""Requests to a workload through a real daemon, and files of this host: all of a small answer, a part of a large one, a fault."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig import Rig
from tests.tui.hosts import fake_host
from volant.client.aio import AsyncClient
from volant.proto.errors import InvalidParams, NoSuchFile, NoSuchVm
from volant.tui.calling.answer import MAX_BODY_BYTES, Answer
from volant.tui.calling.sending import read, send


@pytest.fixture(scope="module")
def host() -> Iterator[Rig]:
    """Its guest answers a request with a body with that body, and another one with its first line."""
    with fake_host("web-1") as made:
        yield made


def sent(host: Rig, body: bytes | None = None, **params: Any) -> Answer:
    async def call() -> Answer:
        async with AsyncClient(str(host.socket)) as client:
            answer = await send(client, {"name": "web-1", **params}, body)
            # The connection is as good as before, whatever became of the call.
            assert (await client.call_plain("vm.get", {"name": "web-1"}))["status"] == "ready"
            return answer

    return asyncio.run(call())


def test_an_action_is_answered(host: Rig) -> None:
    answer = sent(host, action="greet", query="name=Ada")
    assert (answer.status, answer.reason, answer.body, answer.size, answer.whole) == (200, "OK", b"GET /greet?name=Ada\n", 20, True)
    assert answer.header("content-type") == "application/octet-stream"
    assert answer.took_s >= 0


def test_a_body_larger_than_any_credit_goes_and_comes_back(host: Rig) -> None:
    body = os.urandom(MAX_BODY_BYTES)
    answer = sent(host, body, method="POST", path="/echo")
    assert (answer.body, answer.whole) == (body, True)


def test_of_a_large_answer_a_part_is_kept_and_the_rest_is_not_waited_for(host: Rig) -> None:
    body = bytes(5 * MAX_BODY_BYTES)
    answer = sent(host, body, method="POST", path="/echo")
    assert (len(answer.body), answer.whole) == (MAX_BODY_BYTES, False)
    assert MAX_BODY_BYTES < answer.size < len(body)


def test_a_fault_is_raised(host: Rig) -> None:
    with pytest.raises(NoSuchVm):
        sent(host, b"x" * 1_000_000, name="nobody", method="POST", path="/")


def test_files_are_read_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_bytes(b"12345")
    assert read(str(path), 5) == b"12345"
    with pytest.raises(InvalidParams, match="more than 4 bytes"):
        read(str(path), 4)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InvalidParams, match="is no file"):
        read(str(tmp_path / "fifo"), 5)
    for name in ("none", ".", "a\0b"):
        with pytest.raises((NoSuchFile, InvalidParams)):
            read(str(tmp_path / name), 5)
