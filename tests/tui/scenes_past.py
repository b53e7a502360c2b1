"""Looking back: the list, a VM and the tape at a moment of the past, and a recording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.tui.desks import WALL, Seat, event, vm
from volant.tui import travelling
from volant.tui.effects import Attach, Follow
from volant.tui.model import Connected, Heard
from volant.tui.past.recording import head_line, news_line, read

WEB, DB = vm(1, "web-1", generation=9), vm(2, "db-1", status="crashed", generation=9, stopped_at="2026-01-31T11:59:09.000Z")


def told(seq: int, kind: str, about: dict[str, Any], message: str = "", **data: Any) -> dict[str, Any]:
    return {**event(seq, kind, about, message), "data": data}


EVENTS = [
    told(1, "VM_CREATED", WEB, plugin="hello", version="1.0.0"),
    told(2, "VM_STARTING", WEB, status="starting", generation=2, boot=1, console=0),
    told(3, "VM_READY", WEB, status="ready", generation=3, boot=1),
    told(4, "VM_CREATED", DB, plugin="hello", version="1.0.0"),
    told(5, "VM_STARTING", DB, status="starting", generation=2, boot=1, console=100),
    told(6, "VM_FAILED", DB, "no disk", status="failed", generation=3, boot=1, code="failed.launch", hint="look at its console"),
    told(7, "VM_STARTING", DB, status="starting", generation=4, boot=2, console=250),
    told(8, "VM_READY", DB, status="ready", generation=5, boot=2),
    told(9, "VM_CRASHED", DB, "the guest panicked", status="crashed", generation=6, boot=2),
]
"""At 11:59:01 to 11:59:09; now is 12:00:00."""


def looking_back(keys: str = "<", *, live: bool = True) -> Seat:
    """A host with web-1 and db-1, whose events have arrived."""
    seat = Seat(WEB, DB)
    if not live:
        seat.lose()
    seat.type(keys)
    answer_events(seat)
    return seat


def answer_events(seat: Seat) -> None:
    """Answer the call for the newest events."""
    assert [method for method, _ in seat.asked()] == ["event.list"]
    seat.answer({"items": EVENTS, "seq": 9, "oldest": 1})


def then(keys: str, first: str = "<") -> Callable[[], Seat]:
    def scene() -> Seat:
        seat = looking_back(first)
        seat.type(keys)
        return seat

    return scene


def recording(*news: Heard) -> bytes:
    return head_line("/run/v.sock", WALL) + b"".join(news_line(float(after), each) for after, each in enumerate(news))


def replayed() -> Seat:
    from volant.tui.model import Changed, Happened

    born = vm(1, "web-1", status="starting")
    news = (
        Connected(0.0, "0.1.0"),
        Changed((born,), (), 2, complete=True),
        Changed((), (), 3, True, ({"id": born["id"], "status": "ready"},)),
        Happened((told(3, "VM_READY", born),)),
    )
    seat = Seat(live=False)
    _, tape = read(recording(*news))
    travelling.replay(seat.desk, tape, "host.rec")
    return seat


def config() -> Seat:
    """Two versions that there were, and one of later."""
    seat = looking_back("@ '11:59:08.700' enter")
    seat.type("g y")
    seat.asked()
    first: dict[str, Any] = {
        "version": 1, "note": "created", "changes": [], "author": "uid:0(root)", "origin": "", "created_at": "2026-01-31T11:59:04.000Z",
        "config": {"cpu_cores": 1, "memory_mb": 256, "restart": "no"},
    }  # fmt: skip
    changed = {
        **first,
        "version": 2,
        "note": "changed",
        "created_at": "2026-01-31T11:59:08.500Z",
        "config": {**first["config"], "memory_mb": 512},
    }
    later = {**changed, "version": 3, "created_at": "2026-01-31T11:59:30.000Z", "config": {**first["config"], "memory_mb": 1024}}
    seat.answer({"name": "db-1", "running_version": 0, "items": [first, changed, later]})
    return seat


def logs() -> Seat:
    seat = looking_back("@ '11:59:08.700' enter")
    seat.type(": 'logs' enter")
    (follow,) = seat.effects(Follow)
    for about, seconds in ((WEB, (3, 6, 9)), (DB, (5, 8))):
        lines = [{"seq": at, "time": f"2026-01-31T11:59:{at:02}.500Z", "stream": "stdout", "text": f"GET /{at} 200"} for at in seconds]
        seat.desk.streamed(follow.tag, [{"id": about["id"], "name": about["name"], "boot": 2, "lines": lines, "ended": ""}])
    seat.desk.answered(follow.tag, {})
    return seat


def console() -> Seat:
    seat = looking_back("@ '11:59:07.200' enter")
    seat.type("g a")
    (attach,) = seat.effects(Attach)
    said = [b"Linux version 6.1.0\r\n", b"kestrel: ready\r\n", b"panic: out of coffee\r\n"]
    ends = [250 + sum(map(len, said[: number + 1])) for number in range(3)]
    times = [[end, round((WALL - 53 + after) * 1_000)] for end, after in zip(ends, (0.1, 1.0, 2.0), strict=True)]
    seat.desk.streamed(attach.tag, [{"offset": 250, "writer": "", "times": times}, b"".join(said)])
    seat.desk.answered(attach.tag, {})
    return seat


def playing() -> Seat:
    seat = replayed()
    seat.type(") ) space")
    seat.screen()
    seat.now += 0.1
    return seat


SCENES: dict[str, tuple[Callable[[], Seat], int, int]] = {
    "past-vms": (then("{ {"), 80, 14),
    "past-vm": (then("{ { k j enter"), 80, 20),
    "past-tape": (then(": 'past' enter"), 80, 18),
    "past-refused": (then("x"), 80, 14),
    "past-ask": (lambda: _asking(), 80, 16),
    "past-20x5": (then(""), 20, 5),
    "past-replay": (replayed, 80, 12),
    "past-playing-120x14": (playing, 120, 14),
    "past-config": (config, 80, 14),
    "past-logs": (logs, 80, 14),
    "past-console": (console, 80, 14),
}


def _asking() -> Seat:
    seat = Seat(WEB, DB)
    seat.type("@ '5m_ago'")
    return seat
