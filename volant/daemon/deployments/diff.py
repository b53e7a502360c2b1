"""What to do next about a deployment: a pure function of what is wanted and the VMs as they are.

Level-triggered: how things came about plays no part, so the answer is right after any order of events, and after a restart. It is
asked again after every change, and so needs to name only the steps that may be taken now:

- surplus replicas go, the highest index first;
- replicas that will not get ready by themselves go, once their back-off is over;
- missing replicas come, at the lowest free index; a name that is somebody else's is passed over;
- outdated replicas go, as many at once as `max_unavailable` allows; an updated one has to be available before the next goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, islice
from math import inf

MAX_STARTING = 32
"""Replicas of one deployment that may be on their start at once: enough to keep every host's CPUs busy, while a shortage of memory
shows after some VMs and not after all of them."""


class Phase(StrEnum):
    """What a replica is to its deployment."""

    COMING = "coming"
    """Pending or starting."""
    UNREADY = "unready"
    """It runs and is not ready, or stands still because somebody wants it so: it may get ready by itself."""
    READY = "ready"
    DOWN = "down"
    """It will not get ready by itself."""
    LEAVING = "leaving"
    """On its way out; its name is free once it is gone."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One VM of the deployment."""

    index: int
    revision: int
    phase: Phase
    is_settled: bool = True
    """Ready for as long as the deployment asks."""

    @property
    def is_available(self) -> bool:
        return self.phase is Phase.READY and self.is_settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted."""

    replicas: int
    revision: int
    """What new replicas are made of."""
    same: frozenset[int]
    """The revisions with the very same description, this one included: replicas of these are up to date."""
    max_unavailable: int
    rolls: bool = True
    """Whether outdated replicas are replaced; not while the deployment is paused."""


class Why(StrEnum):
    """Why a replica has to go."""

    SURPLUS = "surplus"
    DOWN = "down"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True)
class Create:
    index: int
    revision: int


@dataclass(frozen=True, slots=True)
class Delete:
    index: int
    why: Why


Action = Create | Delete


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps to take now, and when to ask again at the latest even if nothing happens."""

    actions: tuple[Action, ...]
    wake_at: float = inf


def plan(
    wish: Wish,
    replicas: tuple[Replica, ...],
    *,
    foreign: frozenset[int],
    not_before: Mapping[int, float],
    now: float,
    no_create_before: float = 0.0,
) -> Plan:
    """The next steps.

    `replicas` have one entry an index. `foreign`: indices whose names belong to other VMs. `not_before`: when an index may be tried
    again, where it has to wait, and `no_create_before` the same for all that is missing; times are of the clock of `now`.
    """
    staying = sorted((replica for replica in replicas if replica.phase is not Phase.LEAVING), key=lambda replica: replica.index)
    kept, surplus = staying[: wish.replicas], staying[wish.replicas :]
    actions: list[Action] = [Delete(replica.index, Why.SURPLUS) for replica in reversed(surplus)]
    wake_at = inf
    for replica in kept:
        if replica.phase is Phase.DOWN:
            if (due := not_before.get(replica.index, 0)) <= now:
                actions.append(Delete(replica.index, Why.DOWN))
            else:
                wake_at = min(wake_at, due)
    if wish.rolls:
        actions += _outdated(wish, kept)
    places = MAX_STARTING - sum(replica.phase is Phase.COMING for replica in replicas)
    for index in _missing(wish, staying, replicas, foreign):
        if (due := max(no_create_before, not_before.get(index, 0))) > now:
            wake_at = min(wake_at, due)
        elif places > 0:
            places -= 1
            actions.append(Create(index, wish.revision))
    return Plan(tuple(actions), wake_at)


def _missing(wish: Wish, staying: list[Replica], replicas: tuple[Replica, ...], foreign: frozenset[int]) -> Iterator[int]:
    """The indices to fill. One whose replica is leaving is waited for: the next index would be one too many a moment later."""
    held = {replica.index for replica in staying} | foreign
    leaving = {replica.index for replica in replicas if replica.phase is Phase.LEAVING}
    free = (index for index in count(1) if index not in held)
    return (index for index in islice(free, max(0, wish.replicas - len(staying))) if index not in leaving)


def _outdated(wish: Wish, kept: list[Replica]) -> Iterator[Delete]:
    """Outdated replicas that may go now.

    `room` is how many more may be under way to the new revision; `spare` how many available ones can be missed. What is not available
    goes first, for nobody misses it. Replicas that are down are healed anyway.
    """
    available = sum(replica.is_available for replica in kept)
    under_way = sum(replica.phase is Phase.DOWN or (replica.revision in wish.same and not replica.is_available) for replica in kept)
    room = wish.max_unavailable - (wish.replicas - len(kept)) - under_way
    spare = available - (wish.replicas - wish.max_unavailable)
    outdated = [replica for replica in kept if replica.revision not in wish.same and replica.phase is not Phase.DOWN]
    for replica in sorted(outdated, key=lambda replica: (replica.is_available, replica.index)):
        if room <= 0 or (replica.is_available and spare <= 0):
            return
        room -= 1
        spare -= replica.is_available
        yield Delete(replica.index, Why.OUTDATED)
