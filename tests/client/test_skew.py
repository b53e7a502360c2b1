"""A client and a daemon of different versions: one clear sentence, whichever of them is the older."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import VOLANT
from volant import __version__
from volant.client import AsyncClient, Client
from volant.daemon.rpc.listener import bind_socket
from volant.proto import cbor
from volant.proto.errors import ExitCode, VersionMismatch
from volant.proto.frames import encode_frame
from volant.proto.messages import Hello

CLIENTS = 3
"""How many connect to a daemon in these tests, at most."""


@pytest.fixture(params=[(2, 3), (0, 0)], ids=["newer", "older"])
def socket_of_another(request: pytest.FixtureRequest, socket_path: Path) -> Iterator[Path]:
    """Where a daemon of another version greets whoever comes."""
    greeting = encode_frame(cbor.dumps([0, Hello("daemon", "9.9", protocol=request.param).to_wire()]))
    with bind_socket(socket_path) as listening:
        listening.setblocking(True)

        def greet() -> None:
            for _ in range(CLIENTS):
                try:
                    connected, _ = listening.accept()
                except OSError:
                    return
                with connected:
                    connected.sendall(greeting)
                    connected.recv(65_536)

        greeter = threading.Thread(target=greet)
        greeter.start()
        yield socket_path
        listening.shutdown(socket.SHUT_RDWR)
        greeter.join()


def test_the_command_says_which_side_to_upgrade(socket_of_another: Path) -> None:
    done = subprocess.run(
        [*VOLANT, "vm", "list"], env={**os.environ, "VOLANT_SOCKET": str(socket_of_another)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == ExitCode.FAILED and done.stdout == ""
    error, hint = done.stderr.splitlines()
    assert "speaks protocol 1, volantd (version 9.9) speaks protocol" in error
    assert hint.removeprefix("hint: ") in (
        "upgrade the client to version 9.9",
        f"upgrade volantd to version {__version__} and restart it; the VMs go on",
    )


def test_both_clients_raise_it(socket_of_another: Path) -> None:
    with Client(str(socket_of_another)) as client, pytest.raises(VersionMismatch, match="speaks protocol 1, volantd"):
        client.call_plain("vm.list", {})

    async def ask() -> None:
        async with AsyncClient(str(socket_of_another)) as client:
            await client.call_plain("vm.list", {})

    with pytest.raises(VersionMismatch, match="speaks protocol 1, volantd"):
        asyncio.run(ask())
