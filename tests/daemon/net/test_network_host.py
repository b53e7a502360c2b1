"""What the network leaves on a host, and what it refuses to touch."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.daemon.net.conftest import VM_IDS, MakeNetwork, interfaces, port_for, ruleset
from tests.netns import NetNs, fresh_netns
from tests.strangers import as_stranger
from volant.daemon.main import allow_descriptors
from volant.daemon.net.config import parse_subnet
from volant.daemon.net.kernel import MAX_BRIDGED_VMS
from volant.daemon.ports import NetPort, Network
from volant.proto.errors import HostShort, NetworkFailed, SubnetTaken

pytestmark = pytest.mark.root


def test_the_class_is_the_port(make_network: MakeNetwork) -> None:
    network: Network = make_network()
    assert network.tap_name(VM_IDS[0]) == network.tap_name(VM_IDS[0])


async def test_prepare_sets_up_and_repeats_without_effect(make_network: MakeNetwork, netns: NetNs, tmp_path: Path) -> None:
    network = make_network()
    await network.prepare()
    (bridge,) = json.loads(netns.run("ip", "-j", "-d", "address", "show", "dev", "vbr0"))
    assert bridge["linkinfo"]["info_kind"] == "bridge"
    assert bridge["ifalias"] == "volant"
    assert [(held["local"], held["prefixlen"]) for held in bridge["addr_info"]] == [("192.168.127.1", 24)]
    assert "UP" in bridge["flags"]
    assert netns.run("cat", "/proc/sys/net/ipv4/ip_forward").strip() == "1"
    assert json.loads((tmp_path / "network-before.json").read_text()) == {"net/ipv4/ip_forward": "0"}
    before = ruleset(netns)
    await network.prepare()
    await network.close()
    again = make_network()
    await again.prepare()
    assert ruleset(netns) == before
    assert json.loads((tmp_path / "network-before.json").read_text()) == {"net/ipv4/ip_forward": "0"}
    await again.close()


async def test_two_prepares_at_once(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.prepare)
        nursery.start_soon(network.prepare)
    assert ruleset(netns).count("table inet volant {") == 1
    await network.close()


async def test_foreign_tables_stay_as_they_are(make_network: MakeNetwork, netns: NetNs) -> None:
    netns.run("nft", "table inet other { chain input { type filter hook input priority 0; tcp dport 22 accept; }; }")
    before = ruleset(netns)
    network = make_network()
    async with network.attached(port_for(network, VM_IDS[0])):
        assert netns.run("nft", "list", "table", "inet", "other") == before
    assert netns.run("nft", "list", "table", "inet", "other") == before
    await network.close()


async def test_a_subnet_in_use_is_named(make_network: MakeNetwork, netns: NetNs) -> None:
    netns.run("ip", "link", "add", "lan0", "type", "veth", "peer", "lan1")
    netns.run("ip", "address", "add", "192.168.0.1/16", "dev", "lan0")
    network = make_network()
    with pytest.raises(SubnetTaken, match=r"192\.168\.127\.0/24 overlaps 192\.168\.0\.1/16 of lan0") as refused:
        await network.prepare()
    assert "--subnet" in refused.value.hint
    assert interfaces(netns) == {"lo", "lan0", "lan1"}
    await network.close()


async def test_a_routed_subnet_is_named(make_network: MakeNetwork, netns: NetNs) -> None:
    netns.run("ip", "link", "add", "lan0", "type", "veth", "peer", "lan1")
    netns.run("ip", "address", "add", "203.0.113.2/24", "dev", "lan0")
    netns.run("ip", "link", "set", "lan0", "up")
    netns.run("ip", "link", "set", "lan1", "up")
    netns.run("ip", "route", "add", "default", "via", "203.0.113.1")
    netns.run("ip", "route", "add", "192.168.126.0/23", "via", "203.0.113.1")
    network = make_network()
    with pytest.raises(SubnetTaken, match=r"route to 192\.168\.126\.0/23 over lan0"):
        await network.prepare()
    await network.close()


async def test_a_changed_subnet_moves_an_idle_bridge(make_network: MakeNetwork, netns: NetNs) -> None:
    first = make_network()
    await first.prepare()
    await first.close()
    moved = make_network(subnet=parse_subnet("10.127.0.0/24"))
    await moved.prepare()
    (bridge,) = json.loads(netns.run("ip", "-j", "address", "show", "dev", "vbr0"))
    assert [held["local"] for held in bridge["addr_info"]] == ["10.127.0.1"]
    await moved.close()


async def test_a_name_that_is_no_bridge_is_left_alone(make_network: MakeNetwork, netns: NetNs) -> None:
    netns.run("ip", "link", "add", "vbr0", "type", "veth", "peer", "lan1")
    network = make_network()
    with pytest.raises(NetworkFailed, match="vbr0 exists and is no bridge"):
        await network.prepare()
    await network.close()


async def test_a_foreign_bridge_keeps_its_address(make_network: MakeNetwork, netns: NetNs) -> None:
    netns.run("ip", "link", "add", "vbr0", "type", "bridge")
    netns.run("ip", "address", "add", "10.9.0.1/24", "dev", "vbr0")
    network = make_network()
    with pytest.raises(NetworkFailed, match=r"not ours and has the address 10\.9\.0\.1/24"):
        await network.prepare()
    await network.close()


async def test_leaving_removes_tap_and_rules_though_somebody_holds_it(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network()
    port = port_for(network, VM_IDS[0])
    async with network.attached(port) as descriptor:
        assert descriptor is not None
        held = os.dup(descriptor)
        assert port.tap in interfaces(netns)
        assert port.ip in netns.run("nft", "list", "set", "bridge", "volant", "addresses")
    assert interfaces(netns) == {"lo", "vbr0"}
    assert port.ip not in ruleset(netns)
    assert port.tap not in ruleset(netns)
    os.close(held)
    await network.close()


async def test_cancelling_leaves_nothing(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network()
    with trio.CancelScope() as scope:
        async with network.attached(port_for(network, VM_IDS[0])):
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert interfaces(netns) == {"lo", "vbr0"}
    await network.close()


async def test_many_leave_at_once(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network()
    attachments = [network.attached(port_for(network, f"{number:012x}")) for number in range(20)]
    for attachment in attachments:
        await attachment.__aenter__()
    assert len(interfaces(netns)) == 22
    async with trio.open_nursery() as nursery:
        for attachment in attachments:
            nursery.start_soon(attachment.__aexit__, None, None, None)
    assert interfaces(netns) == {"lo", "vbr0"}
    await network.close()


async def test_a_taken_tap_name_is_refused_and_nothing_stays(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network()
    port = port_for(network, VM_IDS[0])
    netns.run("ip", "link", "add", port.tap, "type", "veth", "peer", "lan1")
    with pytest.raises(NetworkFailed, match=f"{port.tap} exists already"):
        async with network.attached(port):
            pass
    assert port.ip not in ruleset(netns)
    assert interfaces(netns) == {"lo", "vbr0", port.tap, "lan1"}
    await network.close()


async def test_an_attachment_nobody_leaves_stays(make_network: MakeNetwork, netns: NetNs) -> None:
    """The daemon stops, its VMs don't: the tap goes only with the last descriptor."""
    network = make_network()
    port = port_for(network, VM_IDS[0])
    descriptor = await network.attached(port).__aenter__()
    assert descriptor is not None
    gc.collect()
    await network.close()
    assert port.tap in interfaces(netns)
    os.close(descriptor)
    assert port.tap not in interfaces(netns)


async def test_more_vms_than_a_bridge_has_ports_are_refused_in_plain_words(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network(subnet=parse_subnet("10.127.0.0/20"))
    allow_descriptors()
    attached = [network.attached(port_for(network, f"{number:012x}")) for number in range(MAX_BRIDGED_VMS)]
    for attachment in attached:
        await attachment.__aenter__()
    with pytest.raises(HostShort, match="has all the 1,023 ports"):
        await network.attached(port_for(network, "one too many")).__aenter__()
    assert network.tap_name("one too many") not in interfaces(netns)
    async with trio.open_nursery() as nursery:
        for attachment in attached:
            nursery.start_soon(attachment.__aexit__, None, None, None)
    assert interfaces(netns) == {"lo", "vbr0"}
    await network.close()


async def test_a_network_that_could_not_be_set_up_is_nobodys(make_network: MakeNetwork, netns: NetNs) -> None:
    netns.run("ip", "link", "add", "lan0", "type", "veth", "peer", "lan1")
    netns.run("ip", "address", "add", "192.168.127.9/24", "dev", "lan0")
    first, second = make_network(), make_network(subnet=parse_subnet("10.127.0.0/24"))
    with pytest.raises(SubnetTaken):
        await first.prepare()
    await second.prepare()
    for network in (first, second):
        await network.close()


async def test_a_port_that_would_end_in_a_rule_is_looked_at(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network()
    good = port_for(network, VM_IDS[0])
    for bad in (
        NetPort(vm_id=good.vm_id, tap="eth0", mac=good.mac, ip=good.ip),
        NetPort(vm_id=good.vm_id, tap=good.tap, mac='02:00:00:00:00:00" }', ip=good.ip),
        NetPort(vm_id=good.vm_id, tap=good.tap, mac=good.mac, ip="10.0.0.1; flush ruleset"),
    ):
        with pytest.raises(NetworkFailed, match="makes no sense"):
            async with network.attached(bad):
                pass
    await network.close()


@pytest.mark.parametrize("subnet", ["10.127.0.0/24", "192.168.127.2/24"])
async def test_a_lease_of_the_old_subnet_is_refused(make_network: MakeNetwork, netns: NetNs, subnet: str) -> None:
    port = port_for(make_network(), VM_IDS[0])
    network = make_network(subnet=parse_subnet(subnet))
    with pytest.raises(NetworkFailed, match=r"address 192\.168\.127\.2 is none that guests have"):
        async with network.attached(port):
            pass
    assert interfaces(netns) == {"lo"}
    await network.close()


UNPRIVILEGED = """
import pathlib
import trio
from volant.daemon.net.config import NetConfig
from volant.daemon.net.network import HostNetwork
from volant.proto.errors import NetworkFailed

async def main() -> None:
    network = HostNetwork(NetConfig(), pathlib.Path("/nonexistent"))
    assert await network.sweep(frozenset()) == ()
    try:
        await network.prepare()
    except NetworkFailed as failed:
        print(failed.message, "|", failed.hint)
    await network.close()

trio.run(main)
"""


def test_without_root_the_hint_names_user_mode() -> None:
    with fresh_netns():
        done = subprocess.run(as_stranger([sys.executable, "-c", UNPRIVILEGED]), check=True, capture_output=True, text=True)
    assert "needs root" in done.stdout
    assert "--network user" in done.stdout
