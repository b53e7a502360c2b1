"""Tells what became of a VM, from the durable record: its events, and its console while that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from volant.daemon.ports import ConsoleHolder, Store, VmRecord
from volant.daemon.vms.timeline import timeline
from volant.proto.api.vm_explain import ExplainVm, Timeline
from volant.proto.errors import InvalidParams, NoSuchVm

MAX_EVENTS = 1_000
"""Events looked at, the newest ones: some hundred boots, and at most a megabyte of answer."""


class Explainer:
    """`records` gives all VMs as they are now, `console` a VM's by its name."""

    def __init__(self, store: Store, records: Callable[[], Iterable[VmRecord]], console: Callable[[str], ConsoleHolder]) -> None:
        self._store, self._records, self._console = store, records, console

    async def explain(self, asked: ExplainVm) -> Timeline:
        """NoSuchVm when nothing is known of it, not even events."""
        if asked.boots < 0:
            raise InvalidParams(f"boots is {asked.boots}; it must not be negative", hint="0 shows all that is kept")
        events = await self._store.events(after=0, limit=MAX_EVENTS, vm=asked.name, last=MAX_EVENTS) if asked.name else ()
        record = next((record for record in self._records() if asked.name in (record.name, record.id)), None)
        if record is None and not events:
            raise NoSuchVm(asked.name)
        vm_id = record.id if record else events[-1].vm_id
        own = [event for event in events if event.vm_id == vm_id]

        def console(start: int, end: int | None) -> Iterable[str]:
            if record is None:
                return ()
            holder = self._console(record.name)
            return holder.lines(start, holder.end() if end is None else end)

        return Timeline(
            name=record.name if record else own[-1].vm,
            id=vm_id,
            exists=record is not None,
            status=record.state.value if record else "",
            items=timeline(own, console, boots=asked.boots),
            is_whole=any(event.kind == "VM_CREATED" for event in own),
            earlier=tuple(dict.fromkeys(event.vm_id for event in events if event.vm_id != vm_id)),
        )
