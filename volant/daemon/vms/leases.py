"""The holders of VMs: each has a call open for as long as it holds one, and what it asked for happens when that call ends."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import trio

from volant.daemon.ports import Asker, VmRecord
from volant.daemon.vms import fencing
from volant.daemon.vms.book import Update
from volant.daemon.vms.owner import AGAIN_S, Owner, Request
from volant.daemon.vms.requests import Ask
from volant.daemon.vms.services import Services
from volant.proto.api.vm_lease import Held, HoldVm, MarkVm, ReleaseVm
from volant.proto.errors import Conflict, Fault, Fenced, NoSuchVm
from volant.proto.specs.leases import OnEnd, VmLease

log = logging.getLogger("volant")

RETURN_S = 30.0
"""How long a VM that goes with its holder waits for one: of a new VM its maker, after a restart of the daemon whoever held it. A
client comes back within seconds, and a host that swaps in some more."""

GONE = Asker("volantd", "its holder went away")
"""Who deletes a VM that goes with its holder."""


@dataclass(eq=False)
class _Place:
    """One open `vm.hold`."""

    token: int
    cursor: str
    """How far the holder has got; in the store once the place is left."""


class Leases:
    """Who holds which VM now. `begin` first; after `close` holders only leave, and the next daemon waits for them."""

    def __init__(self, services: Services, owner: Callable[[str], Owner]) -> None:
        self._services, self._owner = services, owner
        self._places: dict[str, _Place] = {}
        """By VM id."""
        self._nursery: trio.Nursery | None = None

    def begin(self, nursery: trio.Nursery, owners: Iterable[Owner]) -> None:
        """From now on VMs that go with their holder go; tasks for that run in `nursery`."""
        self._nursery = nursery
        for owner in owners:
            self.expect(owner)

    def close(self) -> None:
        """The daemon leaves: calls that end now say nothing of their holders."""
        self._nursery = None

    def expect(self, owner: Owner) -> None:
        """Give a VM's holder time to come, where the VM goes with it."""
        lease = owner.book.record.lease
        if self._nursery is not None and lease is not None and lease.holder and lease.on_end is OnEnd.DELETE:
            self._nursery.start_soon(self._await_holder, owner, lease.token)

    async def hold(self, asked: HoldVm, by: Asker, tell: Callable[[Held], Awaitable[None]]) -> None:
        """Hold the VM until it is gone or given back. Fenced once somebody else holds it, Denied while somebody does."""
        owner = self._owner(asked.name)
        book = owner.book
        abandoned = False

        def update(record: VmRecord) -> Update:
            nonlocal abandoned
            lease = fencing.claimed(record, asked, by, self._services.now(), cursor=self._cursor(record))
            abandoned = record.lease is not None and record.lease.is_abandoned and not asked.token
            again = "again " if asked.token else ""
            return Update({"lease": lease}, changes=(book.draft("VM_LEASE", f"held {again}by {by}", **_told(lease)),))

        await book.decide(update)
        lease = book.record.lease
        assert lease is not None
        # Nothing waits since it was stored, so that places follow each other as leases do.
        place = self._places[book.record.id] = _Place(lease.token, lease.cursor)
        try:
            await self._follow(owner, place, lambda: tell(Held(book.view, abandoned)))
        finally:
            self._leave(owner, place)

    def mark(self, asked: MarkVm) -> None:
        """Note how far the holder has got. Fenced, InvalidParams."""
        fencing.check_words(cursor=asked.cursor)
        record = self._owner(asked.name).book.record
        fencing.check_token(record, asked.token)
        place = self._places.get(record.id)
        if place is not None:
            place.cursor = asked.cursor

    async def release(self, asked: ReleaseVm) -> None:
        """The holder gives the VM back. Fenced."""
        book = self._owner(asked.name).book

        def update(record: VmRecord) -> Update:
            fencing.check_token(record, asked.token)
            assert record.lease is not None
            lease = fencing.released(record.lease, cursor=self._cursor(record))
            return Update({"lease": lease}, changes=(book.draft("VM_LEASE", f"given back by {record.lease.holder}", **_told(lease)),))

        await book.decide(update)

    async def _follow(self, owner: Owner, place: _Place, tell: Callable[[], Awaitable[None]]) -> None:
        """Tell of the VM now and after each change, until its lease ends."""
        book = owner.book
        seen = 0

        def is_news() -> bool:
            return book.gone or book.record.generation != seen

        while not book.gone:
            record = book.record
            assert record.lease is not None
            if self._places.get(record.id) is not place or record.lease.token != place.token:
                raise Fenced(record.name, record.lease.holder, record.lease.token)
            if not record.lease.holder:
                return
            seen = record.generation
            await tell()
            await book.wait_until(is_news)

    def _leave(self, owner: Owner, place: _Place) -> None:
        vm_id = owner.book.record.id
        if self._places.get(vm_id) is not place:
            return
        if self._nursery is None:
            del self._places[vm_id]
        else:
            self._nursery.start_soon(self._ended, owner, place)

    async def _ended(self, owner: Owner, place: _Place) -> None:
        """A holder's call ended: do what it asked for this case, unless the VM was given back, or has another holder by now."""
        await trio.lowlevel.checkpoint()  # a daemon that leaves gets no further
        book = owner.book

        def update(record: VmRecord) -> Update | None:
            lease = record.lease
            if self._places.get(record.id) is not place or lease is None or lease.token != place.token or not lease.holder:
                return None
            gone = fencing.left(lease, cursor=place.cursor)
            return Update({"lease": gone}, changes=(book.draft("VM_LEASE", f"{lease.holder} went away", **_told(gone)),))

        try:
            await book.insist(update)
        except NoSuchVm:
            pass
        if self._places.get(book.record.id) is place:
            del self._places[book.record.id]
            if book.record.lease is not None and book.record.lease.on_end is OnEnd.DELETE:
                await self._delete(owner, place.token)

    async def _await_holder(self, owner: Owner, token: int) -> None:
        await trio.sleep(RETURN_S)
        await self._delete(owner, token)

    async def _delete(self, owner: Owner, token: int) -> None:
        """Delete a VM whose holder is gone, however often the store refuses; not once it has a holder again."""
        record = owner.book.record
        while not owner.book.gone and record.id not in self._places:
            try:
                await owner.request(Request(Ask.DELETE, force=True, by=GONE, token=token))
                return
            except (NoSuchVm, Conflict):
                return
            except Fault as fault:
                log.warning("VM %s, whose holder is gone, is not deleted yet: %s", record.name, fault.message, extra={"vm": record.name})
            await trio.sleep(AGAIN_S)

    def _cursor(self, record: VmRecord) -> str:
        """How far the VM's present or last holder has got."""
        place = self._places.get(record.id)
        return place.cursor if place is not None else record.lease.cursor if record.lease is not None else ""


def _told(lease: VmLease) -> dict[str, object]:
    """What an event keeps of a lease."""
    return {"token": lease.token, "holder": lease.holder, **({"engine_id": lease.engine_id} if lease.engine_id else {})}
