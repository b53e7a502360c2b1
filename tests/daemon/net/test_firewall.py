"""What guests can and can't send, shown with real frames through real taps."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.daemon.net.conftest import VM_IDS, port_for
from tests.daemon.net.packets import (
    ARP,
    BROADCAST,
    IPV4,
    IPV6,
    REPLY,
    REQUEST,
    VLAN,
    RawGuest,
    arp,
    ethernet,
    tcp_syn,
    udp,
)
from tests.netns import NetNs, new_netns
from volant.daemon.net.network import HostNetwork
from volant.daemon.ports import NetPort

pytestmark = pytest.mark.root

GATEWAY = "192.168.127.1"
HOST_OUTSIDE, OUTSIDE = "203.0.113.2", "203.0.113.1"
STRANGER_MAC, STRANGER_IP = "02:aa:aa:aa:aa:aa", "192.168.127.77"


@asynccontextmanager
async def two_guests(network: HostNetwork) -> AsyncIterator[tuple[RawGuest, RawGuest]]:
    one, other = port_for(network, VM_IDS[0]), port_for(network, VM_IDS[1])
    async with network.attached(one) as first, network.attached(other) as second:
        assert first is not None
        assert second is not None
        yield RawGuest(first, one.mac, one.ip), RawGuest(second, other.mac, other.ip)
    await network.close()


@pytest.fixture
def outside(netns: NetNs) -> Iterator[NetNs]:
    """A host on the far side of our uplink that has no route to the guests' subnet."""
    with new_netns() as far:
        netns.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0", "netns", far.path)
        netns.run("ip", "address", "add", f"{HOST_OUTSIDE}/24", "dev", "up0")
        netns.run("ip", "link", "set", "up0", "up")
        far.run("ip", "address", "add", f"{OUTSIDE}/24", "dev", "far0")
        far.run("ip", "link", "set", "far0", "up")
        yield far


def udp_socket(namespace: NetNs, ip: str, port: int) -> socket.socket:
    with namespace.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5)
    sock.bind((ip, port))
    return sock


async def test_guests_reach_the_outside_as_the_host(make_network: Callable[..., HostNetwork], netns: NetNs, outside: NetNs) -> None:
    with udp_socket(outside, OUTSIDE, 7000) as server:
        async with two_guests(make_network()) as (guest, _):
            guest.send_ip(guest.resolve(GATEWAY), udp(guest.ip, 5000, OUTSIDE, 7000, b"hello"))
            data, peer = server.recvfrom(100)
            assert (data, peer[0]) == (b"hello", HOST_OUTSIDE)
            server.sendto(b"welcome", peer)
            answer = guest.receive_udp()
            assert (answer.source_ip, answer.data) == (OUTSIDE, b"welcome")


async def test_the_outside_can_only_answer(make_network: Callable[..., HostNetwork], netns: NetNs, outside: NetNs) -> None:
    outside.run("ip", "route", "add", "192.168.127.0/24", "via", HOST_OUTSIDE)
    with udp_socket(outside, OUTSIDE, 7000) as server:
        async with two_guests(make_network()) as (guest, _):
            gateway = guest.resolve(GATEWAY)
            server.sendto(b"unasked", (guest.ip, 5000))
            guest.send_ip(gateway, udp(guest.ip, 5000, OUTSIDE, 7000, b"hello"))
            _, peer = server.recvfrom(100)
            server.sendto(b"asked", peer)
            assert guest.receive_udp().data == b"asked"


async def test_guests_ask_a_clouds_link_local_addresses_for_names_alone(
    make_network: Callable[..., HostNetwork], netns: NetNs, outside: NetNs
) -> None:
    cloud = "169.254.169.254"
    outside.run("ip", "address", "add", f"{cloud}/32", "dev", "far0")
    netns.run("ip", "route", "add", cloud, "via", OUTSIDE)
    with udp_socket(outside, cloud, 80) as credentials, udp_socket(outside, cloud, 53) as names:
        async with two_guests(make_network()) as (guest, _):
            gateway = guest.resolve(GATEWAY)
            guest.send_ip(gateway, udp(guest.ip, 5000, cloud, 80, b"who am I?"))
            guest.send_ip(gateway, udp(guest.ip, 5000, cloud, 53, b"query"))
            assert names.recv(100) == b"query"
            credentials.setblocking(False)
            with pytest.raises(BlockingIOError):
                credentials.recv(100)


async def test_guests_reach_each_other(make_network: Callable[..., HostNetwork], netns: NetNs) -> None:
    async with two_guests(make_network()) as (one, other):
        one.send(ethernet(one.mac, BROADCAST, ARP, arp(REQUEST, one.mac, one.ip, "00:00:00:00:00:00", other.ip)))
        other.receive(lambda got: got.kind == ARP and got.payload[24:28] == socket.inet_aton(other.ip))
        one.ping(other.ip, other.mac)
        assert other.receive_echo(8).source_ip == one.ip
        other.ping(one.ip, one.mac)
        assert one.receive_echo(8).source_ip == other.ip


def spoofed(one: RawGuest, other: RawGuest) -> dict[str, bytes]:
    """Frames that `one` must not get through to `other`."""
    own = udp(one.ip, 5000, other.ip, 6000, b"spoofed")
    return {
        "another MAC": ethernet(STRANGER_MAC, other.mac, IPV4, own),
        "another IP address": ethernet(one.mac, other.mac, IPV4, udp(STRANGER_IP, 5000, other.ip, 6000, b"spoofed")),
        "the gateway's IP address": ethernet(one.mac, other.mac, IPV4, udp(GATEWAY, 5000, other.ip, 6000, b"spoofed")),
        "no IP address": ethernet(one.mac, other.mac, IPV4, udp("0.0.0.0", 5000, other.ip, 6000, b"spoofed")),
        "ARP for the gateway": ethernet(one.mac, other.mac, ARP, arp(REPLY, one.mac, GATEWAY, other.mac, other.ip)),
        "ARP request from the gateway": ethernet(one.mac, BROADCAST, ARP, arp(REQUEST, one.mac, GATEWAY, other.mac, other.ip)),
        "ARP with another MAC inside": ethernet(one.mac, other.mac, ARP, arp(REPLY, STRANGER_MAC, one.ip, other.mac, other.ip)),
        "ARP probe with another MAC inside": ethernet(one.mac, BROADCAST, ARP, arp(REQUEST, STRANGER_MAC, "0.0.0.0", other.mac, other.ip)),
        "a DHCP server": ethernet(one.mac, other.mac, IPV4, udp(one.ip, 67, other.ip, 68, b"spoofed")),
        "IPv6": ethernet(one.mac, BROADCAST, IPV6, bytes(40)),
        "a VLAN tag": ethernet(one.mac, other.mac, VLAN, struct.pack("!HH", 5, IPV4) + own),
    }


async def test_a_guest_speaks_only_for_itself(make_network: Callable[..., HostNetwork], netns: NetNs) -> None:
    async with two_guests(make_network()) as (one, other):
        for trick, frame in spoofed(one, other).items():
            one.send(frame)
            # Frames keep their order, so whatever is seen before this one got through.
            one.send_ip(other.mac, udp(one.ip, 5000, other.ip, 6000, b"honest"))
            first = other.receive(lambda got: got.kind in (ARP, IPV4, VLAN) or got.source == one.mac)
            assert first.data == b"honest", trick


async def test_a_guest_cannot_draw_anothers_traffic(make_network: Callable[..., HostNetwork], netns: NetNs) -> None:
    """Frames to the link-local group addresses are handled before any filter; a bridge that learned from them could be misled."""
    async with two_guests(make_network()) as (one, other):
        other.resolve(GATEWAY)
        one.send(ethernet(other.mac, "01:80:c2:00:00:0e", 0x88CC, bytes(46)))
        with udp_socket(netns, GATEWAY, 0) as host:
            host.sendto(b"for the other", (other.ip, 6000))
            assert other.receive_udp().data == b"for the other"


async def test_the_host_answers_guests_only_where_it_should(make_network: Callable[..., HostNetwork], netns: NetNs) -> None:
    async with two_guests(make_network()) as (guest, _):
        gateway = guest.resolve(GATEWAY)
        guest.ping(GATEWAY, gateway)
        guest.receive_echo(0)
        with udp_socket(netns, "0.0.0.0", 53) as names, udp_socket(netns, "0.0.0.0", 9999) as private:
            guest.send_ip(gateway, udp(guest.ip, 5000, GATEWAY, 9999, b"private"))
            guest.send_ip(gateway, udp(guest.ip, 5000, GATEWAY, 53, b"query"))
            assert names.recv(100) == b"query"
            private.setblocking(False)
            with pytest.raises(BlockingIOError):
                private.recv(100)


async def test_a_guest_cannot_connect_to_the_hosts_services(make_network: Callable[..., HostNetwork], netns: NetNs) -> None:
    async with two_guests(make_network()) as (guest, _):
        gateway = guest.resolve(GATEWAY)
        with netns.entered():
            service = socket.create_server(("0.0.0.0", 8080))
        with service:
            guest.send_ip(gateway, tcp_syn(guest.ip, 5000, GATEWAY, 8080))
            guest.ping(GATEWAY, gateway)
            answer = guest.receive(lambda got: got.kind == IPV4)
            assert answer.protocol == socket.IPPROTO_ICMP


async def test_a_guest_without_a_lease_may_use_what_nobody_holds(make_network: Callable[..., HostNetwork], netns: NetNs) -> None:
    network = make_network()
    held = port_for(network, VM_IDS[0])
    free = NetPort(vm_id=VM_IDS[2], tap=network.tap_name(VM_IDS[2]), mac="02:00:00:00:00:0c", ip="")
    async with network.attached(held) as first, network.attached(free) as second:
        assert first is not None
        assert second is not None
        one, roaming = RawGuest(first, held.mac, held.ip), RawGuest(second, free.mac, "192.168.127.200")
        with udp_socket(netns, "", 67) as server:
            roaming.send(ethernet(roaming.mac, BROADCAST, IPV4, udp("0.0.0.0", 68, "255.255.255.255", 67, b"discover")))
            assert server.recv(100) == b"discover"
        roaming.send_ip(one.mac, udp(held.ip, 5000, held.ip, 6000, b"spoofed"))
        roaming.send_ip(one.mac, udp(GATEWAY, 5000, held.ip, 6000, b"spoofed"))
        roaming.send_ip(one.mac, udp(roaming.ip, 5000, held.ip, 6000, b"honest"))
        assert one.receive(lambda got: got.data in (b"spoofed", b"honest")).data == b"honest"
    await network.close()


async def test_a_tap_without_rules_is_mute(make_network: Callable[..., HostNetwork], netns: NetNs) -> None:
    """Rules that are lost cut a guest off; they never open anything."""
    async with two_guests(make_network()) as (one, other):
        netns.run("nft", "flush", "set", "bridge", "volant", "addresses")
        netns.run("nft", "add", "element", "bridge", "volant", "addresses", f"{{ {_tap_of(one)} . {one.mac} . {one.ip} }}")
        other.send_ip(one.mac, udp(other.ip, 5000, one.ip, 6000, b"without a rule"))
        with udp_socket(netns, GATEWAY, 0) as host:
            host.sendto(b"from the host", (one.ip, 6000))
            assert one.receive_udp().data == b"from the host"


def _tap_of(guest: RawGuest) -> str:
    """The interface behind a tap's descriptor."""
    with open(f"/proc/self/fdinfo/{guest.descriptor}") as file:
        return next(line.split()[1] for line in file if line.startswith("iff:"))
