"""Screens of workloads' output."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.tui.desks import Seat, vm
from volant.tui.effects import Follow
from volant.tui.screens.logs import GATHER_S

WEBS = [vm(number, f"web-{number}", deployment="web") for number in (1, 2)]


def line(seq: int, text: str, stream: str = "stdout", *, second: int | None = None) -> dict[str, Any]:
    """A plain `LogLine`."""
    return {"seq": seq, "time": f"2026-01-31T11:59:{(seq if second is None else second) % 60:02}.812Z", "stream": stream, "text": text}


def feed(seat: Seat, name: str, lines: Iterable[dict[str, Any]], *, boot: int = 1, ended: str = "") -> None:
    """Lines of one VM, on the newest stream that is open."""
    vm_id = next((str(each["id"]) for each in seat.desk.snapshot.vms.values() if each["name"] == name), "")
    seat.desk.streamed(seat.follows[-1].tag, [{"id": vm_id, "name": name, "boot": boot, "lines": list(lines), "ended": ended}])


def opened(seat: Seat, keys: str = ", l") -> Seat:
    """The screen is open, and what VMs had already said has come."""
    seat.type(keys)
    seat.follows = seat.effects(Follow)
    return seat


def gathered(seat: Seat) -> Seat:
    """The time for gathering older lines is over."""
    seat.now += GATHER_S
    return seat


def merged(keys: str = "") -> Callable[[], Seat]:
    def scene() -> Seat:
        seat = opened(Seat(*WEBS))
        feed(seat, "web-2", [line(1, "listening on :8000", second=3), line(2, "slow query 812 ms id=77", "stderr", second=9)])
        feed(seat, "web-1", [line(1, "the workload is started", "agent", second=1), line(4, "GET /status 200", second=7)])
        gathered(seat)
        seat.screen()
        seat.type(keys) if keys else None
        return seat

    return scene


def nobody() -> Seat:
    return opened(Seat(vm(1, status="stopped")))


def wrapping() -> Seat:
    seat = merged("W")()
    feed(seat, "web-1", [line(5, "a line that is longer than the terminal is wide " * 3)])
    return seat


SCENES: dict[str, tuple[Callable[[], Seat], int, int]] = {
    "logs-80x24": (merged(), 80, 24),
    "logs-60x15": (merged("/ 'stream:stderr' enter"), 60, 15),
    "logs-held": (merged("p"), 80, 10),
    "logs-wrapped": (wrapping, 80, 12),
    "logs-nobody": (nobody, 80, 10),
}
