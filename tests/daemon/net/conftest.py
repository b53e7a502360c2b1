"""What the network's tests share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.netns import NetNs, fresh_netns
from volant.daemon.net.claim import INTERFACE as CLAIM
from volant.daemon.net.config import NetConfig
from volant.daemon.net.network import HostNetwork
from volant.daemon.ports import NetPort

MakeNetwork = Callable[..., HostNetwork]

VM_IDS = ("00000000000a", "00000000000b", "00000000000c")


@pytest.fixture
def netns() -> Iterator[NetNs]:
    with fresh_netns() as namespace:
        yield namespace


@pytest.fixture
def make_network(tmp_path: Path) -> MakeNetwork:
    """Networks over one state folder, as daemons that follow each other have."""
    return lambda others=frozenset, **settings: HostNetwork(NetConfig(**settings), tmp_path, others)


def port_for(network: HostNetwork, vm_id: str) -> NetPort:
    lease = network.lease(vm_id)
    return NetPort(vm_id=vm_id, tap=network.tap_name(vm_id), mac=lease.mac, ip=lease.ip)


def interfaces(netns: NetNs) -> set[str]:
    """All but the one that a daemon holds to be alone."""
    return {link["ifname"] for link in json.loads(netns.run("ip", "-j", "link", "show"))} - {CLAIM}


def ruleset(netns: NetNs) -> str:
    return netns.run("nft", "list", "ruleset")
