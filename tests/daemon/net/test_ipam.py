"""The address pool, against a model and by example."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.daemon.net.ipam import Pool
from volant.daemon.net.mac import is_local_mac
from volant.daemon.ports import Lease
from volant.proto.errors import AddressTaken, Fault, HostShort, InvalidParams

SUBNET = IPv4Interface("192.168.127.1/24")

subnets = st.builds(
    lambda base, prefix, offset: IPv4Interface((IPv4Interface((base, prefix)).network[1 + offset % (2 ** (32 - prefix) - 2)], prefix)),
    st.integers(0x0A000000, 0x0AFFFFFF),
    st.integers(26, 30),
    st.integers(0, 100),
)


@given(subnet=subnets, moves=st.lists(st.tuples(st.booleans(), st.integers(0, 70)), max_size=150))
def test_never_gives_what_is_reserved_or_taken(subnet: IPv4Interface, moves: list[tuple[bool, int]]) -> None:
    pool, model = Pool(subnet), dict[str, Lease]()
    reserved = {subnet.ip, subnet.network.network_address, subnet.network.broadcast_address}
    for takes, number in moves:
        vm_id = f"{number:012x}"
        if not takes:
            pool.give_back(vm_id)
            model.pop(vm_id, None)
        elif vm_id in model:
            assert pool.lease(vm_id) == model[vm_id]
        elif len(model) == pool.capacity:
            with pytest.raises(HostShort):
                pool.lease(vm_id)
        else:
            lease = pool.lease(vm_id)
            address = IPv4Address(lease.ip)
            assert address in subnet.network
            assert address not in reserved
            assert lease.ip not in {other.ip for other in model.values()}
            assert lease.mac not in {other.mac for other in model.values()}
            model[vm_id] = lease
        assert len(pool) == len(model)


@given(subnet=subnets)
def test_gives_every_address_once_and_then_says_that_it_is_empty(subnet: IPv4Interface) -> None:
    pool = Pool(subnet)
    given_out = {pool.lease(f"{number:012x}").ip for number in range(pool.capacity)}
    assert len(given_out) == pool.capacity == subnet.network.num_addresses - 3
    with pytest.raises(HostShort, match=f"has room for {pool.capacity} VMs?"):
        pool.lease("ffffffffffff")


def test_an_address_given_back_rests() -> None:
    pool = Pool(SUBNET)
    assert pool.lease("a").ip == "192.168.127.2"
    pool.give_back("a")
    assert pool.lease("b").ip == "192.168.127.3"


def test_counting_goes_on_behind_restored_leases() -> None:
    pool = Pool(SUBNET)
    pool.restore((Lease("192.168.127.9", "a", "02:00:00:00:00:01"), Lease("192.168.127.5", "b", "02:00:00:00:00:02")))
    assert pool.lease("a").mac == "02:00:00:00:00:01"
    assert pool.lease("c").ip == "192.168.127.10"


def test_a_restored_lease_of_another_subnet_is_held() -> None:
    pool = Pool(SUBNET)
    pool.restore((Lease("10.0.0.5", "a", "02:00:00:00:00:01"),))
    assert pool.lease("a").ip == "10.0.0.5"
    assert pool.lease("b").ip == "192.168.127.2"
    pool.give_back("a")
    assert pool.lease("a").ip == "192.168.127.3"


@pytest.mark.parametrize(
    ("wanted", "fault", "says"),
    [
        ("192.168.128.5", InvalidParams, "not in the subnet"),
        ("192.168.127.0", InvalidParams, "network's or the broadcast"),
        ("192.168.127.255", InvalidParams, "network's or the broadcast"),
        ("192.168.127.1", AddressTaken, "host's own"),
        ("192.168.127.7", AddressTaken, "belongs to the VM with id holder"),
        ("192.168.127.07", InvalidParams, "no IPv4 address"),
        ("fe80::1", InvalidParams, "no IPv4 address"),
    ],
)
def test_a_wanted_address_is_checked(wanted: str, fault: type[Exception], says: str) -> None:
    pool = Pool(SUBNET)
    pool.lease("holder", "192.168.127.7")
    with pytest.raises(fault, match=says) as refused:
        pool.lease("asker", wanted)
    assert isinstance(refused.value, Fault)
    assert "belongs" in says or refused.value.hint == "use one of 192.168.127.2 to 192.168.127.254"
    assert len(pool) == 1


def test_a_vm_keeps_its_address() -> None:
    pool = Pool(SUBNET)
    lease = pool.lease("a", "192.168.127.7")
    assert pool.lease("a") == pool.lease("a", "192.168.127.7") == lease
    with pytest.raises(AddressTaken, match="already"):
        pool.lease("a", "192.168.127.8")


def test_macs_are_local_stable_and_spelled_alike() -> None:
    leases = [Pool(SUBNET).lease(f"{number:012x}") for number in range(50)]
    assert all(is_local_mac(lease.mac) for lease in leases)
    assert leases[0].mac == Pool(IPv4Interface("10.0.0.1/8")).lease(f"{0:012x}").mac


@pytest.mark.parametrize(("host", "usable"), [("10.0.0.1", "10.0.0.2 to 10.0.0.6"), ("10.0.0.6", "10.0.0.1 to 10.0.0.5")])
def test_who_asks_for_what_is_no_guests_is_told_which_addresses_are(host: str, usable: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        Pool(IPv4Interface(f"{host}/29")).lease("0" * 12, "10.0.0.7")
    assert refused.value.hint == f"use one of {usable}"
