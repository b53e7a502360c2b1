"""Deployments as their users see them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf

from volant.daemon.deployments.backoff import ALL
from volant.daemon.deployments.diff import Phase, Replica, Wish
from volant.daemon.deployments.sight import Seen, vm_name
from volant.daemon.ports import DeploymentRecord
from volant.proto.api.deployment import DeploymentView, Template
from volant.proto.errors import Fault
from volant.proto.specs.states import DeploymentStatus

NAMED = 3
"""VMs that a reason names: enough to start looking, and still one sentence."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What one look at the VMs says about the deployment; it changes only when that does."""

    status: DeploymentStatus
    reason: str
    current: int
    updated: int
    ready: int
    available: int
    next_try: float = inf
    """When something that failed is tried again; infinity when nothing waits."""


def summary(
    record: DeploymentRecord,
    wish: Wish,
    seen: Seen,
    *,
    updated: frozenset[int],
    not_before: Mapping[int, float],
    trouble: Fault | None,
) -> Summary:
    """`updated`: the revisions that are as good as the wanted one. `trouble`: why no VM can be made at present."""
    staying = [replica for replica in seen.replicas if replica.phase is not Phase.LEAVING]
    available = sum(replica.is_available for replica in staying)
    down = [replica for replica in staying if replica.phase is Phase.DOWN]
    is_complete = (
        len(seen.replicas) == len(staying) == available == record.replicas
        and all(replica.revision in wish.same for replica in staying)
        and not record.deleting
    )
    waiting = [replica.index for replica in down] + ([ALL] if trouble is not None else [])
    next_try = min((not_before[index] for index in waiting if index in not_before), default=inf)
    if record.deleting:
        status, reason = DeploymentStatus.DELETING, f"{len(seen.replicas)} of its VMs are still there"
    elif is_complete:
        status, reason = _complete(record, updated, seen)
    elif trouble is not None or down:
        status, reason = DeploymentStatus.DEGRADED, _failing(record.name, seen, down, trouble)
    else:
        status, reason = DeploymentStatus.PROGRESSING, _progress(record, staying, available, wish)
    return Summary(
        status,
        reason,
        current=len(seen.replicas),
        updated=sum(replica.revision in updated for replica in staying),
        ready=sum(replica.phase is Phase.READY for replica in staying),
        available=available,
        next_try=next_try,
    )


def view(record: DeploymentRecord, template: Template, seen: Summary, *, observed_generation: int, now: float) -> DeploymentView:
    """`template` is the wanted revision's; `now` of the clock that `seen.next_try` is of."""
    reason = seen.reason
    if seen.status is DeploymentStatus.DEGRADED and now < seen.next_try < inf:
        reason = f"{reason}; the next try is in {ceil(seen.next_try - now)} s"
    return DeploymentView(
        name=record.name,
        status=seen.status,
        reason=reason,
        template=template,
        replicas=record.replicas,
        current=seen.current,
        updated=seen.updated,
        ready=seen.ready,
        available=seen.available,
        revision=record.revision,
        rolling_revision=record.rolling_revision,
        paused=record.paused,
        max_unavailable=record.max_unavailable,
        min_ready_ms=record.min_ready_ms,
        generation=record.generation,
        observed_generation=observed_generation,
        created_at=record.created_at,
    )


def _complete(record: DeploymentRecord, updated: frozenset[int], seen: Seen) -> tuple[DeploymentStatus, str]:
    in_the_way = [index for index in sorted(seen.foreign) if index <= max((replica.index for replica in seen.replicas), default=0)]
    passed = f"{_names(record.name, in_the_way)} is not of this deployment and passed over" if in_the_way else ""
    if not record.paused:
        return DeploymentStatus.READY, passed
    if record.rolling_revision in updated:
        return DeploymentStatus.PAUSED, passed
    return DeploymentStatus.PAUSED, f"revision {record.revision} is rolled out once the deployment is resumed"


def _failing(name: str, seen: Seen, down: list[Replica], trouble: Fault | None) -> str:
    if trouble is not None:
        return f"no VM can be made: {trouble.message}"
    first = seen.records[down[0].index]
    why = f"{first.name} is {first.state}" + (f": {first.reason}" if first.reason else "")
    return why if len(down) == 1 else f"{len(down)} replicas are down ({_names(name, [replica.index for replica in down])}); {why}"


def _progress(record: DeploymentRecord, staying: list[Replica], available: int, wish: Wish) -> str:
    outdated = sum(replica.revision not in wish.same for replica in staying)
    said = f"{available} of {record.replicas} replicas are available"
    if len(staying) > record.replicas:
        said += f", {len(staying) - record.replicas} too many"
    return f"{said}, {outdated} not yet of revision {wish.revision}" if outdated else said


def _names(deployment: str, indices: list[int]) -> str:
    return ", ".join(vm_name(deployment, index) for index in indices[:NAMED]) + (", ..." if len(indices) > NAMED else "")
