"""Everything that is decided before the host is touched, by value."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from volant.daemon.net import mac, names, rules
from volant.daemon.net.config import NetConfig, parse_subnet
from volant.daemon.net.plan import AddAddress, BringUp, DropAddress, HostAddress, HostView, Link, MakeBridge, Route, plan_bridge
from volant.daemon.net.resolver import host_servers, upstream_servers
from volant.daemon.net.rules import Guest
from volant.proto.errors import InvalidParams, NetworkFailed, SubnetTaken

CONFIG = NetConfig()
LO = Link(index=1, name="lo")
ETH = Link(index=2, name="eth0")
OURS = Link(index=3, name="vbr0", kind="bridge", alias="volant")
TAP = Link(index=4, name=names.tap_name("a"), kind="tun", alias=names.tap_alias("a"), master=3)


def view(*links: Link, addresses: dict[int, str] | None = None, routes: dict[int, str] | None = None) -> HostView:
    return HostView(
        links=(LO, *links),
        addresses=tuple(HostAddress(index, IPv4Interface(text)) for index, text in (addresses or {}).items()),
        routes=tuple(Route(index, IPv4Network(text)) for index, text in (routes or {}).items()),
    )


def test_an_empty_host_gets_everything() -> None:
    made, address, up = plan_bridge(CONFIG, view())
    assert isinstance(made, MakeBridge)
    assert mac.is_local_mac(made.mac)
    assert (address, up) == (AddAddress(CONFIG.subnet), BringUp(1_500))


def test_a_bridge_that_stands_needs_nothing() -> None:
    assert plan_bridge(CONFIG, view(OURS, TAP, addresses={3: "192.168.127.1/24"}, routes={3: "192.168.127.0/24"})) == ()


def test_an_unmarked_bridge_without_address_is_used() -> None:
    bare = Link(index=3, name="vbr0", kind="bridge", is_up=False)
    assert plan_bridge(CONFIG, view(bare)) == (AddAddress(CONFIG.subnet), BringUp(1_500))


def test_our_idle_bridge_is_readdressed_and_a_busy_one_is_not() -> None:
    old = {3: "10.1.0.1/24"}
    assert plan_bridge(CONFIG, view(OURS, addresses=old)) == (DropAddress(IPv4Interface("10.1.0.1/24")), AddAddress(CONFIG.subnet))
    with pytest.raises(NetworkFailed, match="VMs run on it"):
        plan_bridge(CONFIG, view(OURS, TAP, addresses=old))


def test_default_routes_are_no_conflict() -> None:
    host = view(ETH, addresses={2: "203.0.113.2/24"}, routes={2: "0.0.0.0/0"})
    assert len(plan_bridge(CONFIG, host)) == 3
    assert len(plan_bridge(CONFIG, view(ETH, routes={2: "128.0.0.0/1"}))) == 3


@pytest.mark.parametrize("taken", ["192.168.127.0/25", "192.168.0.0/16", "192.168.127.77/32"])
def test_any_overlap_is_named(taken: str) -> None:
    with pytest.raises(SubnetTaken, match="eth0"):
        plan_bridge(CONFIG, view(ETH, routes={2: taken}))


@pytest.mark.parametrize(
    "settings",
    [
        {"bridge": ""},
        {"bridge": "a" * 16},
        {"bridge": 'vbr0" drop'},
        {"bridge": "../all"},
        {"subnet": IPv4Interface("10.0.0.1/31")},
        {"subnet": IPv4Interface("10.0.0.0/24")},
        {"subnet": IPv4Interface("10.0.0.255/24")},
        {"subnet": IPv4Interface("127.0.0.1/8")},
        {"mtu": 100},
        {"dns": ("example.org",)},
    ],
)
def test_a_config_that_exists_is_valid(settings: dict[str, object]) -> None:
    with pytest.raises(InvalidParams) as refused:
        NetConfig(**settings)  # type: ignore[arg-type]
    assert refused.value.hint


def test_a_subnet_may_be_named_by_its_network_or_by_the_hosts_address() -> None:
    assert parse_subnet("10.5.0.0/16") == IPv4Interface("10.5.0.1/16")
    assert parse_subnet("10.5.0.9/16") == IPv4Interface("10.5.0.9/16")
    for bad in ("", "10.5.0.0/33", "10.5/16", "fd00::/64"):
        with pytest.raises(InvalidParams):
            parse_subnet(bad)


def test_tap_names_fit_and_prove_whose_they_are() -> None:
    name = names.tap_name("0123456789ab")
    assert len(name.encode()) <= 15
    assert names.is_tap_name(name)
    assert names.is_our_tap(name, names.tap_alias("0123456789ab"))
    assert not names.is_our_tap(name, names.tap_alias("another"))
    assert not names.is_our_tap(name, "")
    assert len({names.tap_name(f"{number:012x}") for number in range(10_000)}) == 10_000


def test_a_taken_mac_gives_way_to_the_next_of_its_series() -> None:
    first = mac.local_mac("a")
    assert mac.free_mac("a", ()) == first
    second = mac.free_mac("a", (first,))
    assert second == mac.local_mac("a", 1) != first
    assert mac.is_local_mac(second)


FIXED = Guest("vol000000000001", "02:00:00:00:00:01", "192.168.127.2")
ROAMING = Guest("vol000000000002", "02:00:00:00:00:02", "")


def test_guests_are_elements_and_nothing_else() -> None:
    assert rules.add_guests([ROAMING, FIXED]) == (
        'add element bridge volant guests { "vol000000000001" . 02:00:00:00:00:01, "vol000000000002" . 02:00:00:00:00:02 }\n'
        'add element bridge volant addresses { "vol000000000001" . 02:00:00:00:00:01 . 192.168.127.2 }\n'
        "add element bridge volant leased { 192.168.127.2 }\n"
        'add element bridge volant roaming { "vol000000000002" . 02:00:00:00:00:02 }\n'
    )
    assert rules.remove_guests([FIXED]).splitlines()[-1] == "delete element bridge volant leased { 192.168.127.2 }"
    assert rules.add_guests([]) == rules.remove_guests([]) == ""


def test_the_ruleset_replaces_both_tables_and_no_other() -> None:
    text = rules.ruleset(CONFIG, [FIXED])
    assert text.startswith(
        "add table inet volant\ndelete table inet volant\nadd table bridge volant\ndelete table bridge volant\ntable inet volant {"
    )
    assert text.endswith(rules.add_guests([FIXED]))
    assert "flush" not in text
    assert text.count("\ntable ") == 2
    assert "ip saddr 192.168.127.0/24 ip daddr != 192.168.127.0/24" in text


def test_listings_are_read_back() -> None:
    listing = {
        "nftables": [
            {"metainfo": {}},
            {"chain": {"family": "inet", "table": "volant", "name": "pass"}},
            {"set": {"name": "addresses", "elem": [{"concat": [FIXED.tap, FIXED.mac, FIXED.ip]}]}},
            {"set": {"name": "roaming", "elem": [{"concat": [ROAMING.tap, ROAMING.mac]}]}},
            {"set": {"name": "guests"}},
        ]
    }
    assert rules.guests_in(listing) == {FIXED, ROAMING}
    assert rules.guests_in({}) == frozenset()
    assert not rules.has_tables(listing)
    listing["nftables"].append({"chain": {"family": "bridge", "table": "volant", "name": "arriving"}})
    assert rules.has_tables(listing)


def test_guests_are_told_servers_that_they_can_reach() -> None:
    lines = [
        "# nameserver 192.0.2.1",
        "nameserver 127.0.0.53",
        "nameserver 192.0.2.2",
        "nameserver fe80::1%eth0",
        "nameserver",
        "search lan",
    ]
    text = "\n".join([*lines, "nameserver 192.0.2.2"])
    assert upstream_servers(text) == ("192.0.2.2",)
    assert upstream_servers("".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 9))) == ("192.0.2.1", "192.0.2.2", "192.0.2.3")


def test_a_stub_resolver_gives_way_to_its_upstream(tmp_path: Path) -> None:
    stub, upstream = tmp_path / "resolv.conf", tmp_path / "systemd"
    stub.write_text("nameserver 127.0.0.53\n")
    assert host_servers((stub, upstream)) == ()
    upstream.write_text("nameserver 192.0.2.2\n")
    assert host_servers((stub, upstream)) == ("192.0.2.2",)


def test_pyroute2_is_not_loaded_before_it_is_needed() -> None:
    """It costs 0.3 s and 27 MB, and a daemon whose VMs are all in user mode never needs it."""
    code = "import sys, volant.daemon.net.network; print('pyroute2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"
