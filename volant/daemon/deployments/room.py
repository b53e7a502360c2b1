"""All deployments of the host: every verb of the `deployment` noun, and the news of the VMs for those they concern."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from math import inf

import trio

from volant.daemon.deployments.controller import Controller, Services
from volant.daemon.deployments.sight import owner_and_index
from volant.daemon.deployments.telling import draft
from volant.daemon.deployments.templates import check_numbers, described, replica_request, undo_target, updated
from volant.daemon.ports import Asker, Change, DeploymentRecord, DropRevision, EventHub, Put, PutRevision
from volant.proto.api.deployment import (
    MAX_PAGE,
    MAX_REPLICAS,
    CreateDeployment,
    DeleteDeployment,
    DeploymentName,
    DeploymentView,
    ListDeployments,
    ResumeDeployment,
    Revision,
    ScaleDeployment,
    StatusDeployment,
    Template,
    UndoDeployment,
    UpdateDeployment,
)
from volant.proto.errors import Denied, InvalidParams, Lagged, NameTaken, NoSuchDeployment, Timeout

REVISIONS_KEPT = 20
"""Of each deployment; older ones are forgotten. People undo the last change or two, and read about the last few."""


class Deployments:
    """The deployments by name. `restore` first, then `run`, which owns every deployment's task."""

    def __init__(self, services: Services, hub: EventHub) -> None:
        self._services, self._hub = services, hub
        self._controllers: dict[str, Controller] = {}
        self._nursery: trio.Nursery | None = None

    async def restore(self) -> None:
        """Take the stored deployments back; they are looked after from `run` on."""
        store = self._services.journal.store
        revisions = await store.revisions()
        for record in await store.deployments():
            self._controllers[record.name] = self._new(record, revisions[record.name])

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look after all deployments until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._listen)
            for controller in self._controllers.values():
                nursery.start_soon(controller.run)
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                # What is stored while the daemon leaves is looked after by the next one.
                self._nursery = None

    # ------------------------------------------------------------------------------------------------------------ looking

    def get(self, name: str) -> DeploymentView:
        return self._controller(name).view

    def find(self, asked: ListDeployments) -> tuple[DeploymentView, ...]:
        """All that match, by name. InvalidParams for a page that makes no sense."""
        if not 1 <= asked.limit <= MAX_PAGE or asked.offset < 0:
            raise InvalidParams(f"limit must be 1 to {MAX_PAGE} and offset not negative", hint="ask for the list in pages")
        text = asked.text.casefold()
        return tuple(controller.view for _, controller in sorted(self._controllers.items()) if not text or _mentions(controller.view, text))

    def counts(self) -> dict[str, int]:
        """How many deployments are in each state that occurs."""
        return dict(Counter(str(controller.status) for controller in self._controllers.values()))

    def history(self, name: str) -> tuple[Revision, ...]:
        """Newest first."""
        return self._controller(name).revisions[::-1]

    async def watch(self, asked: StatusDeployment) -> AsyncGenerator[DeploymentView, None]:
        """The deployment now, and as asked again after each change; a slow caller misses steps between, never the last. Ends when the
        deployment is gone. With `wait`: NoSuchDeployment when it is deleted, Timeout."""
        controller = self._controller(asked.name)
        yield controller.view
        deadline = trio.current_time() + (asked.timeout_ms / 1000 if asked.wait else inf)
        while (asked.watch or (asked.wait and not controller.is_complete)) and not controller.gone:
            with trio.move_on_at(deadline) as limit:
                await controller.wait_changed()
            if limit.cancelled_caught:
                raise controller.too_late(asked.timeout_ms)
            if not controller.gone:
                yield controller.view
        if asked.wait and controller.gone:
            raise NoSuchDeployment(asked.name)

    # ----------------------------------------------------------------------------------------------------------- changing

    async def create(self, asked: CreateDeployment, by: Asker) -> DeploymentView:
        """Store it; its task makes the VMs. Once it is begun it is stored or refused, whoever stops waiting for it."""
        template = self._checked(asked.name, described(asked), asked.replicas, asked.max_unavailable, asked.min_ready_ms)
        if asked.name in self._controllers:
            raise NameTaken("deployment", asked.name)
        now = self._services.now()
        record = DeploymentRecord(
            name=asked.name, replicas=asked.replicas, max_unavailable=asked.max_unavailable, min_ready_ms=asked.min_ready_ms, paused=False,
            deleting=False, revision=1, rolling_revision=1, generation=1, created_at=now,
        )  # fmt: skip
        first = Revision(revision=1, template=template, note="created", created_at=now, author=by.author, origin=by.origin)
        controller = self._new(record, (first,))
        if asked.dry_run:
            return controller.view
        self._controllers[asked.name] = controller
        with trio.CancelScope(shield=True):
            async with controller.changing:
                try:
                    told = draft("DEPLOYMENT_CREATED", record, f"{asked.replicas} of {template.plugin} {template.plugin_version}", by=by)
                    await self._services.journal.commit(Put(record), PutRevision(asked.name, first), told)
                except BaseException:
                    controller.forget()
                    raise
        if self._nursery is not None:
            self._nursery.start_soon(controller.run)
        return await _settled(controller, wait=asked.wait, timeout_ms=asked.timeout_ms)

    async def scale(self, asked: ScaleDeployment, by: Asker) -> DeploymentView:
        def change(had: DeploymentRecord, controller: Controller) -> _Change:
            self._checked(asked.name, controller.template, asked.replicas, had.max_unavailable, had.min_ready_ms, is_known=True)
            return _Change(replace(had, replicas=asked.replicas), "SCALED", f"from {had.replicas} to {asked.replicas} replicas")

        return await self._change(asked.name, by, change, wait=asked.wait, timeout_ms=asked.timeout_ms, dry_run=asked.dry_run)

    async def update(self, asked: UpdateDeployment, by: Asker) -> DeploymentView:
        def change(had: DeploymentRecord, controller: Controller) -> _Change:
            limit = had.max_unavailable if asked.max_unavailable is None else asked.max_unavailable
            min_ready_ms = had.min_ready_ms if asked.min_ready_ms is None else asked.min_ready_ms
            wanted = updated(controller.template, asked)
            template = self._checked(asked.name, wanted, had.replicas, limit, min_ready_ms, is_known=wanted == controller.template)
            record = replace(had, max_unavailable=limit, min_ready_ms=min_ready_ms)
            if template == controller.template:
                return _Change(record, "UPDATED", "how it is rolled out")
            return _Change(record, "UPDATED", f"to {template.plugin} {template.plugin_version}", template, "updated")

        return await self._change(asked.name, by, change, wait=asked.wait, timeout_ms=asked.timeout_ms, dry_run=asked.dry_run)

    async def undo(self, asked: UndoDeployment, by: Asker) -> DeploymentView:
        def change(had: DeploymentRecord, controller: Controller) -> _Change:
            target = undo_target(had.name, controller.revisions, had.revision, asked.to_revision)
            if target.template == controller.template:
                return _Change(had, "UNDONE", "")
            self._services.fleet.check(replica_request(target.template, had.name, MAX_REPLICAS))
            note = f"undone to {target.revision}"
            return _Change(had, "UNDONE", f"back to revision {target.revision}", target.template, note)

        return await self._change(asked.name, by, change, wait=asked.wait, timeout_ms=asked.timeout_ms)

    async def pause(self, asked: DeploymentName, by: Asker) -> DeploymentView:
        return await self._change(asked.name, by, lambda had, _: _Change(replace(had, paused=True), "PAUSED", ""))

    async def resume(self, asked: ResumeDeployment, by: Asker) -> DeploymentView:
        def change(had: DeploymentRecord, controller: Controller) -> _Change:
            return _Change(replace(had, paused=False, rolling_revision=had.revision), "RESUMED", "")

        return await self._change(asked.name, by, change, wait=asked.wait, timeout_ms=asked.timeout_ms)

    async def delete(self, asked: DeleteDeployment, by: Asker) -> None:
        """Its task deletes the VMs, then forgets it. Timeout; asked a second time it is waited for again."""
        controller = self._controller(asked.name)
        async with controller.changing:
            if not controller.record.deleting:
                _check_stored(controller)
                record = replace(controller.record, deleting=True, generation=controller.record.generation + 1)
                await self._services.journal.commit(Put(record), draft("DEPLOYMENT_DELETING", record, by=by))
                controller.take(record, controller.revisions)
        if not asked.wait:
            return
        with trio.move_on_after(max(asked.timeout_ms, 0) / 1000):
            while not controller.gone:
                await controller.wait_changed()
            return
        raise Timeout(
            f"deployment {asked.name!r} was not gone after {asked.timeout_ms / 1000:g} s: {controller.view.reason}",
            hint="it goes on by itself; give more --timeout to see the end",
            name=asked.name,
        )

    async def _change(
        self,
        name: str,
        by: Asker,
        make: Callable[[DeploymentRecord, Controller], _Change],
        *,
        wait: bool = False,
        timeout_ms: int = 0,
        dry_run: bool = False,
    ) -> DeploymentView:
        """Check and store one change, and let the deployment's task see to it. The same request twice changes nothing."""
        controller = self._controller(name)
        async with controller.changing:
            had = controller.record
            if had.deleting:
                raise Denied(f"deployment {had.name!r} is being deleted", hint="wait until it is gone, then create it again")
            _check_stored(controller)
            change = make(had, controller)
            record, revisions = self._revised(change, controller, by)
            if record != had:
                record = replace(record, generation=had.generation + 1)
                if dry_run:
                    return self._new(record, revisions).view
                await self._services.journal.commit(
                    Put(record),
                    *_revision_changes(had.name, controller.revisions, revisions),
                    draft(f"DEPLOYMENT_{change.verb}", record, change.words, by=by),
                )
                controller.take(record, revisions)
        return await _settled(controller, wait=wait, timeout_ms=timeout_ms)

    def _revised(self, change: _Change, controller: Controller, by: Asker) -> tuple[DeploymentRecord, tuple[Revision, ...]]:
        """The record and the revisions with the new description in them, if there is one; too old revisions left out."""
        record, revisions = change.record, controller.revisions
        if change.template is None:
            return record, revisions
        number = revisions[-1].revision + 1
        fresh = Revision(
            revision=number, template=change.template, note=change.note, created_at=self._services.now(), author=by.author, origin=by.origin
        )
        record = replace(record, revision=number, rolling_revision=record.rolling_revision if record.paused else number)
        in_use = {record.rolling_revision} | {vm.revision for vm in self._services.fleet.records() if vm.deployment == record.name}
        oldest_kept = number - REVISIONS_KEPT
        return record, tuple(item for item in (*revisions, fresh) if item.revision > oldest_kept or item.revision in in_use)

    def _checked(
        self, name: str, template: Template, replicas: int, max_unavailable: int, min_ready_ms: int, *, is_known: bool = False
    ) -> Template:
        """The description with its plugin's version settled. Of one that `is_known` already only the numbers are checked: scaling has
        to work even when its plugin was disabled since."""
        check_numbers(name, replicas, max_unavailable, min_ready_ms, template)
        if is_known:
            return template
        version = self._services.fleet.check(replica_request(template, name, MAX_REPLICAS))
        return replace(template, plugin_version=version)

    # -------------------------------------------------------------------------------------------------------------- tasks

    def _controller(self, name: str) -> Controller:
        controller = self._controllers.get(name)
        if controller is None:
            raise NoSuchDeployment(name)
        return controller

    def _new(self, record: DeploymentRecord, revisions: tuple[Revision, ...]) -> Controller:
        return Controller(self._services, record, revisions, on_gone=self._forget)

    def _forget(self, controller: Controller) -> None:
        if self._controllers.get(controller.record.name) is controller:
            del self._controllers[controller.record.name]

    async def _listen(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Wake whom news of a VM concern. A VM's name is enough to know: also a stranger's VM that takes a replica's name is news."""
        while True:
            try:
                async with self._hub.subscribe() as events:
                    task_status.started()
                    task_status = trio.TASK_STATUS_IGNORED
                    for controller in self._controllers.values():
                        controller.wake()
                    async for event in events:
                        named = owner_and_index(event.vm)
                        if named is not None and named[0] in self._controllers:
                            self._controllers[named[0]].wake()
            except Lagged:
                pass  # everybody looks again, for nobody knows what was missed


@dataclass(frozen=True, slots=True)
class _Change:
    """What a request makes of a deployment."""

    record: DeploymentRecord
    verb: str
    """Of the event, DEPLOYMENT_<verb>."""
    words: str
    template: Template | None = None
    """The new description, where there is one."""
    note: str = ""


def _check_stored(controller: Controller) -> None:
    """NoSuchDeployment for one that the store refused while somebody waited to change it."""
    if controller.gone:
        raise NoSuchDeployment(controller.record.name)


async def _settled(controller: Controller, *, wait: bool, timeout_ms: int) -> DeploymentView:
    if wait:
        await controller.wait_complete(timeout_ms)
    return controller.view


def _revision_changes(name: str, before: tuple[Revision, ...], after: tuple[Revision, ...]) -> list[Change]:
    had, has = {item.revision for item in before}, {item.revision for item in after}
    added: list[Change] = [PutRevision(name, item) for item in after if item.revision not in had]
    return added + [DropRevision(name, number) for number in sorted(had - has)]


def _mentions(view: DeploymentView, text: str) -> bool:
    labels = (f"{key}={value}" for key, value in view.template.labels.items())
    return any(text in word.casefold() for word in (view.name, view.template.plugin, *labels))
