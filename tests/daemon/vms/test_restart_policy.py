"""What a restart policy makes of an end, and of a restart of the host: by value and by property."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ensemble import EPOCH_S
from tests.fakes.records import vm_record
from volant.daemon.ports import ProcessIdentity, Retries
from volant.daemon.vms.lifecycle import HOST_RESTARTED
from volant.daemon.vms.restarts import (
    CAP_S,
    FIRST_S,
    JITTER,
    LONGEST_S,
    RAN_WELL_S,
    WINDOW_S,
    after_reboot,
    host_restarted,
    judge,
    pause_s,
    ran_for,
    remaining_s,
)
from volant.proto.specs.restarts import MAX_TRIES, RestartPolicy, When, parse_restart, problem_with_restart
from volant.proto.specs.states import VmState, Wanted

policies = st.sampled_from(["no", "always", "on-failure", "on-failure:1", f"on-failure:{MAX_TRIES}"]).map(parse_restart)


# ----------------------------------------------------------------------------------------------------------------- by value


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("no", RestartPolicy(When.NO)),
        ("always", RestartPolicy(When.ALWAYS)),
        ("on-failure", RestartPolicy(When.ON_FAILURE, 5)),
        ("on-failure:3", RestartPolicy(When.ON_FAILURE, 3)),
    ],
)
def test_a_policy_is_written_as_people_know_it(text: str, policy: RestartPolicy) -> None:
    assert (parse_restart(text), problem_with_restart(text)) == (policy, "")


@pytest.mark.parametrize("ready_at", ["", "yesterday", "2026-01-31T11:59:00.000Z"])
def test_how_long_it_ran_is_read_off_the_record(ready_at: str) -> None:
    assert ran_for(replace(vm_record(1), ready_at=ready_at), EPOCH_S) == (60 if ready_at.endswith("Z") else 0)


@pytest.mark.parametrize(("host_boot", "process_boot", "restarted"), [
    ("", "", False), ("now", "", False), ("before", "", True), ("", "now", False), ("", "before", True), ("now", "before", False),
])  # fmt: skip
def test_a_restart_of_the_host_is_known_by_its_boot_id(host_boot: str, process_boot: str, restarted: bool) -> None:
    process = ProcessIdentity(1, 1, process_boot) if process_boot else None
    assert host_restarted(replace(vm_record(1), host_boot=host_boot, process=process), "now") is restarted


@pytest.mark.parametrize("text", ["", "yes", "on-failure:0", "on-failure:11", "always:3", "on-failure:", "No", "on-failure:1\n"])
def test_what_is_no_policy_is_refused_with_the_choices(text: str) -> None:
    assert "must be no, on-failure, always, or on-failure:N" in problem_with_restart(text)


def test_pauses_double_up_to_their_cap() -> None:
    assert [pause_s(count) for count in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, CAP_S, CAP_S]


@pytest.mark.parametrize(("policy", "is_failure", "restarts"), [
    ("no", True, False), ("no", False, False),
    ("on-failure", True, True), ("on-failure", False, False),
    ("always", True, True), ("always", False, True),
])  # fmt: skip
def test_which_ends_a_policy_follows_with_a_start(policy: str, is_failure: bool, restarts: bool) -> None:
    verdict = judge(parse_restart(policy), Retries(), is_failure=is_failure, now=EPOCH_S, ran_s=10, chance=0)
    assert bool(verdict.retries.next_at) is restarts
    assert not verdict.gave_up


def test_on_failure_gives_up_after_its_tries_and_says_so() -> None:
    policy, retries, now = parse_restart("on-failure:2"), Retries(), EPOCH_S
    for count in (1, 2):
        retries = judge(policy, retries, is_failure=True, now=now, ran_s=0, chance=0).retries
        assert (retries.count, retries.next_at) == (count, now + pause_s(count - 1))
        now = retries.next_at + 5
    verdict = judge(policy, retries, is_failure=True, now=now, ran_s=0, chance=0)
    assert verdict.gave_up == "given up, for 2 restarts within an hour did not help"
    assert not verdict.retries.next_at


def test_a_long_run_begins_the_pauses_anew_and_not_the_hour() -> None:
    policy = parse_restart("on-failure:2")
    retries = Retries(count=7, window_began=EPOCH_S, window_count=1)
    again = judge(policy, retries, is_failure=True, now=EPOCH_S + 400, ran_s=RAN_WELL_S, chance=0).retries
    assert again == Retries(count=1, window_began=EPOCH_S, window_count=2, next_at=EPOCH_S + 400 + FIRST_S)
    assert judge(policy, again, is_failure=True, now=EPOCH_S + 800, ran_s=RAN_WELL_S, chance=0).gave_up
    assert not judge(policy, again, is_failure=True, now=EPOCH_S + WINDOW_S, ran_s=RAN_WELL_S, chance=0).gave_up


# -------------------------------------------------------------------------------------------------------------- by property


@given(policies, st.lists(st.tuples(st.booleans(), st.floats(0, 1_000), st.floats(0, 1)), min_size=1, max_size=60))
def test_no_row_of_mishaps_starts_a_vm_too_often_or_never_again(policy: RestartPolicy, ends: list[tuple[bool, float, float]]) -> None:
    retries, now, tries = Retries(), EPOCH_S, list[float]()
    for is_failure, ran_s, chance in ends:
        now += ran_s
        before = retries.count
        verdict = judge(policy, retries, is_failure=is_failure, now=now, ran_s=ran_s, chance=chance)
        retries = verdict.retries
        if not retries.next_at:
            assert verdict.gave_up or not policy.restarts(is_failure=is_failure)
            return
        assert policy.restarts(is_failure=is_failure)
        pause = retries.next_at - now
        least = pause_s(0 if ran_s >= RAN_WELL_S else before)
        assert least - 1e-3 <= pause <= least * (1 + JITTER) + 1e-3 and pause <= LONGEST_S + 1e-3
        now = retries.next_at
        tries.append(now)
        if policy.tries:
            # A fixed hour is counted, so at its border two of them may meet.
            assert sum(now - WINDOW_S <= then for then in tries) <= 2 * policy.tries


@given(st.floats(0, 1e10), st.floats(0, 1e10))
def test_nobody_waits_longer_than_the_cap_whatever_the_clock_does(next_at: float, now: float) -> None:
    assert 0 <= remaining_s(Retries(next_at=next_at), now) <= LONGEST_S


@given(st.sampled_from(VmState), st.sampled_from(Wanted), st.booleans(), st.sampled_from(["", "now", "before"]), st.booleans())
def test_after_a_restart_of_the_host_nothing_starts_that_nobody_wanted(
    state: VmState, wanted: Wanted, starts: bool, host_boot: str, waiting: bool
) -> None:
    record = replace(vm_record(1), state=state, wanted=wanted, host_boot=host_boot, retries=Retries(next_at=1.0 if waiting else 0.0))
    found = after_reboot(record, host_boot="now", starts=starts)
    if found is not None:
        assert wanted is Wanted.RUNNING and host_boot == "before" and not state.is_live
        assert (found[0] is VmState.PENDING) is starts
        assert found[1]["retries"] == Retries() and found[1]["reason"] == HOST_RESTARTED
