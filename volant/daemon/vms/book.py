"""One VM's record, in memory and in the store, and whoever waits for it to change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from volant.daemon.ports import Change, ConfigRecord, EventDraft, EventHub, PluginRecord, Put, Store, VmRecord
from volant.daemon.vms.diagnosis import excerpt
from volant.daemon.vms.lifecycle import EVENT_OF, check
from volant.daemon.vms.views import view
from volant.daemon.vms.watching import Watchers
from volant.proto import cbor
from volant.proto.api.event import Event
from volant.proto.api.vm import VmView
from volant.proto.errors import Fault, HostShort, NoSuchVm, StoreFailed
from volant.proto.plain import to_plain
from volant.proto.specs.states import VmState
from volant.proto.specs.vmpatch import HOST_SIDE, differences

log = logging.getLogger("volant")

STORE_AGAIN_S = 2.0
"""Between two tries to store what has happened on the host: a full disk is seldom freed sooner."""

CONSOLE_LINES, CONSOLE_CHARS = 5, 160
"""How many of the console's lines the event of a failure keeps, and how much of each: events stay below a kilobyte."""


class Journal:
    """The store and the hub as one: what is committed is told at once, and in order."""

    def __init__(self, store: Store, hub: EventHub) -> None:
        self.store = store
        self._hub = hub
        self.watchers = Watchers()
        """Who is to be told of a VM's changes."""

    async def commit(self, *changes: Change) -> tuple[Event, ...]:
        """Apply all or nothing. Shielded: an accepted change is also told, whoever stops waiting for it."""
        with trio.CancelScope(shield=True):
            events = await self.store.commit(*changes)
        if events:
            self._hub.publish(events)
        return events


@dataclass(frozen=True, slots=True)
class Update:
    """What a record is to become."""

    fields: dict[str, Any] = field(default_factory=dict)
    state: VmState | None = None
    """None leaves it; a new one is told by the event that it has."""
    message: str = ""
    changes: tuple[Change, ...] = ()
    """What travels in the same transaction."""
    config: ConfigRecord | None = None
    """The next version of the config; None leaves it."""
    told: dict[str, Any] = field(default_factory=dict)
    """What the event of the new state carries besides."""


Decide = Callable[[VmRecord], Update | None]
"""From the record as it is stored to what it is to become; None leaves it. May raise what refuses the change."""


def _why(error: dict[str, Any]) -> dict[str, Any]:
    """What an event keeps of a fault: enough to explain it when the VM and its console are gone."""
    console = excerpt(str((error.get("data") or {}).get("console", "")).strip().splitlines(), shown=CONSOLE_LINES, before=1).splitlines()
    found = {
        "code": error.get("code", ""),
        "hint": error.get("hint", ""),
        "cause": (error.get("data") or {}).get("cause", ""),
        "console": [line[:CONSOLE_CHARS] for line in console],
    }
    return {key: value for key, value in found.items() if value}


class Book:
    """The one place where a VM's record changes: one change at a time, stored first. What is read here is what is stored."""

    def __init__(
        self,
        journal: Journal,
        record: VmRecord,
        config: ConfigRecord,
        plugin: PluginRecord,
        *,
        booted: ConfigRecord | None = None,
        damage: Fault | None = None,
    ) -> None:
        self._journal = journal
        self.record = record
        self.config = config
        """The newest version, which the next start uses."""
        self.booted = booted or config
        """The version that the latest boot was started with."""
        self.plugin = plugin
        self.damage = damage
        """Why this VM can't be started any more: what it is made of is not in the store."""
        self.gone = False
        """The VM is destroyed and its row dropped."""
        self._changing = trio.Lock()
        self._changed = trio.Event()
        self._remark = ""
        self._view: VmView | None = None
        self._encoded: bytes | None = None

    @property
    def view(self) -> VmView:
        """The record as users see it; made once per change."""
        if self._view is None:
            seen = view(self.record, self.config.config, self.plugin, pending=self.pending)
            self._view = replace(seen, reason=self._remark) if self._remark else seen
        return self._view

    @property
    def running_version(self) -> int:
        """The version of the config that the running VM has; 0 when it does not run."""
        return self.booted.version if self.record.state.is_live else 0

    @property
    def pending(self) -> tuple[str, ...]:
        """What of the newest config waits for a restart of the running VM."""
        if self.running_version in (0, self.config.version):
            return ()
        changed = (item.field for item in differences(self.booted.config, self.config.config))
        return tuple(field for field in changed if field not in HOST_SIDE)

    @property
    def encoded(self) -> bytes:
        """`listed`, encoded once per change."""
        if self._encoded is None:
            self._encoded = cbor.dumps(to_plain(self.listed))
        return self._encoded

    @property
    def listed(self) -> VmView:
        """The view as it travels in lists. Of an error without its excerpts: a page of them fits no frame."""
        view = self.view
        return view if view.error is None else replace(view, error={**view.error, "data": {}})

    async def create(self, *changes: Change) -> None:
        """Store the record for the first time. When the store refuses, the VM has never been, whoever asked something of it meanwhile."""
        with trio.CancelScope(shield=True):
            async with self._changing:
                try:
                    await self._journal.commit(Put(self.record), *changes)
                except BaseException:
                    self.gone = True
                    self.wake()
                    raise

    async def change(self, *changes: Change, state: VmState | None = None, message: str = "", **fields: Any) -> None:
        """Put new values into the record and the store; see `decide`."""
        await self.decide(lambda _: Update(fields, state, message, changes))

    async def decide(self, update: Decide) -> bool:
        """Let `update` say what becomes of the record while nobody else changes it, and store that; whether there was anything to change.

        When the store refuses (StoreFailed, HostShort) nothing has changed. NoSuchVm once the VM is gone; IllegalTransition when the
        table knows no such step. Not cancellable: who began a change learns what became of it.
        """
        with trio.CancelScope(shield=True):
            async with self._changing:
                if self.gone:
                    raise NoSuchVm(self.record.name)
                wanted = update(self.record)
                if wanted is None:
                    return False
                await self._store(wanted)
        self.wake()
        return True

    async def insist(self, update: Decide) -> bool:
        """`decide` for what has happened on the host, which no store can refuse: tried until it is stored."""
        while True:
            try:
                return await self.decide(update)
            except (StoreFailed, HostShort) as fault:
                log.error("what became of VM %s is not stored yet: %s", self.record.name, fault.message)
            await trio.sleep(STORE_AGAIN_S)

    async def drop(self, *changes: Change) -> None:
        """The VM is gone from the host: drop its rows."""
        with trio.CancelScope(shield=True):
            async with self._changing:
                await self._journal.commit(*changes, self._draft(self.record, "VM_DELETED", ""))
                self.gone = True
        self.wake()

    def draft(self, kind: str, message: str, **data: Any) -> EventDraft:
        """An event about this VM, for a transaction; `data` is what it carries besides."""
        return self._draft(self.record, kind, message, **data)

    async def tell(self, kind: str, message: str, **data: Any) -> None:
        """An event about this VM without a change of its state. One that can't be stored is lost: no VM is worth less than its events."""
        try:
            await self._journal.commit(self.draft(kind, message, **data))
        except (StoreFailed, HostShort) as fault:
            log.warning("VM %s: %s (%s; not stored: %s)", self.record.name, message, kind, fault.message)

    def remark(self, text: str) -> None:
        """Show `text` as the reason until it is taken back (empty). In memory only: for what holds just now, when no store may take it."""
        self._remark = text
        self._view = self._encoded = None
        self._journal.watchers.touch(self)

    async def wait_until(self, reached: Callable[[], bool]) -> None:
        """Return once `reached()` holds; asked anew after each change."""
        while not reached():
            await self._changed.wait()

    def wake(self) -> None:
        """Let everybody who waits or watches look again."""
        self._journal.watchers.touch(self)
        self._changed.set()
        self._changed = trio.Event()

    async def _store(self, wanted: Update) -> None:
        old, state = self.record, wanted.state
        fields = dict(wanted.fields)
        drafts: list[EventDraft] = []
        if state is not None and state is not old.state:
            check(old.state, state)
            fields["state"] = state
        changes = wanted.changes
        if wanted.config is not None:
            fields["config_version"] = wanted.config.version
            changes = (Put(wanted.config), *changes)
        record = replace(old, generation=old.generation + 1, **fields)
        if record.state is not old.state and record.state in EVENT_OF:
            why = _why(record.error) if record.error is not None else {}
            drafts.append(self._draft(record, EVENT_OF[record.state], wanted.message, **wanted.told, **why))
        await self._journal.commit(Put(record), *changes, *drafts)
        self.record = record
        self.config = wanted.config or self.config
        if record.booted_config == self.config.version:
            self.booted = self.config
        self._view = self._encoded = None

    @staticmethod
    def _draft(record: VmRecord, kind: str, message: str, **more: Any) -> EventDraft:
        data: dict[str, Any] = {"status": record.state.value, "generation": record.generation, "boot": record.boot, **more}
        if record.ip:
            data["ip"] = record.ip
        return EventDraft(
            kind=kind, vm=record.name, vm_id=record.id, message=message or record.reason, data=data, deployment=record.deployment
        )
