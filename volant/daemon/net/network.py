"""`ports.Network` on Linux: the pool in memory, and the kernel's side in one worker thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from types import TracebackType

import trio

from volant.daemon.net import names
from volant.daemon.net.claim import ELSEWHERE, ClaimHeld
from volant.daemon.net.config import NetConfig
from volant.daemon.net.forwards import choose_forwards
from volant.daemon.net.ipam import Pool
from volant.daemon.net.kernel import Kernel, Tap
from volant.daemon.net.mac import is_local_mac, local_mac
from volant.daemon.net.resolver import host_servers
from volant.daemon.net.rules import Guest
from volant.daemon.net.worker import Worker
from volant.daemon.ports import Address, Lease, NetPort, NetPresence
from volant.proto.api.vm import Forward
from volant.proto.errors import NetworkFailed

# The addresses of QEMU's user-mode network (-netdev user), the same for every guest.
_USER_IP, _USER_PREFIX, _USER_GATEWAY, _USER_DNS = "10.0.2.15", 24, "10.0.2.2", "10.0.2.3"

CLAIM_S = 1.0
"""How long a network that is another daemon's is waited for: one that starts has it for some milliseconds, to look for what was left."""
CLAIM_AGAIN_S = 0.05
"""Between two tries to get it."""


class HostNetwork:
    """Bridge, taps, pool and firewall of one network namespace: the one in which it is first used."""

    def __init__(self, config: NetConfig, state_dir: Path, others: Callable[[], frozenset[str]] = frozenset) -> None:
        """`state_dir` must exist by the first `prepare`: the host's previous settings are kept there. `others`: see `vms.services`."""
        self._config = config
        self._pool = Pool(config.subnet)
        self._worker = Worker("volant-net")
        self._kernel = Kernel(config, state_dir, others)
        self._preparing = trio.Lock()
        self._removing = trio.Lock()
        self._doomed: list[_Removal] = []

    async def prepare(self) -> None:
        """SubnetTaken; NetworkFailed, also while another daemon has this namespace's network."""
        async with self._preparing:
            deadline = trio.current_time() + CLAIM_S
            while True:
                try:
                    return await self._worker.run(self._kernel.prepare)
                except ClaimHeld as held:
                    if trio.current_time() >= deadline:
                        raise _held(held.pid) from None
                await trio.sleep(CLAIM_AGAIN_S)

    def restore(self, leases: tuple[Lease, ...]) -> None:
        self._pool.restore(leases)

    def lease(self, vm_id: str, *, ip: str = "") -> Lease:
        return self._pool.lease(vm_id, ip)

    def give_back(self, vm_id: str) -> None:
        self._pool.give_back(vm_id)

    @property
    def leases(self) -> int:
        """How many addresses VMs have."""
        return len(self._pool)

    @property
    def capacity(self) -> int:
        """How many addresses the pool has for VMs."""
        return self._pool.capacity

    def address(self, lease: Lease) -> Address:
        return Address(
            ip=lease.ip,
            prefix=self._config.network.prefixlen,
            gateway=str(self._config.host),
            mac=lease.mac,
            dns=self._config.dns or host_servers(),
        )

    def user_address(self, vm_id: str) -> Address:
        return Address(ip=_USER_IP, prefix=_USER_PREFIX, gateway=_USER_GATEWAY, mac=local_mac(vm_id), dns=(_USER_DNS,))

    def choose_forwards(self, wanted: tuple[Forward, ...], held: Mapping[str, tuple[Forward, ...]]) -> tuple[Forward, ...]:
        return choose_forwards(wanted, held)

    def tap_name(self, vm_id: str) -> str:
        return names.tap_name(vm_id)

    def attached(self, port: NetPort, *, adopt: bool = False) -> AbstractAsyncContextManager[int | None]:
        return _Attachment(self, port, adopt=adopt)

    async def sweep(self, keep: frozenset[str]) -> tuple[str, ...]:
        """`keep`: names of taps. Those attached here are kept in any case."""
        return await self._worker.run(partial(self._kernel.sweep, keep))

    async def present(self) -> NetPresence:
        taps, guests = await self._worker.run(self._kernel.present)
        return NetPresence(taps=taps, guests=guests, leases=self._pool.held())

    async def close(self) -> None:
        """Let go of sockets and thread; what is on the host stays, for VMs outlive the daemon."""
        with trio.CancelScope(shield=True):
            await self._worker.run(self._kernel.close)
        self._worker.close()

    async def _attach(self, port: NetPort, *, adopt: bool) -> Tap:
        guest = _guest(port)
        if adopt:
            return await self._worker.run(partial(self._kernel.adopt, guest))
        if guest.ip and (IPv4Address(guest.ip) not in self._config.network or IPv4Address(guest.ip) == self._config.host):
            raise NetworkFailed(
                f"the VM's address {guest.ip} is none that guests have in {self._config.network}",
                hint="the subnet was changed: go back to the old --subnet, or delete the VM and create it anew",
            )
        return await self._worker.run(partial(self._kernel.attach, guest, port.vm_id))

    async def _detach(self, tap: Tap) -> None:
        """Taps that come while others are being removed go together: the kernel takes as long for one as for fifty."""
        removal = _Removal(tap)
        self._doomed.append(removal)
        async with self._removing:
            batch, self._doomed = self._doomed, []
            try:
                if batch:
                    await self._worker.run(partial(self._kernel.remove, [one.tap for one in batch]))
            except NetworkFailed as failed:
                for one in batch:
                    one.failed = failed
        if removal.failed is not None:
            raise removal.failed
        if tap.exists():
            raise NetworkFailed(f"the tap {tap.guest.tap} could not be removed", hint=f"`ip link delete {tap.guest.tap}` says why")


@dataclass(slots=True)
class _Removal:
    """One tap on its way out, and why it isn't gone if so."""

    tap: Tap
    failed: NetworkFailed | None = None


class _Attachment:
    """A class, not an async generator: one that nobody leaves (the daemon stops, its VMs stay) must not clean up when it is collected."""

    def __init__(self, network: HostNetwork, port: NetPort, *, adopt: bool) -> None:
        self._network, self._port, self._adopt = network, port, adopt

    async def __aenter__(self) -> int | None:
        self._tap = await self._network._attach(self._port, adopt=self._adopt)
        return self._tap.descriptor

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with trio.CancelScope(shield=True):
            await self._network._detach(self._tap)


def _held(pid: int) -> NetworkFailed:
    """Where two daemons would share a bridge, each would give out the other one's addresses and replace its firewall."""
    who = f"another volantd (pid {pid})" if pid else "another volantd"
    return NetworkFailed(f"{who} has this host's network", hint=f"stop that one, {ELSEWHERE}")


def _guest(port: NetPort) -> Guest:
    """The port as the firewall knows it. Its texts come from the store and end in nftables' language, so they are looked at again."""
    try:
        ip = str(IPv4Address(port.ip)) if port.ip else ""
    except AddressValueError:
        ip = None
    if ip is None or not names.is_tap_name(port.tap) or not is_local_mac(port.mac):
        raise NetworkFailed(
            f"the stored port of VM {port.vm_id} makes no sense: {port.tap!r}, {port.mac!r}, {port.ip!r}",
            hint="delete the VM and create it anew",
        )
    return Guest(port.tap, port.mac, ip)
