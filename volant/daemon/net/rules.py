"""The firewall as text: what stands in our two nftables tables, and the commands that change it. Pure.

`inet volant` translates and filters what is routed; `bridge volant` looks at every frame that enters by a tap. Chains are static and
replaced as a whole, in one transaction; per-VM data is in sets only, changed element by element. A tap that is not in the sets can
send nothing: forgetting an element cuts a guest off, it never opens anything.

`docs/network.md` says the same for users.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from volant.daemon.net.config import NetConfig
from volant.daemon.net.names import TAP_PREFIX

TABLE = "volant"
LIST_GUESTS = f"list table bridge {TABLE}"
LIST_CHAINS = "list chains"
"""Not `list tables`: of a table that somebody owns nftables 1.0.6 writes as its flags whatever lies in memory."""

_LINK_LOCAL = "169.254.0.0/16"
"""Meant for neighbours on one link (RFC 3927), and where clouds tell a host its credentials: behind NAT a guest would be taken for the
host. The clouds' name servers are there too, on the usual port."""


@dataclass(frozen=True, slots=True, order=True)
class Guest:
    """Who may send what: frames entering by `tap` must be from `mac` and `ip`."""

    tap: str
    mac: str
    ip: str
    """Empty for a guest that gets its address from a DHCP server: any that is no other guest's and not the gateway's."""


def ruleset(config: NetConfig, guests: Iterable[Guest]) -> str:
    """Replaces both tables by fresh ones that hold `guests`, whether or not they were there. One atomic transaction."""
    remove = "".join(f"add table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in ("inet", "bridge"))
    return remove + _routed(config) + _bridged(config) + add_guests(guests)


def add_guests(guests: Iterable[Guest]) -> str:
    """Lets guests in; one that is in already changes nothing."""
    return "".join(f"add element bridge {TABLE} {name} {{ {', '.join(elements)} }}\n" for name, elements in _by_set(guests).items())


def remove_guests(guests: Iterable[Guest]) -> str:
    """Shuts guests out. Each is added first: deleting an element that isn't there would fail the whole transaction."""
    sets = _by_set(guests)
    remove = "".join(f"delete element bridge {TABLE} {name} {{ {', '.join(elements)} }}\n" for name, elements in sets.items())
    return "".join(f"add element bridge {TABLE} {name} {{ {', '.join(elements)} }}\n" for name, elements in sets.items()) + remove


def guests_in(listing: dict[str, Any]) -> frozenset[Guest]:
    """The guests in `nft -j list table bridge volant` (libnftables-json(5): a set's `elem` holds `{"concat": [...]}`)."""
    sets = {item["set"]["name"]: item["set"].get("elem", []) for item in listing.get("nftables", []) if "set" in item}
    fixed = {Guest(tap, mac, ip) for tap, mac, ip in (element["concat"] for element in sets.get("addresses", []))}
    return frozenset(fixed | {Guest(tap, mac, "") for tap, mac in (element["concat"] for element in sets.get("roaming", []))})


def has_tables(listing: dict[str, Any]) -> bool:
    """Whether chains of both our tables are among those that LIST_CHAINS lists."""
    found = {(item["chain"]["family"], item["chain"]["table"]) for item in listing.get("nftables", []) if "chain" in item}
    return {("inet", TABLE), ("bridge", TABLE)} <= found


def _by_set(guests: Iterable[Guest]) -> dict[str, list[str]]:
    """Elements by the name of their set; no set without elements, which nft would refuse."""
    sets: dict[str, list[str]] = {"guests": [], "addresses": [], "leased": [], "roaming": []}
    for guest in sorted(guests):
        pair = f'"{guest.tap}" . {guest.mac}'
        sets["guests"].append(pair)
        if guest.ip:
            sets["addresses"].append(f"{pair} . {guest.ip}")
            sets["leased"].append(guest.ip)
        else:
            sets["roaming"].append(pair)
    return {name: elements for name, elements in sets.items() if elements}


def _routed(config: NetConfig) -> str:
    bridge, subnet = f'"{config.bridge}"', str(config.network)
    # The first rule of `pass` matters where br_netfilter sends bridged packets through here as well.
    return f"""table inet {TABLE} {{
  chain translate {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {subnet} ip daddr != {subnet} oifname != {bridge} masquerade
  }}
  chain pass {{
    type filter hook forward priority filter; policy accept;
    iifname {bridge} oifname {bridge} accept
    iifname {bridge} ip daddr {_LINK_LOCAL} jump nearby
    iifname {bridge} ip saddr {subnet} accept
    iifname {bridge} drop
    oifname {bridge} ct state established,related accept
    oifname {bridge} drop
  }}
  chain nearby {{
    meta l4proto {{ tcp, udp }} th dport 53 return
    drop
  }}
  chain host {{
    type filter hook input priority filter; policy accept;
    iifname {bridge} jump services
  }}
  chain services {{
    ct state established,related accept
    icmp type echo-request accept
    udp dport {{ 53, 67 }} accept
    tcp dport 53 accept
    drop
  }}
}}
"""


def _bridged(config: NetConfig) -> str:
    # Taps are known by the prefix of their names: `meta ibrname` would say which bridge, and not every kernel is built with it.
    # `ether type` is compared first and in the frame itself, so that a VLAN tag can't hide what is inside.
    # A DHCP server's packets come from port 67; router advertisements are IPv6, which is dropped as a whole.
    return f"""table bridge {TABLE} {{
  set guests {{
    type ifname . ether_addr
  }}
  set addresses {{
    type ifname . ether_addr . ipv4_addr
  }}
  set roaming {{
    type ifname . ether_addr
  }}
  set leased {{
    type ipv4_addr
    elements = {{ {config.host} }}
  }}
  chain arriving {{
    type filter hook prerouting priority -300; policy accept;
    iifname "{TAP_PREFIX}*" jump guest
  }}
  chain guest {{
    iifname . ether saddr != @guests drop
    ether type != {{ ip, arp }} drop
    ether type arp jump guest_arp
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    udp sport 67 drop
    iifname . ether saddr . ip saddr @addresses accept
    iifname . ether saddr @roaming ip saddr != @leased accept
    drop
  }}
  chain guest_arp {{
    arp htype != 1 drop
    arp ptype != ip drop
    iifname . arp saddr ether != @guests drop
    arp saddr ip 0.0.0.0 accept
    iifname . arp saddr ether . arp saddr ip @addresses accept
    iifname . arp saddr ether @roaming arp saddr ip != @leased accept
    drop
  }}
}}
"""
