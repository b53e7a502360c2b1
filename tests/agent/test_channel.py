"""Attaching, re-attaching, and hostile bytes from the host."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.harness import Hosted, hosted
from volant.proto.errors import NoSuchMethod
from volant.proto.frames import LENGTH


@pytest.fixture
def agent() -> Iterator[Hosted]:
    with hosted() as running:
        yield running


def _receives(pipe: socket.socket, wanted: bytes) -> bool:
    pipe.settimeout(10)
    seen = b""
    while wanted not in seen:
        seen += pipe.recv(65_536)
    return True


def test_a_new_attach_in_the_middle_of_a_frame_works(agent: Hosted) -> None:
    old = agent.attach()
    _, frame = old.connection.call("guest.info", {})
    agent.pipe.sendall(frame[:-3])
    assert agent.attach().call("guest.info").result["version"]


def test_what_the_old_session_still_sent_is_skipped(agent: Hosted) -> None:
    old = agent.attach()
    for _ in range(50):
        old.start("guest.info")
    assert agent.attach().call("guest.info").result["version"]


def test_the_old_sessions_programs_are_killed(agent: Hosted) -> None:
    old = agent.attach()
    call = old.start("guest.exec", argv=["sh", "-c", "echo $$; sleep 60"])
    old.until(lambda: call.data.get(1))
    pid = int(call.data[1])
    agent.attach().call("guest.info")
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("bytes_", "code"),
    [
        (LENGTH.pack(2**31) + b"x", b"frame_too_large"),
        (LENGTH.pack(3) + b"\xff\xff\xff", b"protocol.malformed"),
        (LENGTH.pack(100) + b"\x81" * 100, b"protocol.malformed"),
    ],
)
def test_bytes_that_break_the_rules_end_the_session_with_a_word(agent: Hosted, bytes_: bytes, code: bytes) -> None:
    agent.attach()
    agent.pipe.sendall(bytes_)
    assert _receives(agent.pipe, code)
    agent.pipe.sendall(b"more of it" * 1000)
    assert agent.attach().call("guest.info").result["version"]


def test_noise_before_the_attach_is_skipped(agent: Hosted) -> None:
    agent.pipe.sendall(os.urandom(200_000))
    assert agent.attach().call("guest.info").result["version"]


def test_an_unknown_method_is_refused_alone(agent: Hosted) -> None:
    link = agent.attach()
    with pytest.raises(NoSuchMethod):
        link.call("guest.fly")
    with pytest.raises(NoSuchMethod):
        link.call("vm.list")
    assert link.call("guest.info").result["version"]


def test_a_hundred_calls_side_by_side_are_all_answered(agent: Hosted) -> None:
    link = agent.attach()
    calls = [link.start("guest.info") for _ in range(100)]
    assert all(link.finish(call).result for call in calls)


def test_the_magic_inside_a_payload_starts_no_session(agent: Hosted) -> None:
    from volant.proto.preamble import MAGIC

    link = agent.attach()
    octal = "".join(f"\\{byte:03o}" for byte in MAGIC)
    call = link.exec("printf", f"before{octal}after")
    assert call.data[1] == b"before" + MAGIC + b"after"


def test_the_host_hands_over_clock_entropy_and_name(agent: Hosted) -> None:
    agent.attach().call("guest.sync", time_ns=1_700_000_000_000_000_000, entropy=b"x" * 32, hostname="web-1")
    assert agent.process.stdout is not None
    assert [agent.process.stdout.readline() for _ in range(3)] == [b"clock 1700000000000000000\n", b"entropy 32\n", b"hostname web-1\n"]


def test_the_host_tells_how_large_the_console_is(agent: Hosted) -> None:
    agent.attach().call("guest.console_resize", rows=40, cols=132)
    assert agent.process.stdout is not None
    assert agent.process.stdout.readline() == b"console 40 132\n"
