"""The pool of guest addresses: pure, in memory; the store keeps the leases.

The next address is the one after the last given, wrapping around, rather than the lowest free one: an address that was given back
rests until the pool has gone round, so that peers' ARP caches, connection tracking entries and known_hosts lines of the dead VM don't
meet its successor. After a restart counting goes on behind the highest address in use.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Interface

from volant.daemon.net.mac import free_mac
from volant.daemon.ports import Lease
from volant.proto.errors import AddressTaken, HostShort, InvalidParams


class Pool:
    """Addresses of one subnet; never gives its network, broadcast or host address."""

    def __init__(self, subnet: IPv4Interface) -> None:
        """`subnet` is the host's own address with the prefix."""
        self._subnet = subnet
        self._first = int(subnet.network.network_address) + 1
        self._last = int(subnet.network.broadcast_address) - 1
        self._by_vm: dict[str, Lease] = {}
        self._holders: dict[int, str] = {}
        self._macs: set[str] = set()
        self._next = self._first

    @property
    def capacity(self) -> int:
        """How many guests fit in all: the subnet less network, broadcast and host."""
        return self._last - self._first

    def __len__(self) -> int:
        return len(self._by_vm)

    def held(self) -> dict[str, str]:
        """Every address that is taken, with its VM's id."""
        return {lease.ip: vm_id for vm_id, lease in self._by_vm.items()}

    def restore(self, leases: Iterable[Lease]) -> None:
        """Take stored leases back. One outside the subnet (the setting was changed) is held too: its VM runs with it still."""
        for lease in leases:
            self._hold(lease)
        inside = [address for address in self._holders if self._first <= address <= self._last]
        self._next = self._after(max(inside)) if inside else self._first

    def lease(self, vm_id: str, wanted: str = "") -> Lease:
        """Reserve `wanted`, or the next free address; what the VM has already when that fits.

        InvalidParams for an address that no guest can have here, AddressTaken, HostShort when the pool is empty.
        """
        held = self._by_vm.get(vm_id)
        if held is not None:
            if wanted and IPv4Address(self._checked(wanted)) != IPv4Address(held.ip):
                raise AddressTaken(f"this VM has the address {held.ip} already", hint="delete the VM to give its address back", ip=held.ip)
            return held
        address = self._free(self._checked(wanted)) if wanted else self._next_free()
        lease = Lease(str(IPv4Address(address)), vm_id, free_mac(vm_id, self._macs))
        self._hold(lease)
        if not wanted:
            self._next = self._after(address)
        return lease

    def give_back(self, vm_id: str) -> None:
        """Free the VM's address; nothing when it has none."""
        lease = self._by_vm.pop(vm_id, None)
        if lease is not None:
            del self._holders[int(IPv4Address(lease.ip))]
            self._macs.discard(lease.mac)

    def _hold(self, lease: Lease) -> None:
        self._by_vm[lease.vm_id] = lease
        self._holders[int(IPv4Address(lease.ip))] = lease.vm_id
        self._macs.add(lease.mac)

    def _after(self, address: int) -> int:
        return address + 1 if address < self._last else self._first

    def _checked(self, text: str) -> int:
        network = self._subnet.network
        host = int(self._subnet.ip)
        usable = f"use one of {IPv4Address(self._first + (self._first == host))} to {IPv4Address(self._last - (self._last == host))}"
        try:
            address = IPv4Address(text)
        except AddressValueError:
            raise InvalidParams(f"{text!r} is no IPv4 address", hint=usable) from None
        if address not in network:
            raise InvalidParams(f"{address} is not in the subnet {network}", hint=usable)
        if address in (network.network_address, network.broadcast_address):
            raise InvalidParams(f"{address} is the network's or the broadcast address of {network}", hint=usable)
        if address == self._subnet.ip:
            raise AddressTaken(f"{address} is the host's own address on the bridge", hint=usable, ip=str(address))
        return int(address)

    def _free(self, address: int) -> int:
        holder = self._holders.get(address)
        if holder is not None:
            raise AddressTaken(
                f"{IPv4Address(address)} belongs to the VM with id {holder}",
                hint="name another address, or none and get the next free one",
                ip=str(IPv4Address(address)),
                vm_id=holder,
            )
        return address

    def _next_free(self) -> int:
        address = self._next
        # One step more than there are addresses: the host's own is skipped without being counted as taken.
        for _ in range(self._last - self._first + 1):
            if address not in self._holders and address != int(self._subnet.ip):
                return address
            address = self._after(address)
        raise HostShort(
            f"every address of {self._subnet.network} is taken (it has room for {self.capacity} VM{'s' * (self.capacity != 1)})",
            hint="delete VMs that are no longer needed, or give the daemon a larger --subnet",
        )
