"""The reducer: lists, changes, breaks and gaps, by value and against a model that is nothing but a dict."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.desks import event, vm
from volant.tui.model import (
    KEPT_EVENTS,
    Changed,
    Connected,
    Connecting,
    EventsLost,
    Happened,
    Heard,
    Lost,
    Phase,
    Snapshot,
    reduce,
)


def after(*news: Heard, start: Snapshot | None = None) -> Snapshot:
    snapshot = start or Snapshot()
    for each in news:
        snapshot, _ = reduce(snapshot, each)
    return snapshot


def changed(*vms: dict[str, Any], gone: tuple[str, ...] = (), seq: int = 5, complete: bool = True) -> Changed:
    return Changed(vms, gone, seq, complete)


UP = (Connecting(1.0), Connected(1.1, "0.1.0"))


def test_the_first_list_is_shown_as_it_comes_and_is_live_once_complete() -> None:
    part = after(*UP, changed(vm(1), complete=False))
    assert (list(part.vms), part.link.phase, part.listed) == ([vm(1)["id"]], Phase.LISTING, False)
    whole = after(changed(vm(2), seq=9), start=part)
    assert (len(whole.vms), whole.link.phase, whole.listed, whole.seq) == (2, Phase.LIVE, True, 9)


def test_an_empty_list_is_known_to_be_empty() -> None:
    assert after(*UP, changed()).listed


def test_changes_say_which_lines_are_different() -> None:
    snapshot = after(*UP, changed(vm(1), vm(2)))
    snapshot, delta = reduce(snapshot, changed(vm(1, status="stopped"), vm(3), gone=(vm(2)["id"], "unknown")))
    assert delta.changed == {vm(1)["id"], vm(3)["id"]}
    assert (set(delta.gone), delta.added, delta.words) == ({vm(2)["id"]}, 1, "+1 ~1 -1")
    assert {each["name"]: each["status"] for each in snapshot.vms.values()} == {"web-1": "stopped", "web-3": "ready"}


def test_of_known_vms_what_is_different_is_enough() -> None:
    snapshot, delta = reduce(after(*UP, changed(vm(1), vm(2))), Changed((), (), 6, True, ({"id": vm(2)["id"], "status": "crashed"},)))
    assert snapshot.vms[vm(2)["id"]] == {**vm(2), "status": "crashed"}
    assert (delta.words, set(delta.changed)) == ("~1", {vm(2)["id"]})


def test_what_is_known_stays_when_the_connection_breaks_and_its_age_counts_from_then() -> None:
    live = after(*UP, changed(vm(1)))
    lost = after(Lost(50.0, "refused", "start it", 50.3), Connecting(50.3), Lost(50.4, "refused", "start it", 51.0), start=live)
    assert (len(lost.vms), lost.link.phase, lost.link.since, lost.link.retry_at) == (1, Phase.LOST, 50.0, 51.0)


def test_after_a_break_the_old_list_stays_until_the_new_one_is_complete() -> None:
    same, altered = vm(1), vm(2)
    lost = after(*UP, changed(same, altered, vm(3)), Lost(50.0, "gone", "", 51.0))
    partly = after(Connecting(51.0), Connected(51.1, "0.2.0"), changed(dict(same), complete=False), start=lost)
    assert partly.vms is lost.vms
    assert not partly.is_live
    whole, delta = reduce(partly, changed(vm(2, status="crashed"), vm(4)))
    assert sorted(each["name"] for each in whole.vms.values()) == ["web-1", "web-2", "web-4"]
    assert (delta.words, delta.whole, whole.is_live, whole.version) == ("+1 ~1 -1", True, True, "0.2.0")
    assert whole.vms[same["id"]] is same, "an unchanged line would be drawn anew"


def test_a_break_in_the_middle_of_a_new_list_forgets_it() -> None:
    lost = after(*UP, changed(vm(1)), Lost(2.0, "", "", 3.0), *UP, changed(vm(9), complete=False), Lost(4.0, "", "", 5.0))
    assert (list(lost.vms), lost.arriving) == ([vm(1)["id"]], None)


def test_events_are_taken_once_in_order_and_kept_in_bounds() -> None:
    start = after(*UP, changed(vm(1), seq=5))
    assert start.seq == 5
    again = after(
        Happened((event(5, "VM_READY", vm(1)), event(6, "VM_STOPPED", vm(1)))), Happened((event(6, "VM_STOPPED", vm(1)),)), start=start
    )
    assert ([each["seq"] for each in again.events], again.seq) == ([6], 6)
    many = after(Happened(tuple(event(seq, "VM_READY", vm(1)) for seq in range(7, 7 + KEPT_EVENTS + 5))), start=again)
    assert len(many.events) == KEPT_EVENTS


def test_events_that_are_no_longer_kept_are_counted() -> None:
    gap = after(*UP, changed(vm(1), seq=5), EventsLost(oldest=20))
    assert (gap.missed, gap.seq) == (14, 19)
    assert after(Happened((event(20, "VM_READY", vm(1)),)), start=gap).seq == 20


IDS = st.integers(1, 6)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.lists(st.tuples(IDS, st.integers(0, 3)), max_size=4), st.lists(IDS, max_size=2)),
        st.just(("lose",)),
        st.tuples(st.just("list"), st.lists(st.tuples(IDS, st.integers(0, 3)), max_size=6), st.booleans()),
    ),
    max_size=12,
)


@given(STEPS)
def test_a_live_snapshot_has_exactly_what_the_daemon_said_last(steps: list[Any]) -> None:
    """And whoever only looks at the lines that a delta names sees the same as whoever looks at all."""
    snapshot = after(*UP, changed())
    daemon: dict[str, Any] = {}
    seen: dict[str, Any] = {}

    def hear(news: Heard) -> None:
        nonlocal snapshot
        snapshot, delta = reduce(snapshot, news)
        for vm_id in delta.changed:
            seen[vm_id] = snapshot.vms[vm_id]
        for vm_id in delta.gone:
            seen.pop(vm_id)

    for step in steps:
        if step[0] == "lose":
            hear(Lost(2.0, "", "", 3.0))
            hear(Connecting(3.0))
            hear(Connected(3.1, "1"))
            hear(changed(*daemon.values()))
        else:
            records = {vm(number)["id"]: vm(number, cpu_cores=cores) for number, cores in step[1]}
            if step[0] == "list":
                daemon = records
                hear(Connected(3.1, "1"))
                if step[2]:
                    hear(changed(complete=False))
                hear(changed(*records.values()))
            else:
                gone = tuple(vm_id for number in step[2] if (vm_id := vm(number)["id"]) not in records)
                daemon = {vm_id: one for vm_id, one in (daemon | records).items() if vm_id not in gone}
                hear(changed(*records.values(), gone=gone))
        assert snapshot.vms == daemon == seen


PARTS = st.lists(
    st.tuples(
        st.lists(st.tuples(IDS, st.integers(0, 3)), max_size=3), st.lists(IDS, max_size=2), st.lists(st.tuples(IDS, IDS), max_size=3)
    ),
    min_size=1,
    max_size=5,
)


@given(PARTS, st.booleans(), st.booleans())
def test_items_that_came_together_mean_what_they_mean_one_by_one(told: list[Any], complete: bool, after_a_break: bool) -> None:
    start = after(*UP, changed(vm(1), vm(2)), *((Lost(2.0, "", "", 3.0), *UP) if after_a_break else ()))
    parts = []
    for at, (items, gone, altered) in enumerate(told):
        records = tuple(vm(number, cpu_cores=cores) for number, cores in items)
        different = tuple({"id": vm(number)["id"], "pid": pid} for number, pid in altered)
        is_last = at == len(told) - 1
        parts.append(Changed(records, tuple(vm(number)["id"] for number in gone), 7, complete and is_last, different))
    together, delta = reduce(start, *parts)
    assert together == after(*parts, start=start)
    if not after_a_break or complete:
        before = {vm_id: start.vms[vm_id] for vm_id in start.vms if vm_id not in delta.gone}
        assert before | {vm_id: together.vms[vm_id] for vm_id in delta.changed} == dict(together.vms), (
            "the delta names all that is different"
        )
        assert delta.added == len(together.vms.keys() - start.vms.keys())
