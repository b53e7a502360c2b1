"""The orchestrator alone, on a host, a bridge and a store in memory: quick enough for hundreds of stories, and each can be made to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from tests.fakes.records import plugin_record
from tests.fakes.store import MemoryStore
from tests.patience import wait_until
from volant.daemon.consoles.consoles import ConsoleRoom
from volant.daemon.events import Hub
from volant.daemon.guests.link import AgentLink
from volant.daemon.hypervisors.fake.launcher import FakeHost, FakeHypervisor
from volant.daemon.ports import Address, Change, Images, Lease, LinkOver, NetPort, NetPresence, Network, PluginRecord, VmRecord
from volant.daemon.vms.book import Journal
from volant.daemon.vms.places import BootPlaces
from volant.daemon.vms.restarts import clock
from volant.daemon.vms.roster import Roster
from volant.daemon.vms.services import Services
from volant.proto.api.event import Event
from volant.proto.api.vm import CreateVm, VmView
from volant.proto.errors import Fault, NoSuchPlugin
from volant.proto.specs.states import NetworkMode, VmState, WaitFor
from volant.proto.specs.vmconfig import Defaults

BOOTS = 2
"""How many guests boot at once."""

EPOCH_S = 1_769_860_800.0
"""2026-01-31T12:00:00Z, when the host's clock starts; it goes as trio's does."""

MANIFEST = {
    "schema_version": "1",
    "name": "hello",
    "version": "1.0.0",
    "initramfs": {"url": "/nowhere.cpio"},
    "resources": {"cpu_cores": 1, "memory_mb": 128},
    "workload": {"type": "http", "base_url": "http://127.0.0.1:8000", "entrypoint": ["/bin/serve"]},
}


async def _at_once(job: Callable[..., Any], *args: Any, **options: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return job(*args)


@contextmanager
def no_threads() -> Iterator[None]:
    """Folders are made and removed on the loop: a clock that jumps can't know that a thread still works."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio.to_thread, "run_sync", _at_once)
        yield


@dataclass
class UnreliableStore(MemoryStore):
    """Takes its time, and refuses everything while `broken` is set."""

    broken: Fault | None = None
    commit_s: float = 0.002

    async def commit(self, *changes: Change) -> tuple[Event, ...]:
        await trio.sleep(self.commit_s)
        if self.broken is not None:
            raise self.broken
        return await super().commit(*changes)


@dataclass
class FakeBridge:
    """The taps of a host; `broken` refuses whatever touches it."""

    taps: set[str] = field(default_factory=set)
    broken: Fault | None = None
    leased: dict[str, str] = field(default_factory=dict)

    async def prepare(self) -> None:
        await trio.lowlevel.checkpoint()
        self.check()

    def lease(self, vm_id: str, *, ip: str = "") -> Lease:
        free = str(IPv4Address("192.168.127.2") + len(self.leased))
        return Lease(ip or self.leased.setdefault(vm_id, free), vm_id, "02:00:00:00:00:07")

    def give_back(self, vm_id: str) -> None:
        pass

    def address(self, lease: Lease) -> Address:
        return Address(ip=lease.ip, prefix=24, gateway="192.168.127.1", mac=lease.mac, dns=())

    def tap_name(self, vm_id: str) -> str:
        return f"vt{vm_id}"

    def attached(self, port: NetPort, *, adopt: bool = False) -> AbstractAsyncContextManager[int | None]:
        return _Attachment(self, port.tap)

    async def sweep(self, keep: frozenset[str]) -> tuple[str, ...]:
        await trio.lowlevel.checkpoint()
        gone = self.taps - keep
        self.taps -= gone
        return tuple(sorted(gone))

    async def present(self) -> NetPresence:
        await trio.lowlevel.checkpoint()
        return NetPresence(taps=frozenset(self.taps), guests=frozenset(self.taps), leases={})

    def check(self) -> None:
        if self.broken is not None:
            raise self.broken


@dataclass
class _Attachment(AbstractAsyncContextManager[int | None]):
    """A class, for one that is never left must not clean up when it is collected."""

    bridge: FakeBridge
    tap: str

    async def __aenter__(self) -> int | None:
        await trio.lowlevel.checkpoint()
        self.bridge.check()
        self.bridge.taps.add(self.tap)
        return None

    async def __aexit__(self, *error: object) -> None:
        await trio.lowlevel.checkpoint()
        self.bridge.check()
        self.bridge.taps.discard(self.tap)


@dataclass
class Shelf:
    """The installed plugins."""

    plugins: dict[tuple[str, str], PluginRecord]

    def record(self, name: str, version: str = "") -> PluginRecord:
        found = self.plugins.get((name, version or "1.0.0"))
        if found is None:
            raise NoSuchPlugin(name, version)
        return found

    usable = record

    async def wait_settled(self, name: str) -> None:
        """Nothing of it ever changes."""


class Ensemble:
    """One host with its store; `playing` runs a daemon's orchestrator on them, and what it leaves outlives it."""

    def __init__(self, root: Path, *, network: NetworkMode = NetworkMode.NONE) -> None:
        self.root = root
        self.network = network
        self.host = FakeHost()
        self.store = UnreliableStore()
        self.bridge = FakeBridge()
        self.shelf = Shelf({("hello", "1.0.0"): plugin_record("hello", manifest=MANIFEST)})
        self.available_mib = 100_000
        self.oom_kill = ""
        """What the kernel's log says of any VMM that is gone."""
        self.others: frozenset[str] = frozenset()
        """Ids of VMs that another daemon of this host has."""
        self.hypervisor = "fake"
        """What the launcher is called: another daemon may serve another one."""
        self.link_over: LinkOver = AgentLink
        self.services: Services
        self.vms: Roster

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[Roster]:
        """An orchestrator, cancelled at the end as when the daemon leaves."""
        _, newest = await self.store.event_range()
        self.services = Services(
            journal=Journal(self.store, Hub(newest=newest, encode=lambda event: b"")),
            hypervisors={self.hypervisor: FakeHypervisor(self.host)},
            network=cast(Network, self.bridge),
            images=cast(Images, None),
            consoles=ConsoleRoom(),
            catalog=self.shelf,
            link_over=self.link_over,
            now=lambda: clock(EPOCH_S + trio.current_time()),
            wall_ns=lambda: int((EPOCH_S + trio.current_time()) * 1e9),
            available_mib=lambda: self.available_mib,
            state_dir=self.root / "s",
            runtime_dir=self.root / "r",
            boot_timeout_s=30.0,
            boots=BootPlaces(BOOTS),
            host_boot=self.host.boot_id,
            oom_kill=lambda identity: self.oom_kill,
            others=lambda: self.others,
            chance=lambda: 0.0,
        )
        self.vms = Roster(self.services, Defaults(network=self.network, hypervisor=self.hypervisor))
        await self.vms.restore()
        async with trio.open_nursery() as nursery:
            await nursery.start(self.vms.run)
            try:
                yield self.vms
            finally:
                nursery.cancel_scope.cancel()

    async def create(self, name: str = "web", *, wait: WaitFor | None = WaitFor.READY, **asked: Any) -> VmView:
        return await self.vms.create(CreateVm(name=name, plugin="hello", wait=wait, **asked), author="test")

    async def stored(self, name: str = "web") -> VmRecord:
        """The VM's row."""
        return next(record for record in await self.store.vms() if record.name == name)

    async def kinds(self) -> list[str]:
        """What happened, to all VMs and to the daemon itself."""
        return [event.kind for event in await self.store.events(after=0, limit=1_000)]

    async def settled(self, state: VmState, name: str = "web") -> VmView:
        """Once the VM is in that state."""
        await wait_until(lambda: self.vms.get(name).status is state)
        return self.vms.get(name)

    @contextmanager
    def full_disk(self, fault: Fault) -> Iterator[None]:
        """The store refuses everything meanwhile."""
        self.store.broken = fault
        try:
            yield
        finally:
            self.store.broken = None
