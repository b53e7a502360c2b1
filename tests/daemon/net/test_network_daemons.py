"""One daemon after another, and one beside another, on the network of a host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import trio

from tests.daemon.net.conftest import VM_IDS, MakeNetwork, interfaces, port_for, ruleset
from tests.netns import NetNs
from volant.daemon.net.taps import open_tap
from volant.daemon.ports import NetPresence
from volant.proto.errors import NetworkFailed

pytestmark = pytest.mark.root


async def test_a_second_daemon_adopts(make_network: MakeNetwork, netns: NetNs) -> None:
    first = make_network()
    port = port_for(first, VM_IDS[0])
    vmm_end = await first.attached(port).__aenter__()
    assert vmm_end is not None
    await first.close()

    second = make_network()
    await second.prepare()
    assert port.ip in ruleset(netns), "a VM that runs on is cut off until it is adopted"
    async with second.attached(port, adopt=True) as descriptor:
        assert descriptor is None
        assert await second.sweep(frozenset()) == ()
        assert port.tap in interfaces(netns)
        os.close(vmm_end)
    assert port.tap not in interfaces(netns)
    assert port.ip not in ruleset(netns)
    await second.close()


async def test_a_vm_that_died_with_its_daemon_is_adopted_to_be_removed(make_network: MakeNetwork, netns: NetNs) -> None:
    first = make_network()
    port = port_for(first, VM_IDS[0])
    vmm_end = await first.attached(port).__aenter__()
    assert vmm_end is not None
    await first.close()
    os.close(vmm_end)
    second = make_network()
    assert port.tap in ruleset(netns)
    async with second.attached(port, adopt=True) as descriptor:
        assert descriptor is None
    assert port.tap not in ruleset(netns)
    await second.close()


async def test_guests_come_back_to_a_bridge_that_was_deleted(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network()
    port = port_for(network, VM_IDS[0])
    async with network.attached(port):
        netns.run("ip", "link", "delete", "vbr0")
        await network.prepare()
        (tap,) = json.loads(netns.run("ip", "-j", "link", "show", "dev", port.tap))
        assert tap["master"] == "vbr0"
        assert port.mac in netns.run("bridge", "fdb", "show", "dev", port.tap)
    assert interfaces(netns) == {"lo", "vbr0"}
    await network.close()


async def test_rules_come_back_after_a_flush(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network()
    one, other = port_for(network, VM_IDS[0]), port_for(network, VM_IDS[1])
    async with network.attached(one):
        netns.run("nft", "flush", "ruleset")
        async with network.attached(other):
            assert one.ip in ruleset(netns)
            assert other.ip in ruleset(netns)
            netns.run("nft", "flush", "ruleset")
            await network.prepare()
            assert one.ip in ruleset(netns)
        netns.run("nft", "flush", "ruleset")
    assert interfaces(netns) == {"lo", "vbr0"}
    await network.close()


KILLED = """
import os, pathlib, signal, sys
import trio
from tests.daemon.net.conftest import port_for
from volant.daemon.net.config import NetConfig
from volant.daemon.net.network import HostNetwork

async def main() -> None:
    network = HostNetwork(NetConfig(), pathlib.Path(sys.argv[1]))
    for vm_id in sys.argv[2:]:
        await network.attached(port_for(network, vm_id)).__aenter__()
    os.kill(os.getpid(), signal.SIGKILL)

trio.run(main)
"""


async def test_a_killed_daemon_leaves_no_tap_and_the_next_sweeps_its_rules(make_network: MakeNetwork, netns: NetNs, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), *VM_IDS], check=False)
    assert killed.returncode == -9
    assert interfaces(netns) == {"lo", "vbr0"}
    network = make_network()
    taps = {network.tap_name(vm_id) for vm_id in VM_IDS}
    assert all(tap in ruleset(netns) for tap in taps)
    assert set(await network.sweep(frozenset())) == taps
    assert not any(tap in ruleset(netns) for tap in taps)
    assert await network.sweep(frozenset()) == ()
    await network.close()


async def test_what_is_present_is_told(make_network: MakeNetwork, netns: NetNs) -> None:
    network = make_network()
    assert await network.present() == NetPresence(taps=frozenset(), guests=frozenset(), leases={})
    await network.prepare()
    port = port_for(network, VM_IDS[0])
    stranger = open_tap(network.tap_name("somebody's own"))
    async with network.attached(port):
        assert await network.present() == NetPresence(
            taps=frozenset({port.tap}), guests=frozenset({port.tap}), leases={port.ip: VM_IDS[0]}
        )  # fmt: skip
    present = await network.present()
    assert (present.taps, present.guests) == (frozenset(), frozenset())
    os.close(stranger)
    await network.close()


async def test_sweep_removes_only_what_is_provably_ours(make_network: MakeNetwork, netns: NetNs) -> None:
    old = make_network()
    ours, kept = port_for(old, VM_IDS[0]), port_for(old, VM_IDS[1])
    ends = [await old.attached(ours).__aenter__(), await old.attached(kept).__aenter__()]
    await old.close()
    with ExitStack() as stack:
        for end in ends:
            assert end is not None
            stack.callback(os.close, end)
        stack.callback(os.close, open_tap("vol0123456789ab"))
        stack.callback(os.close, open_tap("tap0"))
        netns.run("ip", "link", "set", "tap0", "alias", f"volant:{VM_IDS[0]}")
        network = make_network()
        assert await network.sweep(frozenset({kept.tap})) == (ours.tap,)
        assert interfaces(netns) == {"lo", "vbr0", kept.tap, "vol0123456789ab", "tap0"}
        assert kept.ip in ruleset(netns)
        assert ours.ip not in ruleset(netns)
        await network.close()


async def test_a_daemon_is_kept_off_the_network_of_vms_whose_daemon_is_away(make_network: MakeNetwork, netns: NetNs) -> None:
    first, second = make_network(), make_network(others=lambda: frozenset({VM_IDS[0], VM_IDS[2]}))
    port = port_for(first, VM_IDS[0])
    end = await first.attached(port).__aenter__()
    await first.close()
    before = ruleset(netns)
    with pytest.raises(NetworkFailed, match=f"VM {VM_IDS[0]} of another volantd") as refused:
        await second.prepare()
    assert "namespace" in refused.value.hint
    assert ruleset(netns) == before
    first = make_network()
    await first.prepare()
    await first.close()
    assert end is not None
    os.close(end)
    await second.prepare()
    await second.close()


async def test_one_daemon_at_a_time_has_the_network_of_a_namespace(
    make_network: MakeNetwork, netns: NetNs, autojump_clock: trio.testing.MockClock
) -> None:
    first, second = make_network(), make_network()
    await first.prepare()
    before = ruleset(netns)
    with pytest.raises(NetworkFailed, match=rf"another volantd \(pid {os.getpid()}\) has this host's network") as refused:
        await second.prepare()
    assert "namespace" in refused.value.hint
    async with first.attached(port_for(first, VM_IDS[0])):
        assert await second.sweep(frozenset()) == (), "what the first one makes is nobody's leaving"
        assert interfaces(netns) == {"lo", "vbr0", first.tap_name(VM_IDS[0])}
    assert ruleset(netns) == before
    netns.run("nft", "flush", "ruleset")
    with pytest.raises(NetworkFailed, match="has this host's network"):
        await second.prepare()
    await first.close()
    await second.prepare()
    assert "masquerade" in ruleset(netns)
    await second.close()


async def test_who_only_looks_for_leavings_has_the_network_no_longer_than_that(make_network: MakeNetwork, netns: NetNs) -> None:
    first, second = make_network(), make_network()
    assert await first.sweep(frozenset()) == ()
    await second.prepare()
    for network in (first, second):
        await network.close()
