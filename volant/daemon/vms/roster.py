"""All VMs of the host: makes them, finds them, and starts their owners; every verb of the `vm` noun that is not a byte stream."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass

import trio

from volant.daemon.host.faultpoints import FaultPoint, passed
from volant.daemon.ports import (
    Asker,
    Change,
    ConfigRecord,
    ConsoleHolder,
    EventDraft,
    GuestLink,
    Lease,
    PluginRecord,
    Put,
    ReplicaOf,
    VmRecord,
)
from volant.daemon.vms import fencing
from volant.daemon.vms.actions import request
from volant.daemon.vms.book import Book
from volant.daemon.vms.launch import check_memory
from volant.daemon.vms.leases import Leases
from volant.daemon.vms.merging import Merged
from volant.daemon.vms.output import BootOutput
from volant.daemon.vms.outputs import followed
from volant.daemon.vms.owner import Owner, Request
from volant.daemon.vms.places import Urgency
from volant.daemon.vms.requests import Ask
from volant.daemon.vms.restoring import restored
from volant.daemon.vms.services import Services
from volant.daemon.vms.views import actions, matching
from volant.daemon.vms.watching import Watch
from volant.proto.api import guest
from volant.proto.api.vm import CreateVm, DeleteVm, ListVms, RestartVm, StartVm, StopVm, VmView, WaitVm
from volant.proto.api.vm_call import Action, CallVm
from volant.proto.api.vm_logs import WatchLogs
from volant.proto.api.vm_watch import WatchVms
from volant.proto.errors import HostShort, InvalidParams, NameTaken, NoSuchVm, Timeout
from volant.proto.plain import to_plain
from volant.proto.specs.filter import VM_FIELDS, parse
from volant.proto.specs.manifest_parse import parse_manifest
from volant.proto.specs.names import check_name
from volant.proto.specs.states import NetworkMode, VmState, WaitFor, Wanted
from volant.proto.specs.vmconfig import Defaults, VmConfig, resolve

log = logging.getLogger("volant")

ID_BYTES = 6
"""Random bytes of a VM id: 12 hex digits, short enough for socket paths and tap aliases."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of VMs, each as its encoded view, and how many match in all."""

    encoded: tuple[bytes, ...]
    total: int


class Roster:
    """The VMs by name. `restore` first, then `run`, which owns every owner's task."""

    def __init__(self, services: Services, defaults: Defaults) -> None:
        self._services, self._defaults = services, defaults
        self._owners: dict[str, Owner] = {}
        self._nursery: trio.Nursery | None = None
        self.leases = Leases(services, self.owner)

    async def restore(self) -> None:
        """Take the stored VMs back; their owners start with `run`."""
        store = self._services.journal.store
        configs = await store.latest_configs()
        processes = {item.vm_id for item in await store.objects() if item.kind == "process"}
        for record in await store.vms():
            known = tuple(config for config in (configs.get(record.id),) if config is not None)
            if 0 < record.booted_config != record.config_version:
                known = await store.configs(record.id)
            found = restored(record, known, self._services.catalog, may_run=record.id in processes)
            if record.unreadable:
                what = "; ".join(record.unreadable)
                log.error("VM %s: the store's row makes no sense (%s), so the host is looked at anew", record.name, what)
            if found.damage is not None:
                log.warning("VM %s: %s; %s", record.name, found.damage.message, found.damage.hint, extra={"vm": record.name})
            book = Book(
                self._services.journal,
                found.record,
                found.stored_config,
                found.plugin,
                booted=found.booted_config,
                damage=found.damage,
            )
            if record.forwards:
                self._services.held_forwards[record.name] = record.forwards
            self._owners[record.name] = Owner(self._services, book)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run all owners until cancelled; the VMs stay."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for owner in self._owners.values():
                nursery.start_soon(self._own, owner)
            self.leases.begin(nursery, self._owners.values())
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                # What is stored while the daemon leaves gets its owner from the next one.
                self._nursery = None
                self.leases.close()

    def owner(self, name: str) -> Owner:
        """The VM called `name`; NoSuchVm."""
        owner = self._owners.get(name)
        if owner is None:
            raise NoSuchVm(name)
        return owner

    def users_of(self, plugin: str, version: str) -> tuple[str, ...]:
        """Names of the VMs made from a plugin; an empty version means any."""
        return tuple(
            name
            for name, owner in self._owners.items()
            if owner.book.record.plugin == plugin and version in ("", owner.book.record.plugin_version)
        )

    def find(self, asked: ListVms) -> Found:
        """A page of the VMs that match."""
        found = matching((owner.book for owner in self._owners.values()), asked, now=self._now())
        return Found(tuple(book.encoded for book in found[asked.offset : asked.offset + asked.limit]), len(found))

    def watch(self, asked: WatchVms) -> AbstractContextManager[Watch]:
        """What is there now and all that changes while the block runs. InvalidParams for a filter that can't be read."""
        takes = parse(asked.filter, VM_FIELDS, getattr)
        books = [owner.book for owner in self._owners.values()]
        return self._services.journal.watchers.watching(books, lambda view: takes(view, self._now()), deltas=asked.deltas)

    def _now(self) -> float:
        """Seconds since 1970."""
        return self._services.wall_ns() / 1e9

    def get(self, name: str) -> VmView:
        return self.owner(name).book.view

    def actions(self, name: str) -> tuple[Action, ...]:
        return actions(self.owner(name).book.plugin)

    def workload_request(self, asked: CallVm) -> guest.Request:
        """The HTTP request that an action or a free request is."""
        return request(asked, self.actions(asked.name))

    def link(self, name: str) -> GuestLink:
        """The agent's link; AgentMissing when there is none now."""
        return self.output(name).link

    def output(self, name: str) -> BootOutput:
        """The output of the boot of this moment."""
        return BootOutput(self.owner(name))

    @asynccontextmanager
    async def outputs(self, asked: WatchLogs) -> AsyncIterator[Merged]:
        """What all VMs that match print, while the block runs. InvalidParams for a filter that can't be read."""
        with self.watch(WatchVms(filter=asked.filter)) as watch:
            async with followed(self, watch, asked) as merged:
                yield merged

    def console(self, name: str) -> ConsoleHolder:
        """The serial line; of a VM that is stopped too, for its history."""
        record = self.owner(name).book.record
        return self._services.consoles.console(record.id, self._services.places(record.id).console_log)

    def records(self) -> tuple[VmRecord, ...]:
        return tuple(owner.book.record for owner in self._owners.values())

    def counts(self) -> dict[str, int]:
        """How many VMs are in each state that occurs."""
        counts: dict[str, int] = {}
        for owner in self._owners.values():
            state = owner.book.record.state
            counts[state] = counts.get(state, 0) + 1
        return counts

    def check(self, asked: CreateVm) -> str:
        """The version of the plugin that this VM would get. NoSuchPlugin, PluginDisabled, InvalidParams."""
        return self._resolved(asked)[0].version

    def _resolved(self, asked: CreateVm) -> tuple[PluginRecord, VmConfig]:
        check_name("VM", asked.name)
        plugin = self._services.catalog.usable(asked.plugin, asked.version)
        config = resolve(asked, parse_manifest(plugin.manifest).manifest, self._defaults)
        if config.network is NetworkMode.DHCP:
            raise InvalidParams("network mode dhcp is not served by this version", hint="use bridged, which gives an address of its own")
        return plugin, config

    async def create(self, asked: CreateVm, *, author: str, origin: str = "", replica_of: ReplicaOf | None = None) -> VmView:
        """Store the wanted VM, then let its owner start it; with `dry_run` only check and show it."""
        services = self._services
        # From here until the VM is among the users of its plugin nothing waits, unless a fault is tried.
        await services.catalog.wait_settled(asked.plugin)
        self._check_free(asked.name)
        plugin, config = self._resolved(asked)
        if asked.start:
            check_memory(config.memory_mb, services.available_mib())
        if asked.wait is WaitFor.DELETED:
            raise InvalidParams("a creation can't be waited for until the VM is deleted", hint="wait for running, ready or stopped")
        if asked.wait is not None and not asked.start and asked.wait is not WaitFor.STOPPED:
            raise InvalidParams(f"a VM that is not started can't become {asked.wait}", hint="leave out --wait or --no-start")
        vm_id = secrets.token_hex(ID_BYTES)
        lease = services.network.lease(vm_id, ip=config.ip) if config.network is NetworkMode.BRIDGED else None
        try:
            await passed(FaultPoint.ADDRESS_TAKEN)
            book = self._new_book(vm_id, asked, config, plugin, lease, Asker(author, origin), replica_of)
            if asked.dry_run:
                services.network.give_back(vm_id)
                return book.view
            owner = Owner(services, book, urgency=Urgency.BY_ITSELF if replica_of else Urgency.ASKED)
            await self._enter(owner, self._first_rows(book, lease))
        except BaseException:
            services.network.give_back(vm_id)
            raise
        if self._nursery is not None:
            self._nursery.start_soon(self._own, owner)
            self.leases.expect(owner)
        await passed(FaultPoint.VM_STORED)
        if asked.wait is not None:
            await self._within(asked.timeout_ms, owner, asked.wait, boot=1 if asked.start and asked.wait is not WaitFor.STOPPED else None)
        await passed(FaultPoint.ANSWER_DUE, vm_id)
        return owner.book.view

    def _check_free(self, name: str) -> None:
        """NameTaken."""
        if name in self._owners:
            raise NameTaken("VM", name)

    async def _enter(self, owner: Owner, rows: tuple[Change, ...]) -> None:
        """Take the name and store the VM, or neither. NameTaken when somebody took it since this request was looked at."""
        name = owner.book.record.name
        self._check_free(name)
        self._owners[name] = owner
        try:
            await owner.book.create(*rows)
        except BaseException:
            del self._owners[name]
            raise

    async def start(self, asked: StartVm, *, by: Asker | None = None) -> VmView:
        owner = self.owner(asked.name)
        record = owner.book.record
        wish = Request(Ask.START, by=_asker(record, by), token=asked.lease_token)
        if not record.state.is_live:
            try:
                check_memory(owner.book.config.config["memory_mb"], self._services.available_mib())
            except HostShort as short:
                await owner.tell_denied(wish, short)
                raise
        await owner.request(wish)
        if asked.wait is not None:
            await self._within(asked.timeout_ms, owner, asked.wait)
        return owner.book.view

    async def stop(self, asked: StopVm, *, by: Asker | None = None) -> VmView:
        owner = self.owner(asked.name)
        boot = owner.book.record.boot
        await owner.request(Request(Ask.STOP, asked.grace_ms / 1000, asked.force, _asker(owner.book.record, by), asked.lease_token))
        if asked.wait:
            await self._within(asked.timeout_ms, owner, WaitFor.STOPPED, boot=boot)
        return owner.book.view

    async def restart(self, asked: RestartVm, *, by: Asker | None = None) -> VmView:
        owner = self.owner(asked.name)
        boot = owner.book.record.boot + 1
        await owner.request(Request(Ask.RESTART, asked.grace_ms / 1000, asked.force, _asker(owner.book.record, by)))
        if asked.wait is not None:
            await self._within(asked.timeout_ms, owner, asked.wait, boot=boot)
        return owner.book.view

    async def delete(self, asked: DeleteVm, *, by: Asker | None = None) -> str:
        """Returns what whoever deleted it should know."""
        owner = self.owner(asked.name)
        await owner.request(Request(Ask.DELETE, force=asked.force, by=_asker(owner.book.record, by), token=asked.lease_token))
        await self._within(asked.timeout_ms, owner, WaitFor.DELETED)
        deployment = owner.book.record.deployment
        if not deployment:
            return ""
        return f"{asked.name} was a replica of deployment {deployment}, which makes it anew; `volant deployment scale` makes fewer"

    async def wait(self, asked: WaitVm) -> VmView:
        owner = self.owner(asked.name)
        await self._within(asked.timeout_ms, owner, asked.until)
        return owner.book.view

    async def wait_ended(self, name: str) -> None:
        """Return once nothing of a VM runs, and nothing is about to, or it is gone; at once for one that is stopped. NoSuchVm."""
        await self.owner(name).wait(WaitFor.STOPPED)

    async def _within(self, timeout_ms: int, owner: Owner, until: WaitFor, *, boot: int | None = None) -> None:
        with trio.move_on_after(max(timeout_ms, 0) / 1000) as scope:
            await owner.wait(until, boot=boot)
        if scope.cancelled_caught:
            record = owner.book.record
            raise Timeout(
                f"VM {record.name!r} was not {until} after {timeout_ms / 1000:g} s; it is {record.state}",
                hint=f"it goes on by itself: `volant vm wait {record.name} --for {until}`, or give more --timeout",
                name=record.name,
                status=record.state.value,
            )

    def _new_book(
        self,
        vm_id: str,
        asked: CreateVm,
        config: VmConfig,
        plugin: PluginRecord,
        lease: Lease | None,
        by: Asker,
        replica_of: ReplicaOf | None,
    ) -> Book:
        now = self._services.now()
        record = VmRecord(
            id=vm_id,
            name=asked.name,
            plugin=plugin.name,
            plugin_version=plugin.version,
            config_version=1,
            wanted=Wanted.RUNNING if asked.start else Wanted.STOPPED,
            wanted_generation=1,
            state=VmState.PENDING if asked.start else VmState.STOPPED,
            generation=1,
            ip=lease.ip if lease else "",
            mac=lease.mac if lease else "",
            tap=self._services.network.tap_name(vm_id) if lease else "",
            hypervisor=config.hypervisor,
            created_at=now,
            deployment=replica_of.deployment if replica_of else "",
            revision=replica_of.revision if replica_of else 0,
            lease=fencing.first(asked.lease, by, now) if asked.lease else None,
        )
        first = ConfigRecord(
            vm_id=vm_id, version=1, config=to_plain(config), created_at=now, author=by.author, origin=by.origin, note="created"
        )
        return Book(self._services.journal, record, first, plugin)

    def _first_rows(self, book: Book, lease: Lease | None) -> tuple[Change, ...]:
        """What is stored beside the new VM's record."""
        record, by = book.record, Asker(book.config.author, book.config.origin)
        created = {
            "plugin": record.plugin, "version": record.plugin_version, "author": by.author, "origin": by.origin,
            "status": record.state.value,
        }  # fmt: skip
        return (
            Put(book.config),
            *([Put(lease)] if lease else []),
            EventDraft(kind="VM_CREATED", vm=record.name, vm_id=record.id, data=created, deployment=record.deployment),
        )

    async def _own(self, owner: Owner) -> None:
        await owner.run()
        if self._owners.get(owner.book.record.name) is owner:
            del self._owners[owner.book.record.name]


def _asker(record: VmRecord, by: Asker | None) -> Asker:
    """Who wants it; where nobody says so, it is what looks after the VM."""
    return by or Asker(f"deployment:{record.deployment}" if record.deployment else "volantd")
