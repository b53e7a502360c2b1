"""The comparison by value, and by any world that Hypothesis can think of."""

from __future__ import annotations

import random
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from volant.daemon.deployments.diff import MAX_STARTING, Create, Delete, Phase, Plan, Replica, Why, Wish, plan

OLD, NEW = 1, 2


def wish(replicas: int = 3, *, revision: int = NEW, max_unavailable: int = 1, rolls: bool = True) -> Wish:
    return Wish(replicas=replicas, revision=revision, same=frozenset({revision}), max_unavailable=max_unavailable, rolls=rolls)


def replicas(*phases: Phase | str, revision: int = NEW) -> tuple[Replica, ...]:
    """One each, from index 1."""
    return tuple(Replica(index, revision, Phase(phase)) for index, phase in enumerate(phases, 1))


def planned(
    wanted: Wish,
    there: tuple[Replica, ...],
    *,
    foreign: frozenset[int] = frozenset(),
    not_before: dict[int, float] | None = None,
    now: float = 100.0,
    no_create_before: float = 0.0,
) -> Plan:
    return plan(wanted, there, foreign=foreign, not_before=not_before or {}, now=now, no_create_before=no_create_before)


def test_what_is_missing_comes_at_the_lowest_free_indices() -> None:
    there = (Replica(2, NEW, Phase.READY),)
    assert planned(wish(4), there).actions == (Create(1, NEW), Create(3, NEW), Create(4, NEW))


def test_surplus_goes_highest_index_first_whatever_its_state() -> None:
    there = (*replicas("ready", "down"), Replica(7, NEW, Phase.READY), Replica(9, NEW, Phase.COMING))
    assert planned(wish(2), there).actions == (Delete(9, Why.SURPLUS), Delete(7, Why.SURPLUS), Delete(2, Why.DOWN))


def test_names_of_others_are_passed_over() -> None:
    assert planned(wish(3), (), foreign=frozenset({1, 3})).actions == (Create(2, NEW), Create(4, NEW), Create(5, NEW))


def test_a_leaving_replica_is_waited_for_not_stepped_over() -> None:
    assert planned(wish(2), replicas("leaving", "ready")).actions == ()
    assert planned(wish(0), replicas("leaving")).actions == ()


def test_what_is_down_is_healed_once_its_back_off_is_over() -> None:
    there = replicas("ready", "down", "unready")
    assert planned(wish(), there).actions == (Delete(2, Why.DOWN),)
    waiting = planned(wish(), there, not_before={2: 108.0})
    assert (waiting.actions, waiting.wake_at) == ((), 108.0)


def test_a_missing_replica_too_waits_for_its_back_off() -> None:
    waiting = planned(wish(), replicas("ready", "ready"), not_before={3: 101.5})
    assert (waiting.actions, waiting.wake_at) == ((), 101.5)
    held = planned(wish(), replicas("ready", "ready"), not_before={3: 101.5}, no_create_before=130)
    assert (held.actions, held.wake_at) == ((), 130)


def test_only_so_many_start_at_once() -> None:
    there = tuple(Replica(index, NEW, Phase.COMING) for index in range(1, 31))
    assert planned(wish(100), there).actions == tuple(Create(index, NEW) for index in range(31, MAX_STARTING + 1))


@pytest.mark.parametrize(
    ("max_unavailable", "there", "gone"),
    [
        (1, replicas("ready", "ready", "ready", revision=OLD), [1]),
        (2, replicas("ready", "ready", "ready", revision=OLD), [1, 2]),
        (9, replicas("ready", "ready", "ready", revision=OLD), [1, 2, 3]),
        # The health gate: while an updated one is not ready, no other goes.
        (1, (Replica(1, NEW, Phase.COMING), *replicas("ready", "ready", "ready", revision=OLD)[1:]), []),
        (1, (Replica(1, NEW, Phase.READY, is_settled=False), *replicas("ready", "ready", "ready", revision=OLD)[1:]), []),
        (1, (Replica(1, NEW, Phase.READY), *replicas("ready", "ready", "ready", revision=OLD)[1:]), [2]),
        # What nobody misses goes first, and no more than may be under way.
        (1, replicas("ready", "unready", "unready", revision=OLD), [2]),
        (2, replicas("ready", "unready", "unready", revision=OLD), [2, 3]),
        (1, replicas("ready", "leaving", "ready", revision=OLD), []),
    ],
)
def test_outdated_replicas_go_as_many_at_once_as_may_be_missed(max_unavailable: int, there: tuple[Replica, ...], gone: list[int]) -> None:
    found = planned(wish(max_unavailable=max_unavailable), there).actions
    assert list(found) == [Delete(index, Why.OUTDATED) for index in gone]


def test_an_outdated_replica_that_is_down_is_replaced_by_the_new_revision() -> None:
    assert planned(wish(), replicas("down", "ready", "ready", revision=OLD)).actions == (Delete(1, Why.DOWN),)


def test_a_paused_deployment_heals_and_scales_but_replaces_nothing() -> None:
    there = replicas("ready", "down", revision=OLD)
    assert planned(wish(3, revision=OLD, rolls=False), there).actions == (Delete(2, Why.DOWN), Create(3, OLD))
    assert planned(wish(2, rolls=False), replicas("ready", "ready", revision=OLD)).actions == ()


def test_revisions_of_the_same_description_are_all_up_to_date() -> None:
    back_again = Wish(replicas=2, revision=3, same=frozenset({1, 3}), max_unavailable=1)
    assert planned(back_again, (Replica(1, 1, Phase.READY), Replica(2, 2, Phase.READY))).actions == (Delete(2, Why.OUTDATED),)


WORLDS = st.lists(
    st.builds(
        Replica, index=st.integers(1, 12), revision=st.sampled_from([OLD, NEW]), phase=st.sampled_from(Phase), is_settled=st.booleans()
    ),
    max_size=12,
    unique_by=lambda replica: replica.index,
).map(tuple)
WISHES = st.builds(wish, st.integers(0, 8), max_unavailable=st.integers(1, 4), rolls=st.booleans())
FOREIGN = st.frozensets(st.integers(1, 12), max_size=4)


def others(foreign: frozenset[int], there: tuple[Replica, ...]) -> frozenset[int]:
    return foreign - {replica.index for replica in there}


@given(WISHES, WORLDS, FOREIGN)
def test_no_plan_makes_too_many_or_takes_away_too_much(wanted: Wish, there: tuple[Replica, ...], foreign: frozenset[int]) -> None:
    foreign = others(foreign, there)
    actions = planned(wanted, there, foreign=foreign).actions
    made = [action.index for action in actions if isinstance(action, Create)]
    deleted = {action.index: action.why for action in actions if isinstance(action, Delete)}
    assert len(made) + len(deleted) == len(actions) == len({action.index for action in actions}), "one step an index"
    assert not set(made) & ({replica.index for replica in there} | foreign)
    staying = [replica for replica in there if replica.phase is not Phase.LEAVING]
    assert len(staying) + len(made) <= max(wanted.replicas, len(staying))
    surplus = {index for index, why in deleted.items() if why is Why.SURPLUS}
    assert len(surplus) == max(0, len(staying) - wanted.replicas)
    kept = [replica for replica in staying if replica.index not in surplus]
    assert not surplus or min(surplus) > max((replica.index for replica in kept), default=0)
    before = sum(replica.is_available for replica in kept)
    after = sum(replica.is_available for replica in kept if replica.index not in deleted)
    assert after >= min(before, wanted.replicas - wanted.max_unavailable)


@given(WISHES, WORLDS, FOREIGN, st.integers(0, 2**32))
def test_from_any_world_the_wanted_one_comes_about(wanted: Wish, there: tuple[Replica, ...], foreign: frozenset[int], seed: int) -> None:
    """Each round takes any of the planned steps, in any order, and lets any of what is under way come to its end."""
    chance, foreign = random.Random(seed), others(foreign, there)
    world = {replica.index: replica for replica in there}
    for _ in range(400):
        actions = planned(wanted, tuple(world.values()), foreign=foreign).actions
        if not actions and all(replica.is_available for replica in world.values()):
            break
        for action in actions:
            if chance.random() < 0.6:
                if isinstance(action, Create):
                    world[action.index] = Replica(action.index, action.revision, Phase.COMING)
                else:
                    world[action.index] = Replica(action.index, world[action.index].revision, Phase.LEAVING)
        for index, replica in list(world.items()):
            if chance.random() < 0.5:
                if replica.phase is Phase.LEAVING:
                    del world[index]
                elif replica.phase is not Phase.DOWN:
                    world[index] = Replica(index, replica.revision, Phase.READY)
    assert len(world) == wanted.replicas
    assert all(replica.is_available for replica in world.values())
    assert not wanted.rolls or {replica.revision for replica in world.values()} <= wanted.same
    assert not world.keys() & foreign
    assert planned(wanted, tuple(world.values()), foreign=foreign) == Plan((), inf)
