"""What a service manager hears, on the socket that it would listen on."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from volant.daemon.host.service_manager import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    """The manager's socket, and its address as NOTIFY_SOCKET has it."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        address = str(Path(folder) / "notify") if request.param == "path" else f"@volant-test-{os.getpid()}"
        bound.bind("\0" + address[1:] if address.startswith("@") else address)
        bound.setblocking(False)
        yield bound, address


def heard(bound: socket.socket) -> list[str]:
    found = []
    try:
        while True:
            found.append(bound.recv(4_096).decode())
    except BlockingIOError:
        return found


def test_a_message_is_one_datagram_of_assignments(listening: tuple[socket.socket, str]) -> None:
    bound, address = listening
    environ = {"NOTIFY_SOCKET": address, "HOME": "/"}
    manager = ServiceManager.take_over(environ)
    manager.tell(READY="1", STATUS="2 VMs: 2 ready")
    assert heard(bound) == ["READY=1\nSTATUS=2 VMs: 2 ready"]
    assert environ == {"HOME": "/"}


def test_without_a_manager_nothing_is_said() -> None:
    manager = ServiceManager.take_over({})
    assert not manager.listens
    manager.tell(READY="1")
    assert not ServiceManager.take_over({"NOTIFY_SOCKET": "vsock:2:1"}).listens


def test_a_manager_that_is_gone_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ServiceManager("/no/such/socket").tell(READY="1")
    assert "was not told READY" in caplog.text


async def test_the_watchdog_is_fed_twice_a_period(listening: tuple[socket.socket, str], autojump_clock: MockClock) -> None:
    bound, address = listening
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    manager = ServiceManager.take_over(environ)
    assert manager.watchdog_s == 30 and not environ
    async with trio.open_nursery() as nursery:
        nursery.start_soon(manager.feed_watchdog)
        await trio.sleep(61)
        assert heard(bound) == ["WATCHDOG=1"] * 5
        nursery.cancel_scope.cancel()


async def test_a_loop_that_stands_still_does_not_feed_it(listening: tuple[socket.socket, str], mock_clock: MockClock) -> None:
    bound, address = listening
    manager = ServiceManager(address, watchdog_s=30)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(manager.feed_watchdog)
        await trio.testing.wait_all_tasks_blocked()
        assert heard(bound) == ["WATCHDOG=1"]
        mock_clock.jump(100)  # time passes, and no task gets to run
        assert heard(bound) == []
        await trio.testing.wait_all_tasks_blocked()
        assert heard(bound) == ["WATCHDOG=1"]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("environ", [{"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}, {}])
async def test_a_watchdog_of_another_process_is_not_fed(listening: tuple[socket.socket, str], environ: dict[str, str]) -> None:
    bound, address = listening
    await ServiceManager.take_over({"NOTIFY_SOCKET": address, **environ}).feed_watchdog()
    assert heard(bound) == []
