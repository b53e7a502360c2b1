"""The past from events: states, times and reasons as they were; what no event tells is unknown and never wrong."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.tui.desks import event, vm
from volant.tui.model import KEPT_EVENTS, Happened, Phase, Snapshot
from volant.tui.past.rebuilding import UNKNOWN, rebuilt
from volant.tui.past.tape import KEPT_EVERY, Beat, Tape


def told(seq: int, kind: str, about: dict[str, Any], message: str = "", **data: Any) -> dict[str, Any]:
    return {**event(seq, kind, about, message), "data": data}


def states(tape: Tape, index: int) -> dict[str, str]:
    return {str(each["name"]): str(each["status"]) for each in tape.at(index).vms.values()}


def test_a_life_from_creation_to_deletion() -> None:
    about = vm(1)
    events = [
        told(1, "VM_CREATED", about, plugin="hello", version="1.0.0"),
        told(2, "VM_STARTING", about, status="starting", generation=2, boot=1),
        told(3, "VM_RUNNING", about, status="running", generation=3, boot=1, ip="192.168.127.9"),
        told(4, "VM_READY", about, status="ready", generation=4, boot=1),
        told(5, "VM_CRASHED", about, "the guest panicked", status="crashed", code="failed.crash", hint="look", console=["one", "two"]),
        told(6, "VM_DELETED", about),
    ]
    tape = rebuilt(events, {})
    assert [states(tape, index).get("web-1") for index in range(-1, 6)] == [
        None, "pending", "starting", "running", "ready", "crashed", None,
    ]  # fmt: skip
    (ready,) = tape.at(3).vms.values()
    assert (ready["plugin"], ready["ip"], ready["health"], ready["ready_at"]) == ("hello", "192.168.127.9", "healthy", events[3]["time"])
    (crashed,) = tape.at(4).vms.values()
    assert (crashed["reason"], crashed["stopped_at"]) == ("the guest panicked", events[4]["time"])
    assert crashed["error"] == {"code": "failed.crash", "message": "the guest panicked", "hint": "look", "data": {"console": "one\ntwo"}}
    assert (tape.at(3).seq, [each["seq"] for each in tape.at(3).events]) == (4, [1, 2, 3, 4])
    assert tape.at(3).link.phase is Phase.PAST


def test_one_that_was_made_without_starting_it_was_stopped_from_the_beginning() -> None:
    assert states(rebuilt([told(1, "VM_CREATED", vm(1), plugin="hello", status="stopped")], {}), 0) == {"web-1": "stopped"}


def test_what_changes_no_state_keeps_the_record_of_now() -> None:
    """Somebody asked to stop it; that has not happened yet."""
    now = vm(1, labels={"env": "prod"}, memory_mb=512)
    tape = rebuilt([told(8, "VM_REQUEST", now, "stop asked by uid:0", status="ready")], {now["id"]: now})
    assert tape.at(-1).vms == {now["id"]: now}
    assert states(tape, 0) == {"web-1": "ready"}


def test_before_the_first_event_a_state_is_what_that_one_tells_of_or_unknown() -> None:
    first, second, third = vm(1), vm(2), vm(3)
    now = {each["id"]: each for each in (first, second)}
    events = [
        told(4, "VM_READY", first, status="ready"),
        told(5, "VM_STOPPED", second, status="stopped"),
        told(6, "VM_AGENT", third, "the agent answers", status="running"),
        told(7, "VM_DELETED", third),
    ]
    tape = rebuilt(events, now)
    assert states(tape, -1) == {"web-1": UNKNOWN, "web-2": UNKNOWN, "web-3": "running"}
    assert states(tape, 3) == {"web-1": "ready", "web-2": "stopped"}
    (known,) = (each for each in tape.at(-1).vms.values() if each["name"] == "web-1")
    assert (known["memory_mb"], known["ready_at"], known["pid"]) == (256, "", 0)


def test_an_event_of_a_host_whose_clock_was_set_back_keeps_its_place() -> None:
    late, early = told(20, "VM_READY", vm(1)), told(3, "VM_STOPPED", vm(1))
    events = [{**late, "seq": 1}, {**early, "seq": 2}, {**early, "seq": 3, "time": "never"}]
    tape = rebuilt(events, {})
    assert len({beat.time for beat in tape.beats}) == 1
    assert tape.find(tape.beats[0].time) == 2


def test_nothing_ever_happened() -> None:
    now = vm(1)
    tape = rebuilt([], {now["id"]: now})
    assert (len(tape), tape.find(1e10), dict(tape.at(5).vms), tape.time(0)) == (0, -1, {now["id"]: now}, 0.0)


def test_a_long_tape_gives_the_same_wherever_one_looks_first() -> None:
    beats = [Beat(float(seq), seq, (Happened((event(seq, "VM_READY", vm(1)),)),)) for seq in range(1, 3 * KEPT_EVERY)]
    tape = Tape(Snapshot(), beats)
    places = [3 * KEPT_EVERY - 2, KEPT_EVERY - 1, KEPT_EVERY, 0, -1, 2 * KEPT_EVERY + 7]
    assert [tape.at(place).seq for place in places] == [place + 1 for place in places]
    assert len(tape.at(places[0]).events) == KEPT_EVENTS


NEXT = {
    "": ["CREATED"],
    "pending": ["STARTING"],
    "starting": ["RUNNING", "FAILED"],
    "running": ["READY", "STOPPING", "CRASHED"],
    "ready": ["STOPPING", "CRASHED", "PAUSED"],
    "paused": ["READY"],
    "stopping": ["STOPPED"],
    "stopped": ["STARTING", "DELETED"],
    "failed": ["STARTING", "DELETED"],
    "crashed": ["STARTING", "DELETED"],
}
STATE = {"CREATED": "pending", "DELETED": ""}


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), max_size=40), st.integers(0, 40))
@example([(1, 0), (1, 0), (1, 0), (1, 0), (1, 2), (1, 0)], 5)  # a VM that is ready again after it was paused
def test_any_history_is_told_as_it_was_however_much_of_it_is_kept(steps: list[tuple[int, int]], forgotten: int) -> None:
    """Lives of some VMs that happen at once. With all events every state is right; with the newest ones alone, none is wrong."""
    alive: dict[str, str] = {}
    truth: list[dict[str, str]] = [{}]
    events = []
    for seq, (number, choice) in enumerate(steps, 1):
        about = vm(number)
        kinds = NEXT[alive.get(about["name"], "")]
        kind = kinds[choice % len(kinds)]
        state = STATE.get(kind, kind.lower())
        alive = {name: each for name, each in alive.items() if name != about["name"]} | ({about["name"]: state} if state else {})
        events.append(told(seq, f"VM_{kind}", about, **({"status": state} if state and kind != "CREATED" else {})))
        truth.append(alive)
    now = {vm(number)["id"]: vm(number, status=alive[f"web-{number}"]) for number in range(1, 5) if f"web-{number}" in alive}
    kept = events[forgotten:]
    tape = rebuilt(kept, now)
    for index, expected in enumerate(truth[len(events) - len(kept) :], -1):
        found = states(tape, index)
        assert found.keys() == expected.keys()
        assert all(state in (expected[name], UNKNOWN) for name, state in found.items())
        assert forgotten or found == expected
