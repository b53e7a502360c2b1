"""What runs while the power is cut: `python -m ... PATH COMMITS` commits and trims, `python -m ... PATH migrate STEPS` brings up to date.

It says each thing once it may be relied on: `committed N`, N being the event's number, and `kept N`, N being the oldest event then.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from tests.fakes.records import config_record, vm_record
from volant.daemon.ports import Change, ConfigRecord, DropObject, EventDraft, HostObject, Lease, Put
from volant.daemon.store.store import SqliteStore, open_store, prepare

VMS = 3
"""Each has a task of its own, so that commits share a flush as they do in the daemon."""
TRIM_EVERY = 20
"""Commits of one VM after which old events are forgotten."""
KEEP = 100
MESSAGE = "m" * 1_500
"""Fills pages, so that the write-ahead log goes into the database several times."""


def changes(number: int, generation: int) -> tuple[Change, ...]:
    """A VM's next commit: rows of five tables, and an event that says so. Each even generation takes back what the odd one added."""
    vm = vm_record(number, generation=generation)
    return (
        Put(vm),
        Put(config(number, generation)),
        Put(lease(number)),
        Put(tap(number)) if generation % 2 else DropObject(tap(number).kind, tap(number).name),
        EventDraft(kind="VM_LOG", vm=vm.name, vm_id=vm.id, message=MESSAGE, data={"generation": generation}),
    )


def config(number: int, generation: int) -> ConfigRecord:
    return config_record(vm_record(number).id, generation, env={"GENERATION": str(generation)})


def lease(number: int) -> Lease:
    return Lease(f"10.0.0.{number}", vm_record(number).id, f"m{number}")


def tap(number: int) -> HostObject:
    return HostObject(kind="tap", name=f"vt{number}", vm_id=vm_record(number).id)


async def write(store: SqliteStore, number: int, commits: int) -> None:
    generations = {vm.id: vm.generation for vm in await store.vms()}
    first = generations.get(vm_record(number).id, 0) + 1
    for generation in range(first, first + commits):
        (event,) = await store.commit(*changes(number, generation))
        say(f"committed {event.seq}")
        if generation % TRIM_EVERY == 0 and await store.trim_events(keep=KEEP):
            oldest, _ = await store.event_range()
            say(f"kept {oldest}")


async def main(path: Path, commits: int) -> None:
    async with open_store(path) as store, trio.open_nursery() as nursery:
        for number in range(VMS):
            nursery.start_soon(write, store, number, commits)


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    where, what, *rest = sys.argv[1:]
    if what == "migrate":
        prepare(Path(where), migrations=Path(rest[0])).close()
        say("migrated")
    else:
        trio.run(main, Path(where), int(what))
