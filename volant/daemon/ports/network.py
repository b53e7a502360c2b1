"""Bridge, taps, pool and firewall."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from volant.daemon.ports.records import Lease
from volant.proto.api.vm import Forward


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What the guest configures."""

    ip: str
    prefix: int
    gateway: str
    mac: str
    dns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPort:
    """A VM's place on the bridge."""

    vm_id: str
    tap: str
    mac: str
    ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPresence:
    """What the room has on the host and in its pool."""

    taps: frozenset[str]
    """Provably ours, by name and alias."""
    guests: frozenset[str]
    """Taps whose guests the firewall lets in."""
    leases: Mapping[str, str]
    """Address to VM id."""


class Network(Protocol):
    """Bridge, taps, pool and firewall. Only `attached` and `prepare` touch the host."""

    async def prepare(self) -> None:
        """Bridge, address, forwarding and firewall table are there; cheap when they are. SubnetTaken, NetworkFailed."""

    def restore(self, leases: tuple[Lease, ...]) -> None:
        """Take the stored leases back into the pool, once, at start."""

    def lease(self, vm_id: str, *, ip: str = "") -> Lease:
        """Reserve an address (the wanted one, or the next free); the caller stores it. HostShort when the pool is empty, AddressTaken."""

    def give_back(self, vm_id: str) -> None: ...
    def address(self, lease: Lease) -> Address: ...
    def user_address(self, vm_id: str) -> Address:
        """What a guest in user mode configures."""

    def choose_forwards(self, wanted: tuple[Forward, ...], held: Mapping[str, tuple[Forward, ...]]) -> tuple[Forward, ...]:
        """Host ports for a VM in user mode: the named ones when they are free, free ones in place of 0. `held`: the forwards of the
        other VMs by VM name. Nothing reserves the ports until the VMM listens. InvalidParams, AddressTaken, NotAllowed, HostShort."""

    def tap_name(self, vm_id: str) -> str:
        """Derived by hash, at most 15 bytes."""

    def attached(self, port: NetPort, *, adopt: bool = False) -> AbstractAsyncContextManager[int | None]:
        """A tap on the bridge with its rules; yields its descriptor (None when adopting: the VMM holds it). Leaving removes rules
        and tap and proves them gone. With `adopt` the tap is there already and only the rules are made sure of."""

    async def sweep(self, keep: frozenset[str]) -> tuple[str, ...]:
        """Remove taps and rules that are provably ours (name and alias) and whose tap's name is not in `keep`; the names removed."""

    async def present(self) -> NetPresence:
        """Look at the host; nothing is found where we may not look. NetworkFailed."""

    async def close(self) -> None: ...
