"""The VMs as a deployment sees them: from their records, and how long each has been as it is. No I/O; the clock is the caller's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from volant.daemon.deployments.backoff import Backoff
from volant.daemon.deployments.diff import Phase, Replica
from volant.daemon.ports import VmRecord
from volant.proto.specs.states import VmState, Wanted

UNHEALTHY_S = 30.0
"""So long the guest's agent may take to mend an unhealthy workload; then the replica is replaced."""

_ON_THE_START = (VmState.PENDING, VmState.STARTING)
_NOT_BY_ITSELF = (VmState.STOPPED, VmState.CRASHED, VmState.FAILED)


@dataclass(slots=True)
class _Track:
    """What was seen of one boot of one VM."""

    boot: tuple[str, int]
    ready_since: float = inf
    ready_s: float | None = None
    """How long it has been ready; None when it never was."""
    unhealthy_since: float = inf
    is_counted: bool = False
    """Its failure is in the back-off."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the host."""

    replicas: tuple[Replica, ...]
    records: dict[int, VmRecord]
    """The replicas' records by index."""
    foreign: frozenset[int]
    """Indices whose names belong to VMs that are not this deployment's."""
    look_again_at: float
    """When time alone will change what is seen."""


def vm_name(deployment: str, index: int) -> str:
    return f"{deployment}-{index}"


def owner_and_index(vm: str) -> tuple[str, int] | None:
    """The deployment that a VM of this name would belong to, and as which replica; None when its name is no replica's."""
    found = re.fullmatch(r"(.+)-([1-9][0-9]{0,5})", vm)
    return (found[1], int(found[2])) if found else None


class Sight:
    """Looks at the VMs of one deployment, and enters into `backoff` what failed since the last look."""

    def __init__(self, deployment: str, backoff: Backoff) -> None:
        self._deployment, self._backoff = deployment, backoff
        self._tracks: dict[int, _Track] = {}

    def look(self, vms: Iterable[VmRecord], now: float, *, min_ready_s: float) -> Seen:
        """`vms` are all of the host, or at least those whose name is a replica's."""
        own: dict[int, VmRecord] = {}
        foreign = set()
        for record in vms:
            if record.deployment != self._deployment and not record.name.startswith(self._deployment):
                continue
            named = owner_and_index(record.name)
            if named is None or named[0] != self._deployment:
                continue
            if record.deployment == self._deployment:
                own[named[1]] = record
            else:
                foreign.add(named[1])
        self._tracks = {index: track for index, track in self._tracks.items() if index in own}
        again: list[float] = []
        replicas = tuple(self._replica(index, record, now, min_ready_s, again) for index, record in sorted(own.items()))
        return Seen(replicas, own, frozenset(foreign), min(again, default=inf))

    def _replica(self, index: int, record: VmRecord, now: float, min_ready_s: float, again: list[float]) -> Replica:
        track = self._tracks.get(index)
        if track is None or track.boot != (record.id, record.boot):
            track = self._tracks[index] = _Track((record.id, record.boot), ready_s=0.0 if record.ready_at and record.boot else None)
        self._keep_time(track, record, now)
        phase = _phase(record)
        if phase is Phase.UNREADY and track.unhealthy_since < inf:
            if track.unhealthy_since + UNHEALTHY_S <= now:
                phase = Phase.DOWN
            else:
                again.append(track.unhealthy_since + UNHEALTHY_S)
        is_settled = track.ready_since + min_ready_s <= now
        if phase is Phase.READY and not is_settled:
            again.append(track.ready_since + min_ready_s)
        if phase is Phase.DOWN and not track.is_counted:
            track.is_counted = True
            self._backoff.failed(index, record.revision, now, ready_s=track.ready_s)
        return Replica(index, record.revision, phase, is_settled)

    @staticmethod
    def _keep_time(track: _Track, record: VmRecord, now: float) -> None:
        if record.state is VmState.READY:
            track.ready_since = min(track.ready_since, now)
            track.ready_s = now - track.ready_since
            track.unhealthy_since = inf
        else:
            track.ready_since = inf
            is_unhealthy = record.state is VmState.RUNNING and record.health == "unhealthy"
            track.unhealthy_since = min(track.unhealthy_since, now) if is_unhealthy else inf


def _phase(record: VmRecord) -> Phase:
    state = record.state
    if record.wanted is Wanted.DESTROYED or state is VmState.DESTROYING:
        return Phase.LEAVING
    if state is VmState.READY:
        return Phase.READY
    if state in _NOT_BY_ITSELF:
        return Phase.DOWN
    if state in _ON_THE_START and record.wanted is Wanted.RUNNING:
        return Phase.COMING
    return Phase.UNREADY
