"""The task of one deployment: looks, takes the steps that `diff.plan` names, and looks again when something has changed.

    look at the VMs --> plan --> start what there is room for --> tell how far it is --> wait for news, or for the time to look again

Nothing is remembered that matters: all but the back-off is found in the store and in the VMs, so a restarted daemon goes on where
the last one was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

import trio

from volant.daemon.deployments.backoff import ALL, Backoff
from volant.daemon.deployments.diff import Create, Delete, Phase, Plan, Replica, Why, Wish, plan
from volant.daemon.deployments.sight import Seen, Sight, vm_name
from volant.daemon.deployments.telling import draft
from volant.daemon.deployments.templates import replica_request, same_as
from volant.daemon.deployments.views import Summary, summary, view
from volant.daemon.ports import DeploymentRecord, DropDeployment, Fleet, Journal, ReplicaOf, VmRecord
from volant.proto.api.deployment import DeploymentView, Revision, Template
from volant.proto.api.vm import DeleteVm, StopVm
from volant.proto.errors import Fault, NoSuchDeployment, NoSuchVm, Timeout
from volant.proto.specs.states import DeploymentStatus

log = logging.getLogger("volant.deployments")

MAX_BUSY = 16
"""Steps that one deployment takes at once. Each waits for the disk or for a guest, not for the CPU; more would only crowd out others."""
RESYNC_S = 15.0
"""Looked at least so often, should news ever get lost."""
AGAIN_S = 1.0
"""Between two tries of a step that the host refused."""
GRACE_MS = 10_000
"""What a replica in service gets to end its work before it is killed."""


@dataclass(frozen=True, slots=True)
class Services:
    """What deployments work with; `wiring` fills it in."""

    journal: Journal
    fleet: Fleet
    now: Callable[[], str]
    """RFC 3339 in UTC."""


class Controller:
    """One deployment. `run` lives as long as the deployment or the daemon does, whichever ends first."""

    def __init__(
        self, services: Services, record: DeploymentRecord, revisions: tuple[Revision, ...], *, on_gone: Callable[[Controller], None]
    ) -> None:
        """`on_gone` is called in the moment in which it ceases to exist."""
        self._services, self._on_gone = services, on_gone
        self.record = record
        self.revisions = revisions
        """Oldest first."""
        self.changing = trio.Lock()
        """Held while a change of what is wanted is checked and stored."""
        self.gone = False
        """It is deleted and its rows are dropped, or it never was stored."""
        self._backoff = Backoff()
        self._sight = Sight(record.name, self._backoff)
        self._busy: dict[int, Create | Delete] = {}
        self._again_at: dict[int, float] = {}
        self._trouble: Fault | None = None
        self._news = trio.Event()
        self._changed = trio.Event()
        self._observed = 0
        self._summary = Summary(DeploymentStatus.PROGRESSING, "", 0, 0, 0, 0)
        self._has_acted = False
        """A step was taken since it was last said to be ready."""
        self._is_failing = False
        """It was said to be failing, and not yet to be ready again."""

    @property
    def template(self) -> Template:
        """Of the wanted revision."""
        return self._template(self.record.revision)

    @property
    def view(self) -> DeploymentView:
        return view(self.record, self.template, self._summary, observed_generation=self._observed, now=trio.current_time())

    @property
    def status(self) -> DeploymentStatus:
        return self._summary.status

    @property
    def is_complete(self) -> bool:
        """All is as wanted, as far as a paused deployment goes."""
        is_settled = self._summary.status in (DeploymentStatus.READY, DeploymentStatus.PAUSED)
        return is_settled and self._observed == self.record.generation

    def wake(self) -> None:
        """Something may have changed: look again."""
        self._news.set()

    def take(self, record: DeploymentRecord, revisions: tuple[Revision, ...]) -> None:
        """What is wanted has changed; whatever failed before may work now."""
        self.record, self.revisions = record, revisions
        self._backoff.forget_all()
        self._trouble = None
        self.wake()

    async def wait_changed(self) -> None:
        """Return once the view has changed, or the deployment is gone."""
        await self._changed.wait()

    async def wait_complete(self, timeout_ms: int) -> None:
        """Timeout says how far it is; NoSuchDeployment when it is deleted meanwhile."""
        with trio.move_on_after(max(timeout_ms, 0) / 1000):
            while not self.is_complete:
                if self.gone:
                    raise NoSuchDeployment(self.record.name)
                await self.wait_changed()
            return
        raise self.too_late(timeout_ms)

    def too_late(self, timeout_ms: int) -> Timeout:
        """The fault for whoever waited so long in vain."""
        found = self.view
        return Timeout(
            f"deployment {found.name!r} is {found.status} after {timeout_ms / 1000:g} s: {found.reason or 'it was not looked at yet'}",
            hint=f"it goes on by itself: `volant deployment status {found.name} --wait`, or give more --timeout",
            name=found.name,
            status=found.status.value,
        )

    async def run(self) -> None:
        """Bring the VMs to what is wanted, again and again. A defect in one look ends that look, not the daemon."""
        while not self.gone:
            try:
                async with trio.open_nursery() as steps:
                    await self._drive(steps)
            except Exception:
                log.exception("deployment %s", self.record.name)
                await trio.sleep(AGAIN_S)

    async def _drive(self, steps: trio.Nursery) -> None:
        while True:
            # Renewed before the look, so that news that come during it lead to another one.
            self._news = trio.Event()
            record, now = self.record, trio.current_time()
            wish = self._wish(record)
            seen = self._look(record, now)
            not_before = self._backoff.not_before(wish.same)
            planned = plan(
                wish, seen.replicas, foreign=seen.foreign, not_before=not_before, now=now, no_create_before=not_before.get(ALL, 0.0)
            )
            waits = self._start(planned, seen, now, steps)
            updated = same_as(self.revisions, record.revision)
            found = summary(record, wish, seen, updated=updated, not_before=not_before, trouble=self._trouble)
            # The event comes before the view, so that whoever waited for the one finds the other.
            await self._tell(found)
            self._publish(found, record.generation)
            if record.deleting and not seen.replicas and await self._drop():
                return
            with trio.move_on_at(min(now + RESYNC_S, planned.wake_at, seen.look_again_at, waits)):
                await self._news.wait()

    def _wish(self, record: DeploymentRecord) -> Wish:
        return Wish(
            replicas=0 if record.deleting else record.replicas,
            revision=record.rolling_revision,
            same=same_as(self.revisions, record.rolling_revision),
            max_unavailable=record.max_unavailable,
            rolls=not record.paused,
        )

    def _look(self, record: DeploymentRecord, now: float) -> Seen:
        """The VMs as they are, and as the steps under way are about to make them."""
        seen = self._sight.look(self._services.fleet.records(), now, min_ready_s=record.min_ready_ms / 1000)
        replicas = {replica.index: replica for replica in seen.replicas}
        for index, step in self._busy.items():
            if isinstance(step, Delete) and index in replicas:
                replicas[index] = replace(replicas[index], phase=Phase.LEAVING)
            elif isinstance(step, Create) and index not in replicas:
                replicas[index] = Replica(index, step.revision, Phase.COMING)
        return replace(seen, replicas=tuple(replicas[index] for index in sorted(replicas)))

    def _start(self, planned: Plan, seen: Seen, now: float, steps: trio.Nursery) -> float:
        """Take the steps there is room for; the rest is planned anew when one ends. When to look again because a step has to wait."""
        wait_until = inf
        self._again_at = {index: at for index, at in self._again_at.items() if at > now}
        for step in planned.actions:
            if (at := self._again_at.get(step.index)) is not None:
                wait_until = min(wait_until, at)
            elif step.index not in self._busy and sum(type(other) is type(step) for other in self._busy.values()) < MAX_BUSY:
                self._busy[step.index] = step
                self._has_acted = True
                if isinstance(step, Create):
                    steps.start_soon(self._create, step)
                else:
                    steps.start_soon(self._delete, step, seen.records[step.index])
        return wait_until

    async def _create(self, step: Create) -> None:
        name = self.record.name
        try:
            await self._services.fleet.create(
                replica_request(self._template(step.revision), name, step.index),
                author=f"deployment:{name}",
                replica_of=ReplicaOf(name, step.revision),
            )
        except Fault as fault:
            log.info("deployment %s: %s can't be made: %s", name, vm_name(name, step.index), fault)
            self._trouble = fault
            self._backoff.failed(ALL, step.revision, trio.current_time(), ready_s=None)
        else:
            self._trouble = None
            self._backoff.forget(ALL)
        finally:
            self._done(step)

    async def _delete(self, step: Delete, vm: VmRecord) -> None:
        fleet = self._services.fleet
        try:
            if step.why is not Why.DOWN and vm.state.is_live and self._is_there(vm):
                await fleet.stop(StopVm(name=vm.name, grace_ms=GRACE_MS))
            # By the time the guest has stopped, the name may be somebody else's.
            if self._is_there(vm):
                await fleet.delete(DeleteVm(name=vm.name, force=True))
        except NoSuchVm:
            pass
        except Fault as fault:
            log.warning("deployment %s: %s can't be deleted yet: %s", self.record.name, vm.name, fault)
            self._again_at[step.index] = trio.current_time() + AGAIN_S
        finally:
            self._done(step)

    def _is_there(self, vm: VmRecord) -> bool:
        return any(other.id == vm.id for other in self._services.fleet.records())

    def _done(self, step: Create | Delete) -> None:
        self._busy.pop(step.index, None)
        self.wake()

    def _publish(self, fresh: Summary, generation: int) -> None:
        if (fresh, generation) != (self._summary, self._observed):
            self._summary, self._observed = fresh, generation
            self._changed.set()
            self._changed = trio.Event()

    async def _tell(self, found: Summary) -> None:
        """An event when it gets ready after something was done, and when it begins to fail."""
        status = found.status
        if status is DeploymentStatus.READY and (self._has_acted or self._is_failing):
            self._has_acted = self._is_failing = False
        elif status is DeploymentStatus.DEGRADED and not self._is_failing:
            self._is_failing = True
        else:
            return
        try:
            await self._services.journal.commit(draft(f"DEPLOYMENT_{status.upper()}", self.record, found.reason))
        except Fault as fault:
            log.warning("deployment %s: its event can't be stored: %s", self.record.name, fault)

    async def _drop(self) -> bool:
        """Forget the deployment, now that none of its VMs is left; whether the store could."""
        try:
            await self._services.journal.commit(DropDeployment(self.record.name), draft("DEPLOYMENT_DELETED", self.record))
        except Fault as fault:
            log.warning("deployment %s can't be forgotten yet: %s", self.record.name, fault)
            await trio.sleep(AGAIN_S)
            self.wake()
            return False
        self.forget()
        return True

    def forget(self) -> None:
        """It is gone from the store, or never came there: whoever waits for it is told."""
        self.gone = True
        self._on_gone(self)
        self._changed.set()

    def _template(self, revision: int) -> Template:
        return next(item.template for item in self.revisions if item.revision == revision)
