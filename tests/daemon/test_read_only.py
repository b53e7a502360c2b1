"""Connections that said that they change nothing: the daemon holds them to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks._daemons import PLUGIN, start_fake
from tests.fakes.rpc_server import serving
from tests.rig import Rig, rig
from volant.client.aio import AsyncClient
from volant.client.blocking import Client
from volant.daemon.rpc.peer import Peer, held_to_reading
from volant.proto.errors import ExitCode, NotAllowed
from volant.proto.messages import READ_ONLY, Hello
from volant.proto.method import NOUNS, methods_of


@pytest.fixture(scope="module")
def host() -> Iterator[Rig]:
    """A daemon with the VM web-1, which runs."""
    with rig(hypervisor="fake", network="none") as made:
        _, client = start_fake(made)
        with closing(client):
            client.call_plain("vm.create", {"name": "web-1", "plugin": PLUGIN, "wait": "ready"})
        yield made


def test_it_may_look_and_not_change(host: Rig) -> None:
    with Client(str(host.socket), read_only=True) as client:
        assert READ_ONLY in client.daemon.features
        assert [vm["name"] for vm in client.call_plain("vm.list", {})["items"]] == ["web-1"]
        assert client.call_plain("vm.config", {"name": "web-1"})["config_version"] == 1
        with pytest.raises(NotAllowed, match=r"this connection is read-only, and vm\.stop changes something"):
            client.call_plain("vm.stop", {"name": "web-1"})
        assert client.call_plain("vm.get", {"name": "web-1"})["status"] == "ready"


def test_a_console_may_be_read_and_not_typed_into(host: Rig) -> None:
    with Client(str(host.socket), read_only=True) as client:
        with client.bytes_call("vm.console", {"name": "web-1", "follow": False}) as call:
            call.result()
        with pytest.raises(NotAllowed), client.bytes_call("vm.console", {"name": "web-1", "write": True}) as call:
            call.result()


def test_others_of_the_same_user_go_on_changing_things(host: Rig) -> None:
    with Client(str(host.socket), read_only=True), Client(str(host.socket)) as client:
        client.call_plain("vm.patch", {"name": "web-1", "labels": {"a": "b"}})


def test_the_asyncio_client_is_held_to_it_too(host: Rig) -> None:
    async def main() -> None:
        async with AsyncClient(str(host.socket), read_only=True) as client:
            assert (await client.call_plain("vm.get", {"name": "web-1"}))["name"] == "web-1"
            with pytest.raises(NotAllowed):
                await client.call_plain("vm.delete", {"name": "web-1", "force": True})

    asyncio.run(main())


def test_every_call_that_may_change_something_is_refused() -> None:
    reader = Peer(0, 0, 1, read_only=True)
    for noun in NOUNS:
        for method in methods_of(noun).values():
            if method.changes and not method.changes_if:
                refusal = held_to_reading(reader, method, None)
                assert refusal is not None and method.name in refusal.message
            elif not method.changes:
                assert held_to_reading(reader, method, None) is None


def test_the_flag_stands_before_any_command_or_behind_it(host: Rig) -> None:
    refused = host.volant("--read-only", "vm", "stop", "web-1", check=False)
    assert refused.returncode == ExitCode.PERMISSION
    assert "read-only" in refused.stderr
    assert host.volant("vm", "stop", "web-1", "--read-only", check=False).returncode == ExitCode.PERMISSION
    assert host.volant("run", "tiny", "x", "--read-only", check=False).returncode == ExitCode.PERMISSION
    assert "web-1" in host.volant("--read-only", "vm", "list").stdout


def test_a_daemon_that_can_not_hold_it_to_that_is_asked_nothing(tmp_path: Path) -> None:
    asked: list[object] = []
    with serving(tmp_path / "s", {"vm.stop": asked.append}) as server:
        server.hello = Hello("daemon", "0.0.9")
        with Client(str(tmp_path / "s"), read_only=True) as client, pytest.raises(NotAllowed, match="can't hold a connection to reading"):
            client.call_plain("vm.stop", {"name": "web-1"})
    assert asked == []
