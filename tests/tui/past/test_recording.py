"""Recordings: what was heard is replayed as it was; whatever else is in a file refuses it in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.desks import event, vm
from volant.proto.errors import Fault, InvalidParams, NoSuchFile, Usage
from volant.tui.model import Changed, Connected, Connecting, EventsLost, Happened, Heard, Lost, Phase, Snapshot, reduce
from volant.tui.past import recorder
from volant.tui.past.recording import head_line, news_line, read
from volant.tui.past.tape import Tape

BEGAN = 1_769_860_800.0


def recorded(*news: Heard) -> bytes:
    """A recording of news that came a second apart."""
    return head_line("/run/v.sock", BEGAN) + b"".join(news_line(float(after), each) for after, each in enumerate(news, 1))


STORY: tuple[Heard, ...] = (
    Connecting(0.0),
    Connected(0.0, "0.1.0"),
    Changed((vm(1),), (), 5, complete=False),
    Changed((vm(2),), (), 5, complete=True),
    Changed((), (), 6, True, ({"id": vm(1)["id"], "status": "crashed"},)),
    Happened((event(6, "VM_CRASHED", vm(1)),)),
    Lost(0.0, "the daemon closed the connection", "start it", 0.0),
    Connecting(0.0),
    Connected(0.0, "0.2.0"),
    EventsLost(9),
    Changed((vm(3),), (), 9, complete=True),
    Changed((), (vm(3)["id"],), 10, complete=True),
)


def test_what_was_heard_is_replayed() -> None:
    head, tape = read(recorded(*STORY))
    assert (head.place, head.began) == ("/run/v.sock", BEGAN)
    states = [{each["name"]: each["status"] for each in tape.at(index).vms.values()} for index in range(len(tape))]
    assert states == [
        {"web-1": "ready", "web-2": "ready"},
        {"web-1": "crashed", "web-2": "ready"},
        {"web-1": "crashed", "web-2": "ready"},
        {"web-1": "crashed", "web-2": "ready"},
        {"web-1": "crashed", "web-2": "ready"},
        {"web-3": "ready"},
        {},
    ]
    assert [tape.at(index).link.phase for index in range(len(tape))] == [Phase.PAST] * len(tape)
    assert [round(beat.time - BEGAN) for beat in tape.beats] == [4, 5, 6, 7, 10, 11, 12]
    assert (tape.find(BEGAN), tape.find(BEGAN + 5.5), tape.find_event(6), tape.find_event(5)) == (-1, 1, 2, -1)


def test_a_last_line_that_was_cut_off_is_passed_over() -> None:
    whole = recorded(*STORY)
    _, tape = read(whole[:-20])
    assert [each["name"] for each in tape.at(len(tape)).vms.values()] == ["web-3"]


def told(*fields: Any) -> bytes:
    return head_line("x", BEGAN) + json.dumps(fields).encode() + b"\n"


REFUSED = [
    b"",
    b"\n",
    b"PK\x03\x04 something else altogether\n",
    b'{"volant_recording": 2}\n',
    b'{"volant_recording": 3, "place": "/run/v.sock", "began": "2026-01-31T12:00:00Z"}\n',
    b'{"volant_recording": 1, "place": 3, "began": "x"}\n',
    b"[" * 100_000 + b"\n",
    told(-1, "connecting", {}),
    told(1e9, "connecting", {}),
    told(True, "levitating", {}),
    told(0, "vms", {"items": [vm(1)]}),
    told(0, "vms", {"items": "all", "seq": 1}),
    told(0, "vms", {"items": [vm(1, memory_mb="much")], "seq": 1}),
    told(0, "vms", {"items": [vm(1, memory_mb=10**30)], "seq": 1}),
    told(0, "vms", {"items": [vm(1, status="levitating")], "seq": 1}),
    told(0, "vms", {"items": [vm(1, error={"data": "x"})], "seq": 1}),
    told(0, "vms", {"items": [3], "seq": 1}),
    told(0, "vms", {"altered": [{"id": vm(1)["id"]}], "seq": 1}),
    told(0, "vms", {"altered": [3], "seq": 1}),
    told(0, "vms", {"items": [vm(1)], "gone": [vm(1)["id"]], "seq": 1}),
    told(0, "events", {"items": [{"seq": 1}]}),
    told(0, "missed", {"oldest": True}),
    told(0, "missed"),
    told(float("nan"), "connecting", {}),
    told(0, "vms", {"items": [vm(1, "half a \ud800 character")], "seq": 1}),
]


@pytest.mark.parametrize("data", REFUSED, ids=range(len(REFUSED)))
def test_a_file_that_is_no_recording_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(InvalidParams) as caught:
        read(data)
    assert "recording" in caught.value.message and "\n" not in caught.value.message and len(caught.value.message) < 500


def everything(tape: Tape) -> list[Snapshot]:
    return [tape.at(index) for index in range(-1, len(tape))]


RECORDS = st.builds(lambda number, status: vm(number, status=status), st.integers(1, 3), st.sampled_from(["ready", "stopped"]))
IDS = st.integers(1, 4).map(lambda number: vm(number)["id"])
NEWS: st.SearchStrategy[Heard] = st.one_of(
    st.just(Connecting(0.0)),
    st.just(Connected(0.0, "1")),
    st.just(Lost(0.0, "", "", 0.0)),
    st.builds(EventsLost, st.integers(0, 20)),
    st.builds(
        Changed,
        st.lists(RECORDS, max_size=2).map(tuple),
        st.lists(IDS, max_size=2).map(tuple),
        st.integers(0, 20),
        st.booleans(),
        st.lists(IDS.map(lambda vm_id: {"id": vm_id, "status": "crashed"}), max_size=1).map(tuple),
    ),
    st.builds(Happened, st.lists(st.integers(1, 20).map(lambda seq: event(seq, "VM_READY", vm(1))), max_size=2).map(tuple)),
)


@given(st.lists(NEWS, max_size=12))
def test_news_in_any_order_are_replayed_or_refused(news: list[Heard]) -> None:
    """What a file may hold is more than a daemon would ever say; none of it goes wrong later."""
    try:
        _, tape = read(recorded(*news))
    except Fault:
        return
    snapshot = Snapshot()
    for each in news:
        snapshot, _ = reduce(snapshot, each)
    assert everything(tape)[-1].vms == snapshot.vms


@given(st.binary(max_size=200), st.integers(0, 2_000))
def test_a_recording_with_anything_in_it_is_read_or_refused(junk: bytes, at: int) -> None:
    whole = recorded(*STORY)
    try:
        _, tape = read(whole[:at] + junk + whole[at + len(junk) :])
    except Fault:
        return
    everything(tape)


def test_the_file_is_ours_alone_and_never_one_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "host.rec"
    said: list[str] = []
    made = recorder.Recorder(str(path), place="/run/v.sock", tell=said.append)
    for news in STORY:
        made.heard(news)
    made.close()
    made.heard(Connecting(0.0))
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(recorder.load(str(path))[1]) == 7
    with pytest.raises(Usage, match="exists already"):
        recorder.Recorder(str(path), place="", tell=said.append)
    with pytest.raises(Usage, match="can't be made"):
        recorder.Recorder(str(tmp_path / "no" / "x"), place="", tell=said.append)
    assert said == []


def test_a_recording_that_is_full_or_has_no_room_ends_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(recorder, "MAX_BYTES", 500)
    made = recorder.Recorder(str(tmp_path / "full"), place="", tell=said.append)
    for _ in range(30):
        made.heard(Connecting(0.0))
    assert len(said) == 1 and "is full" in said[0]
    read((tmp_path / "full").read_bytes())


def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile):
        recorder.load(str(tmp_path / "none"))
    with pytest.raises(NoSuchFile):
        recorder.load(str(tmp_path))
    (tmp_path / "empty").write_bytes(head_line("", BEGAN))
    with pytest.raises(InvalidParams, match="nothing but"):
        recorder.load(str(tmp_path / "empty"))
