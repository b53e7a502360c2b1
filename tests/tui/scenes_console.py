"""The console's screens of tests/tui/frames."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tui.desks import Seat, vm
from volant.tui.effects import Attach

SESSIONS = Path(__file__).parent / "vt/sessions"


def _opened(session: str, length: int, *, writer: str = "") -> Seat:
    """web-1's console, on which a recorded session was printed."""
    seat = Seat(vm(1))
    seat.type("c")
    (call,) = seat.effects(Attach)
    data = gzip.decompress((SESSIONS / f"{session}.gz").read_bytes())[:length]
    seat.desk.streamed(call.tag, [{"offset": 5_000, "writer": writer}, data])
    return seat


def watched() -> Seat:
    return _opened("boot", 20_000, writer="uid:1000 (pid 4711)")


def found() -> Seat:
    seat = _opened("boot", 20_000)
    seat.screen()
    seat.type("/ '~acpi.*enabled' enter n")
    return seat


def typing() -> Seat:
    return _typing("vim", 8_000, 13_000)


def busy() -> Seat:
    """Somebody types into a program that fills the screen with colours."""
    return _typing("htop", 3_600, 8_600)


def _typing(session: str, size: int, offset: int) -> Seat:
    seat = _opened(session, size)
    seat.type("i")
    (call,) = seat.effects(Attach)
    seat.desk.streamed(call.tag, [{"offset": offset, "writer": "uid:0 (pid 1)"}])
    return seat


def copying() -> Seat:
    seat = _opened("ls", 6_000)
    seat.screen()
    seat.type("v k k V k")
    return seat


def stopped() -> Seat:
    seat = _opened("boot", 20_000)
    seat.change(vm(1, status="stopped"))
    return seat


def lost() -> Seat:
    seat = watched()
    seat.lose()
    seat.now += 12
    return seat


SCENES: dict[str, tuple[Callable[[], Any], int, int]] = {
    "console-80x24": (watched, 80, 24),
    "console-found": (found, 80, 24),
    "console-typing-100x28": (typing, 100, 28),
    "console-copying": (copying, 80, 24),
    "console-stopped-60x15": (stopped, 60, 15),
    "console-lost": (lost, 80, 24),
}
