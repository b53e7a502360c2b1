"""The only place that names concrete classes: which room stands behind which port, and in which order they live and die.

Nesting is the order of dying: what is entered last goes first. Clients are drained while everything still works, then the
owners let go of their VMs, then the watchers of VMMs and the network's thread end, the store last.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import trio

from volant.daemon import events
from volant.daemon.config import Config
from volant.daemon.consoles.consoles import ConsoleRoom
from volant.daemon.deployments.controller import Services as DeploymentServices
from volant.daemon.deployments.room import Deployments
from volant.daemon.fanout import Fanout
from volant.daemon.figures import HostMeter
from volant.daemon.guests.link import AgentLink
from volant.daemon.host.clock import rfc3339, utc_now
from volant.daemon.host.load import read_cpu
from volant.daemon.host.memory import host_memory
from volant.daemon.host.nurseries import helpers
from volant.daemon.host.oom import logged_kill
from volant.daemon.host.processes import boot_id
from volant.daemon.host.usage import usage_of
from volant.daemon.hypervisors.fake.launcher import FakeHost, FakeHypervisor
from volant.daemon.hypervisors.fake.processes import FakeProcessHypervisor
from volant.daemon.hypervisors.marks import elsewhere
from volant.daemon.hypervisors.qemu.driver import QemuHypervisor, QemuSettings
from volant.daemon.hypervisors.qemu.probe import BootFiles
from volant.daemon.images.library import ImageLibrary
from volant.daemon.info import Facts, system_info
from volant.daemon.logs import tell_events
from volant.daemon.net.config import NetConfig, parse_subnet
from volant.daemon.net.network import HostNetwork
from volant.daemon.plugins.registry import PluginRegistry
from volant.daemon.ports import Hypervisor, Store
from volant.daemon.rpc.app import App
from volant.daemon.rpc.handlers import deployment, event, guest, plugin, system, vm, vm_config, vm_lease, vm_logs, vm_stats, vm_watch
from volant.daemon.rpc.listener import group_id, open_socket
from volant.daemon.rpc.peer import Group, Policy, owner_policy
from volant.daemon.rpc.registry import Handlers
from volant.daemon.rpc.service import RpcService
from volant.daemon.store.lock import folder_locks
from volant.daemon.store.reserve import Reserve
from volant.daemon.store.store import open_store
from volant.daemon.vms.book import Journal
from volant.daemon.vms.configs import Configs
from volant.daemon.vms.explaining import Explainer
from volant.daemon.vms.inspection import Inspector
from volant.daemon.vms.places import BootPlaces
from volant.daemon.vms.roster import Roster
from volant.daemon.vms.services import Services
from volant.daemon.vms.stats import Meter
from volant.daemon.vms.sweep import sweep
from volant.proto import cbor
from volant.proto.api.system import NetworkInfo
from volant.proto.errors import Fault, HostShort, StoreFailed
from volant.proto.plain import to_plain
from volant.proto.specs.vmconfig import Defaults

log = logging.getLogger("volant")

DATABASE = "volant.db"
RESERVE = "volant.reserve"

KEEP_EVENTS_EVERY_S = 600.0
"""How often old events are forgotten; between two times a busy host adds some ten thousand."""


class Daemon:
    """One daemon on one state folder."""

    def __init__(self, config: Config, *, fake_host: FakeHost | None = None, passed: socket.socket | None = None) -> None:
        """`fake_host`: where the fake launcher's guests live, so that they can outlive this daemon as real ones do. `passed`: the
        listening socket of a service manager, at `config.socket`."""
        self._config = config
        self._passed = passed
        self._fake_host = fake_host or FakeHost()
        self.app: App | None = None
        """The rooms behind the wire, while the daemon runs."""
        self._asked_to_stop = trio.Event()
        self.stopped = trio.Event()
        """Everything is closed; the VMs go on."""

    def stop(self) -> None:
        self._asked_to_stop.set()

    @property
    def stopping(self) -> bool:
        return self._asked_to_stop.is_set()

    def status(self) -> str:
        """One line of counts, for whoever looks after the daemon. Only while it runs."""
        assert self.app is not None
        counts = self.app.info().vms
        total = sum(counts.values())
        states = ", ".join(f"{count} {state}" for state, count in counts.items())
        return f"{total} {'VM' if total == 1 else 'VMs'}{f': {states}' if states else ''}"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop`; started once clients can connect."""
        config = self._config
        net = NetConfig(bridge=config.bridge, subnet=parse_subnet(config.subnet))
        with folder_locks(config.state_dir, config.runtime_dir):
            reserve = Reserve(config.state_dir / RESERVE)
            async with open_store(config.state_dir / DATABASE, now=utc_now, reserve=reserve) as store:
                _, newest = await store.event_range()
                hub = events.Hub(newest=newest, encode=lambda item: cbor.dumps(to_plain(item)))
                journal = Journal(store, hub)
                network = HostNetwork(net, config.state_dir, _others(config))
                try:
                    async with helpers() as vmms:
                        await self._serve(journal, hub, network, vmms, task_status)
                finally:
                    await network.close()
        self.stopped.set()

    async def _serve(
        self, journal: Journal, hub: events.Hub, network: HostNetwork, vmms: trio.Nursery, task_status: trio.TaskStatus[None]
    ) -> None:
        config, store = self._config, journal.store
        images = ImageLibrary(config.state_dir, kernel=config.kernel)
        hypervisor = _hypervisor(config, images, vmms, self._fake_host)
        plugins = PluginRegistry(store, images, hub, users=lambda name, version: roster.users_of(name, version))
        host_boot = self._fake_host.boot_id if config.hypervisor == "fake" else boot_id()
        services = _services(config, journal, network, images, hypervisor, plugins, host_boot)
        defaults = Defaults(network=config.network, hypervisor=config.hypervisor)
        roster = Roster(services, defaults)
        kernel = "" if config.hypervisor == "fake" else str(images.default_kernel)
        facts = Facts(config=config, started_at=utc_now(), kernel=kernel)
        await images.prepare()
        await plugins.load()
        network.restore(await store.leases())
        await roster.restore()
        deployments = Deployments(DeploymentServices(journal, roster, utc_now), hub)
        await deployments.restore()
        fanout = Fanout(store, hub)
        app = self.app = App(
            vms=roster,
            leases=roster.leases,
            configs=Configs(services, roster.owner, defaults),
            inspector=Inspector(services, roster.records),
            meter=Meter(roster.records, usage_of, host_boot),
            host=HostMeter(read_cpu, host_memory, deployments.counts),
            explainer=Explainer(store, roster.records, roster.console),
            plugins=plugins,
            deployments=deployments,
            store=store,
            hub=hub,
            follow=fanout.follow,
            newest_event=lambda: hub.newest,
            info=lambda: system_info(
                facts,
                counts=roster.counts(),
                plugins=len(plugins),
                newest=hub.newest,
                network=partial(_network_info, config, network),
            ),
        )
        handlers = Handlers.of(system, vm, vm_config, vm_lease, vm_logs, vm_stats, vm_watch, guest, plugin, deployment, event)
        # Bound before the slow parts, so that nobody finds the daemon missing; answered once everything is there.
        with open_socket(config.socket, group=config.socket_group, readers=config.readonly_group, passed=self._passed) as listening:
            service = RpcService(app, handlers, listening, policy=_policy(config))
            async with helpers() as owners:
                owners.start_soon(tell_events, hub)
                owners.start_soon(fanout.run)
                await sweep(services, roster.records())
                await owners.start(roster.run)
                owners.start_soon(_find_out, facts, hypervisor)
                owners.start_soon(_keep_events, journal.store, config.event_keep, config.event_keep_days)
                async with helpers() as deploying, helpers() as serving:
                    await deploying.start(deployments.run)
                    serving.start_soon(self._stop_when_asked, service, roster)
                    log.info("volantd serves %s", config.socket)
                    await service.run(task_status=task_status)

    async def _stop_when_asked(self, service: RpcService, roster: Roster) -> None:
        await self._asked_to_stop.wait()
        roster.leases.close()
        service.stop()


def _policy(config: Config) -> Policy:
    owners, readers = (Group(name, group_id(name)) for name in (config.socket_group, config.readonly_group))
    return owner_policy(owners, readers)


def _hypervisor(config: Config, images: ImageLibrary, vmms: trio.Nursery, fake_host: FakeHost) -> Hypervisor:
    if config.hypervisor == "fake":
        return FakeHypervisor(fake_host)
    if config.hypervisor == FakeProcessHypervisor.name:
        return FakeProcessHypervisor(vmms)

    async def boot_files() -> BootFiles:
        return BootFiles(kernel=await images.kernel(), initramfs=await images.initramfs())

    settings = QemuSettings(probe_dir=config.state_dir / "probe", accel=config.accel, user=config.vmm_user)
    return QemuHypervisor(vmms, settings, boot_files)


def _services(
    config: Config,
    journal: Journal,
    network: HostNetwork,
    images: ImageLibrary,
    hypervisor: Hypervisor,
    plugins: PluginRegistry,
    host_boot: str,
) -> Services:
    return Services(
        journal=journal,
        hypervisors={hypervisor.name: hypervisor},
        network=network,
        images=images,
        consoles=ConsoleRoom(),
        catalog=plugins,
        link_over=AgentLink,
        now=utc_now,
        wall_ns=time.time_ns,
        available_mib=lambda: host_memory().available_mib,
        state_dir=config.state_dir,
        runtime_dir=config.runtime_dir,
        boot_timeout_s=config.boot_timeout_s,
        boots=BootPlaces(config.boots or os.cpu_count() or 1),
        host_boot=host_boot,
        oom_kill=logged_kill,
        others=_others(config),
    )


def _others(config: Config) -> Callable[[], frozenset[str]]:
    return partial(elsewhere, config.runtime_dir / "vms")


def _network_info(config: Config, network: HostNetwork) -> NetworkInfo:
    subnet = parse_subnet(config.subnet)
    return NetworkInfo(
        default_mode=config.network,
        bridge=config.bridge,
        subnet=str(subnet.network),
        gateway=str(subnet.ip),
        leases=network.leases,
        capacity=network.capacity,
    )


async def _find_out(facts: Facts, hypervisor: Hypervisor) -> None:
    """Learn early what VMs will run on, and say it; a host that can't run any is told so now, not at the first create."""
    try:
        found = facts.hypervisor = await hypervisor.facts()
    except Fault as fault:
        facts.obstacle = fault.message
        log.warning("VMs can't be started yet: %s; %s", fault.message, fault.hint)
    else:
        log.info("VMs run on %s %s with %s: %s", found.name, found.version, found.accel, found.accel_reason)


async def _keep_events(store: Store, keep: int, days: int) -> None:
    while True:
        since = rfc3339(datetime.now(UTC) - timedelta(days=days)) if days else ""
        try:
            await store.trim_events(keep=keep, since=since)
        except (StoreFailed, HostShort) as fault:
            log.warning("old events are not forgotten yet: %s", fault.message)
        await trio.sleep(KEEP_EVENTS_EVERY_S)
