"""What VMs cost their host, asked of a daemon whose VMMs are processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import pytest

from benchmarks._daemons import PLUGIN, start_fake
from tests.rig import SURVIVING, Rig, rig
from volant.client.blocking import Client
from volant.client.usage import shares
from volant.proto.errors import InvalidParams, NoSuchVm


@pytest.fixture(scope="module")
def host() -> Iterator[Rig]:
    """A daemon with the VMs web-1, which runs, and web-2, which does not."""
    with rig(program=SURVIVING, network="none") as made:
        _, client = start_fake(made)
        with closing(client):
            client.call_plain("vm.create", {"name": "web-1", "plugin": PLUGIN, "wait": "ready"})
            client.call_plain("vm.create", {"name": "web-2", "plugin": PLUGIN, "start": False})
        yield made


@pytest.fixture
def client(host: Rig) -> Iterator[Client]:
    with closing(host.client()) as made:
        yield made


def test_what_runs_costs_time_and_memory_and_what_does_not_is_missing(client: Client) -> None:
    reply = client.call_plain("vm.stats", {})
    assert [(item["name"], item["boot"]) for item in reply["items"]] == [("web-1", 1)]
    (item,) = reply["items"]
    assert item["cpu_ns"] > 0
    assert 1_000_000 < item["memory_bytes"] < 500_000_000


def test_one_vm_alone(client: Client) -> None:
    assert client.call_plain("vm.stats", {"name": "web-2"})["items"] == []
    with pytest.raises(NoSuchVm):
        client.call_plain("vm.stats", {"name": "web-3"})


def test_a_watcher_is_told_again_and_again(client: Client) -> None:
    first, second, third = islice(client.stream_plain("vm.stats_watch", {"every_ms": 250}), 3)
    assert first["at_ns"] < second["at_ns"] < third["at_ns"]
    assert set(shares(first, third)) == {first["items"][0]["id"]}


def test_a_watcher_that_asks_too_often_is_refused(client: Client) -> None:
    with pytest.raises(InvalidParams, match="from 250 to"):
        next(iter(client.stream_plain("vm.stats_watch", {"every_ms": 1})))
