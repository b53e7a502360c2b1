"""What has to be done so that the bridge stands: pure, from a picture of the host to a tuple of steps.

                 bridge missing ---------> MakeBridge, AddAddress
our bridge, with another address --------> DropAddress, AddAddress   (refused while taps are on it)
somebody's bridge without an address ----> AddAddress
address there ---------------------------> nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from volant.daemon.net.config import NetConfig
from volant.daemon.net.mac import local_mac
from volant.daemon.net.names import BRIDGE_ALIAS, is_tap_name
from volant.proto.errors import NetworkFailed, SubnetTaken

_MAX_CATCH_ALL_PREFIX = 1
"""Default routes, also as the two halves 0.0.0.0/1 and 128.0.0.0/1 that VPN clients set: they name no network in particular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface, as the kernel lists it."""

    index: int
    name: str
    kind: str = ""
    """`bridge`, `tun`, `veth`, ...; empty for hardware and loopback."""
    alias: str = ""
    master: int = 0
    """Index of the bridge that it is a port of; 0 for none."""
    is_up: bool = True
    mtu: int = 1_500


@dataclass(frozen=True, slots=True)
class HostAddress:
    """An IPv4 address of an interface."""

    index: int
    address: IPv4Interface


@dataclass(frozen=True, slots=True)
class Route:
    """An IPv4 unicast route; `index` is that of its interface, 0 when it has several."""

    index: int
    destination: IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """The host's network, as far as the plan depends on it."""

    links: tuple[Link, ...]
    addresses: tuple[HostAddress, ...]
    routes: tuple[Route, ...]

    def named(self, name: str) -> Link | None:
        return next((link for link in self.links if link.name == name), None)

    def name_of(self, index: int) -> str:
        return next((link.name for link in self.links if link.index == index), f"interface {index}")


@dataclass(frozen=True, slots=True)
class MakeBridge:
    """A bridge with our mark. Its own MAC stays the same, or guests' ARP caches would break whenever a port comes or goes."""

    name: str
    mac: str


@dataclass(frozen=True, slots=True)
class DropAddress:
    address: IPv4Interface


@dataclass(frozen=True, slots=True)
class AddAddress:
    address: IPv4Interface


@dataclass(frozen=True, slots=True)
class BringUp:
    mtu: int


Step = MakeBridge | DropAddress | AddAddress | BringUp


def plan_bridge(config: NetConfig, host: HostView) -> tuple[Step, ...]:
    """The steps, in order; none when all is there. SubnetTaken, NetworkFailed when the bridge's name or address is in the way."""
    bridge = host.named(config.bridge)
    if bridge is not None and bridge.kind != "bridge":
        raise NetworkFailed(
            f"the interface {config.bridge} exists and is no bridge ({bridge.kind or 'hardware'})",
            hint="give the daemon another --bridge, or remove that interface",
        )
    _check_subnet(config, host, bridge)
    if bridge is None:
        made = MakeBridge(config.bridge, local_mac(f"bridge {config.bridge}"))
        return (made, AddAddress(config.subnet), BringUp(config.mtu))
    steps: list[Step] = []
    present = [held.address for held in host.addresses if held.index == bridge.index]
    foreign = [address for address in present if address != config.subnet]
    if foreign and bridge.alias != BRIDGE_ALIAS:
        raise NetworkFailed(
            f"the bridge {config.bridge} is not ours and has the address {foreign[0]}",
            hint=f"give the daemon another --bridge, or that subnet with --subnet {foreign[0]}",
        )
    if foreign and any(link.master == bridge.index and is_tap_name(link.name) for link in host.links):
        raise NetworkFailed(
            f"the bridge {config.bridge} has the address {foreign[0]}, and VMs run on it",
            hint=f"stop the VMs before changing the subnet, or go on with --subnet {foreign[0]}",
        )
    steps += [DropAddress(address) for address in foreign]
    if config.subnet not in present:
        steps.append(AddAddress(config.subnet))
    if not bridge.is_up or bridge.mtu != config.mtu:
        steps.append(BringUp(config.mtu))
    return tuple(steps)


def _check_subnet(config: NetConfig, host: HostView, bridge: Link | None) -> None:
    own = bridge.index if bridge is not None else -1
    hint = "give the daemon a free --subnet, for example 10.127.0.0/24"
    for held in host.addresses:
        if held.index != own and held.address.network.overlaps(config.network):
            raise SubnetTaken(
                f"the subnet {config.network} overlaps {held.address} of {host.name_of(held.index)}",
                hint=hint,
                interface=host.name_of(held.index),
            )
    for route in host.routes:
        if route.index == own or route.destination.prefixlen <= _MAX_CATCH_ALL_PREFIX:
            continue
        if route.destination.overlaps(config.network):
            raise SubnetTaken(
                f"the subnet {config.network} overlaps the host's route to {route.destination} over {host.name_of(route.index)}",
                hint=hint,
                interface=host.name_of(route.index),
            )
