"""The network's section of the daemon's settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, NetmaskValueError

from volant.proto.errors import InvalidParams

MAX_INTERFACE_NAME = 15
"""IFNAMSIZ of <linux/if.h> is 16 with the closing NUL."""
MIN_PREFIX = 8
"""The largest subnet: any /8 is more than a host can have VMs."""
MAX_PREFIX = 30
"""The smallest subnet with room for the host and one guest."""
MIN_MTU = 576
"""What every IPv4 host must be able to receive (RFC 791)."""
MAX_MTU = 65_521
"""Largest that the kernel accepts for a tap (65,535 less an Ethernet header)."""

# What may stand in an nft rule between quotes and in a path below /proc/sys; narrower than the kernel's own rule.
_INTERFACE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*\Z")

_DEFAULT_SUBNET = IPv4Interface("192.168.127.1/24")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetConfig:
    """Which bridge, which subnet. One that exists is valid: InvalidParams otherwise."""

    bridge: str = "vbr0"
    subnet: IPv4Interface = _DEFAULT_SUBNET
    """The host's own address on the bridge, which is the guests' gateway, with the subnet's prefix."""
    mtu: int = 1_500
    dns: tuple[str, ...] = ()
    """Resolvers that guests are told; empty: the host's own upstream servers."""

    def __post_init__(self) -> None:
        if len(self.bridge) > MAX_INTERFACE_NAME or not _INTERFACE.match(self.bridge):
            raise InvalidParams(
                f"{self.bridge!r} can't be the name of a bridge",
                hint=f"use at most {MAX_INTERFACE_NAME} letters, digits, - and _, for example vbr0",
            )
        if not MIN_PREFIX <= self.network.prefixlen <= MAX_PREFIX:
            raise InvalidParams(
                f"the subnet {self.network} is not between /{MIN_PREFIX} and /{MAX_PREFIX}", hint="for example: 192.168.127.1/24"
            )
        if self.host in (self.network.network_address, self.network.broadcast_address):
            raise InvalidParams(
                f"{self.host} is no host address of {self.network}", hint=f"for example: {self.network.network_address + 1}"
            )
        if self.network.is_loopback or self.network.is_multicast or self.network.is_unspecified:
            raise InvalidParams(f"the subnet {self.network} is reserved for another use", hint="choose a private one: 192.168.127.1/24")
        if not MIN_MTU <= self.mtu <= MAX_MTU:
            raise InvalidParams(f"an MTU of {self.mtu} is not between {MIN_MTU} and {MAX_MTU}", hint="1500 fits most networks")
        for server in self.dns:
            _address(server, "a DNS server")

    @property
    def host(self) -> IPv4Address:
        """The host's address, and the guests' gateway."""
        return self.subnet.ip

    @property
    def network(self) -> IPv4Network:
        return self.subnet.network


def parse_subnet(text: str) -> IPv4Interface:
    """`192.168.127.1/24` as it stands; of `192.168.127.0/24` the host gets the first address. InvalidParams."""
    try:
        subnet = IPv4Interface(text)
    except (AddressValueError, NetmaskValueError):
        raise InvalidParams(f"{text!r} is no IPv4 subnet", hint="for example: 192.168.127.0/24") from None
    if subnet.ip == subnet.network.network_address and subnet.network.prefixlen <= MAX_PREFIX:
        return IPv4Interface((int(subnet.ip) + 1, subnet.network.prefixlen))
    return subnet


def _address(text: str, what: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise InvalidParams(f"{text!r} is no IPv4 address of {what}", hint="for example: 192.0.2.53") from None
