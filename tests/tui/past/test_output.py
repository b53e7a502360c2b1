"""Output in recordings: what VMs printed is replayed up to the moment, once each, within a bound that is told when it is met."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.desks import WALL, Seat, event, vm
from volant.proto.errors import InvalidParams
from volant.tui import travelling
from volant.tui.model import Changed, Connected, Happened
from volant.tui.past import recorder, room
from volant.tui.past.overhearing import Consoles
from volant.tui.past.recording import MAX_BYTES, head_line, news_line, output_line, read
from volant.tui.past.said import CONSOLE, LEFT_OUT, LOGS

WEB, DB = vm(1, "web-1"), vm(2, "db-1")
SHOWN = {"name": "web-1", "from_offset": -262_144}
"""Parameters with which a console is looked at."""


def lines(about: dict[str, Any], *texts: str, first: int = 1, second: int = 0) -> dict[str, Any]:
    """A plain `VmLines`, one line a second."""
    said = [
        {"seq": first + at, "time": f"2026-01-31T12:00:{second + at:02}.500Z", "stream": "stdout", "text": text}
        for at, text in enumerate(texts)
    ]
    return {"id": about["id"], "name": about["name"], "boot": 1, "lines": said, "ended": ""}


@pytest.fixture
def said() -> list[str]:
    """What the recorder says to whoever records."""
    return []


@pytest.fixture
def made(tmp_path: Path, said: list[str]) -> Iterator[recorder.Recorder]:
    found = recorder.Recorder(str(tmp_path / "host.rec"), place="/run/v.sock", tell=said.append)
    found.heard(Connected(0.0, "0.1.0"))
    found.heard(Changed((WEB, DB), (), 7, complete=True))
    yield found
    found.close()


def replayed(tmp_path: Path) -> Seat:
    """The recording's end."""
    seat = Seat(live=False)
    _, tape = recorder.load(str(tmp_path / "host.rec"))
    travelling.replay(seat.desk, tape, "host.rec")
    seat.now += 20  # what the keys are has been told
    return seat


def recording(*written: bytes) -> Seat:
    """A recording of web-1, made line by line."""
    begun = head_line("", WALL) + news_line(0, Connected(0.0, "0.1.0")) + news_line(0, Changed((WEB,), (), 7, complete=True))
    end = news_line(60, Happened((event(8, "VM_STOPPED", WEB),)))
    seat = Seat(live=False)
    travelling.replay(seat.desk, read(begun + b"".join(written) + end)[1], "host.rec")
    return seat


def test_logs_and_consoles_are_replayed(made: recorder.Recorder, tmp_path: Path) -> None:
    made.printed(lines(WEB, "listening", "GET / 200"))
    made.overheard(SHOWN, [{"offset": 0, "writer": ""}, b"booting ...\r\nlogin: \xff"])
    made.close()
    seat = replayed(tmp_path)
    seat.type("@ '2030-01-01' enter G l")
    assert "12:00:01.500 GET / 200" in seat.screen()
    seat.type("escape a")
    assert "login: \ufffd" in seat.screen()
    seat.type("escape g l")
    assert "the recording holds no logs of it" in seat.screen()
    seat.type("escape a")
    assert "consoles from when they were opened" in seat.screen(100)


def test_output_goes_no_further_than_the_moment_and_on_with_it() -> None:
    seat = recording(
        output_line(1, LOGS, lines(WEB, "one", "two", "three", second=1)),
        output_line(2, CONSOLE, {"id": WEB["id"], "text": "first\n"}),
        output_line(5, CONSOLE, {"id": WEB["id"], "text": "second\n", "missed": 9}),
    )
    seat.type("@ '12:00:02.700' enter l")
    assert "two" in seat.screen() and "three" not in seat.screen()
    seat.type("space")
    seat.now += 1
    assert "three" in seat.screen()
    seat.type("space escape a")
    assert "first" in seat.screen() and "second" not in seat.screen()
    seat.type("@ '12:00:05' enter")
    assert "[9 bytes were missed here]" in seat.screen() and "second" in seat.screen()
    assert [each for each in seat.desk.effects if hasattr(each, "method")] == []


def test_the_logs_of_many_vms_are_replayed_in_the_order_of_their_times(made: recorder.Recorder, tmp_path: Path) -> None:
    made.printed(lines(WEB, "one", "three"))
    made.printed({**lines(DB, "two"), "lines": [{**lines(DB, "two")["lines"][0], "time": "2026-01-31T12:00:01.000Z"}]})
    made.close()
    seat = replayed(tmp_path)
    seat.type("@ '2030-01-01' enter : 'logs' enter")
    screen = seat.screen()
    assert screen.index("one") < screen.index("two") < screen.index("three")
    assert "12:00:01.000 db-1 " in screen


def test_the_end_of_a_recording_is_where_its_output_ends() -> None:
    begun = head_line("", WALL) + news_line(0, Connected(0.0, "0.1.0")) + news_line(0, Changed((WEB,), (), 7, complete=True))
    seat = Seat(live=False)
    travelling.replay(seat.desk, read(begun + output_line(90, CONSOLE, {"id": WEB["id"], "text": "the last word\n"}))[1], "host.rec")
    seat.type("a")
    assert "the last word" not in seat.screen()
    seat.type("n")
    assert "the last word" in seat.screen() and "PAST ‖x1 2026-01-31 12:01:30" in seat.screen()
    seat.type("< space ) ) ) )")
    seat.now += 1.4
    assert "the last word" not in seat.screen()
    seat.now += 0.2
    assert "the last word" in seat.screen() and "the recording ends here" in seat.screen()


def test_what_had_no_room_is_told_to_who_records_and_to_who_replays(
    made: recorder.Recorder, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "VM_BYTES", 1_000)
    for number in range(20):
        made.printed(lines(WEB, "x" * 100, "y" * 100, first=2 * number + 1))
    made.printed(lines(DB, "the quiet one"))
    made.heard(Happened((event(8, "VM_STOPPED", WEB),)))
    made.close()
    assert len(said) == 1 and "has no room for all output" in said[0]
    seat = replayed(tmp_path)
    seat.type("@ '2030-01-01' enter G l")
    assert "lines more had no room in the recording" in seat.screen(100)
    seat.type("escape g l")
    assert "the quiet one" in seat.screen()
    assert (seat.desk.past is not None) and seat.desk.past.event(seat.desk.past.index) is not None
    whole = (tmp_path / "host.rec").read_text()
    first, last = (told["count"] for _, kind, told in map(json.loads, whole.splitlines()[1:]) if kind == LEFT_OUT)
    assert first == 2 and last == 40 - 2 * whole.count('"xx')


def test_all_output_together_leaves_room_for_what_happens(made: recorder.Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = room.Room()
    taken = sum(found.takes(LOGS, f"{number:012x}", 100_000, 1) for number in range(200))
    assert taken == room.OUTPUT_BYTES // 100_000 < MAX_BYTES // 100_000
    short = room.Room()
    assert sum(short.takes(CONSOLE, f"{number % 5_000:012x}", 1, 1) for number in range(60_000)) == room.OUTPUT_LINES
    assert short.is_full


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=12))
def test_a_console_that_is_read_again_is_recorded_once(reads: list[tuple[int, int]]) -> None:
    """Each read begins anew somewhere before the end of what was read, and reads on."""
    line = bytes(range(65, 91)) * 4
    consoles, found, end = Consoles(), "", 0
    for start, length in reads:
        start = min(start, end)
        told = list(consoles.take("web", [{"offset": start}, line[start : start + length]]))
        assert not any("missed" in each for each in told)
        found += "".join(each["text"] for each in told)
        end = max(end, start + length)
    assert found.encode() == line[:end]


def test_what_is_read_of_the_past_and_of_strangers_is_not_recorded(made: recorder.Recorder, tmp_path: Path) -> None:
    made.overheard({**SHOWN, "follow": False}, [{"offset": 0}, b"old"])
    made.overheard({"name": "nobody"}, [{"offset": 0}, b"strange"])
    made.close()
    assert CONSOLE not in (tmp_path / "host.rec").read_text()


def test_characters_that_are_cut_in_two_are_whole_in_the_recording() -> None:
    consoles = Consoles()
    data = "Grüße 漢字\n".encode()
    told = [each for byte in range(len(data)) for each in consoles.take("web", [{"offset": byte}, data[byte : byte + 1]])]
    assert "".join(each["text"] for each in told) == data.decode()


def test_a_recording_of_before_there_was_output_still_plays() -> None:
    old = head_line("", WALL).replace(b":2,", b":1,") + news_line(0, Connected(0.0, "0.1.0"))
    old += news_line(1, Changed((WEB,), (), 7, complete=True))
    assert b'"volant_recording":1,' in old
    seat = Seat(live=False)
    travelling.replay(seat.desk, read(old)[1], "old.rec")
    assert "web-1" in seat.screen()
    seat.type("l")
    assert "the recording holds no logs of it" in seat.screen()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (LOGS, {"id": 1}),
        (LOGS, {"id": "x", "name": "y", "boot": 1, "lines": [{"seq": "one"}]}),
        (CONSOLE, {"id": "x"}),
        (CONSOLE, {"id": "x", "text": 5}),
        (CONSOLE, {"id": "x", "text": "", "missed": -1}),
        (LEFT_OUT, {"id": "x", "what": "logs", "count": True}),
    ],
)
def test_output_that_is_none_refuses_the_file(kind: str, told: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams, match="line 4: "):
        recording(output_line(1, kind, told))
