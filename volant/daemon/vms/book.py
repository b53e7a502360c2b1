"""One VM's record, in memory and in the store, and whoever waits for it to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import trio

from volant.daemon.ports import Change, ConfigRecord, EventDraft, EventHub, PluginRecord, PutVm, Store, VmRecord
from volant.daemon.vms.lifecycle import EVENT_OF, check
from volant.daemon.vms.views import view
from volant.proto import cbor
from volant.proto.api.event import Event
from volant.proto.api.vm import VmView
from volant.proto.plain import to_plain
from volant.proto.specs.states import VmState


class Journal:
    """The store and the hub as one: what is committed is told at once, and in order."""

    def __init__(self, store: Store, hub: EventHub) -> None:
        self.store = store
        self._hub = hub

    async def commit(self, *changes: Change) -> tuple[Event, ...]:
        """Apply all or nothing. Shielded: an accepted change is also told, whoever stops waiting for it."""
        with trio.CancelScope(shield=True):
            events = await self.store.commit(*changes)
        if events:
            self._hub.publish(events)
        return events


class Book:
    """The one place where a VM's record changes."""

    def __init__(self, journal: Journal, record: VmRecord, config: ConfigRecord, plugin: PluginRecord) -> None:
        self._journal = journal
        self.record = record
        self.config = config
        self.plugin = plugin
        self.gone = False
        """The VM is destroyed and its row dropped."""
        self._changed = trio.Event()
        self._view: VmView | None = None
        self._encoded: bytes | None = None

    @property
    def view(self) -> VmView:
        """The record as users see it; made once per change."""
        if self._view is None:
            self._view = view(self.record, self.config.config, self.plugin)
        return self._view

    @property
    def encoded(self) -> bytes:
        """The view as it travels; encoded once per change, however often it is listed."""
        if self._encoded is None:
            self._encoded = cbor.dumps(to_plain(self.view))
        return self._encoded

    async def change(self, *extra: Change, state: VmState | None = None, message: str = "", **fields: Any) -> None:
        """Put new values into the record and the store, with the event that the new state has.

        `extra` changes travel in the same transaction. IllegalTransition when the table knows no such step.
        """
        if state is not None and state is not self.record.state:
            check(self.record.state, state)
            fields["state"] = state
        else:
            state = None
        # Assigned before the first wait, so that two callers never work from the same old record.
        self.record = record = replace(self.record, generation=self.record.generation + 1, **fields)
        self._view = self._encoded = None
        drafts = [self._draft(EVENT_OF[state], message)] if state in EVENT_OF else []
        await self._journal.commit(PutVm(record), *extra, *drafts)
        self.wake()

    async def drop(self, *changes: Change) -> None:
        """The VM is gone from the host: drop its rows."""
        await self._journal.commit(*changes, self._draft("VM_DELETED", ""))
        self.gone = True
        self.wake()

    async def tell(self, kind: str, message: str) -> None:
        """An event about this VM without a change of its state."""
        await self._journal.commit(self._draft(kind, message))

    async def wait_until(self, reached: Callable[[], bool]) -> None:
        """Return once `reached()` holds; asked anew after each change."""
        while not reached():
            await self._changed.wait()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()
        self._changed = trio.Event()

    def _draft(self, kind: str, message: str) -> EventDraft:
        record = self.record
        data: dict[str, Any] = {"status": record.state.value, "generation": record.generation, "boot": record.boot}
        if record.ip:
            data["ip"] = record.ip
        return EventDraft(kind=kind, vm=record.name, vm_id=record.id, message=message or record.reason, data=data)
