"""Commits as fast as it can until it is killed, and says each event's number once its commit has returned: `python -m ... PATH`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from tests.fakes.records import vm_record
from volant.daemon.ports import EventDraft, Put
from volant.daemon.store.store import SqliteStore, open_store

TASKS = 8


async def write_on(store: SqliteStore, number: int) -> None:
    """Each commit raises the VM's generation and says so in an event: both are there, or neither."""
    generations = {vm.id: vm.generation for vm in await store.vms()}
    generation = generations.get(vm_record(number).id, 0)
    while True:
        generation += 1
        vm = vm_record(number, generation=generation)
        (event,) = await store.commit(Put(vm), EventDraft(kind="VM_LOG", vm=vm.name, vm_id=vm.id, data={"generation": generation}))
        os.write(sys.stdout.fileno(), b"%d\n" % event.seq)


async def main(path: Path) -> None:
    async with open_store(path) as store, trio.open_nursery() as nursery:
        for number in range(TASKS):
            nursery.start_soon(write_on, store, number)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]))
