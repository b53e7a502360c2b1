"""The key line never offers what is refused: on every screen, live, read-only, disconnected and in the past."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.tui.desks import Seat
from tests.tui.scenes import SCENES, fleet
from volant.tui import effects
from volant.tui.keys.bindings import BINDINGS, shown_key
from volant.tui.overlays import Menu

COLUMNS, ROWS = 200, 24
LABELS = {(binding.label, shown_key(key).lower() if len(key) > 1 else key): key
          for bindings in BINDINGS.values() for binding in bindings for key in binding.keys if binding.label}  # fmt: skip


def read_only(seat: Seat) -> None:
    seat.desk.read_only = True


def lost(seat: Seat) -> None:
    seat.lose()


STATES: dict[str, Callable[[Seat], object]] = {
    "live": lambda seat: None, "read-only": read_only, "lost": lost, "past": lambda seat: seat.type("<"),
}  # fmt: skip


def arrived(name: str, state: str) -> Seat:
    """A screen in a state, on a terminal that has room for all keys."""
    seat = SCENES[name][0]()
    STATES[state](seat)
    seat.screen(COLUMNS, ROWS)
    return seat


def offered(seat: Seat) -> list[str]:
    """Names of the keys in the key line."""
    line = seat.screen(COLUMNS, ROWS).splitlines()[-2]
    words = [word.partition(">") for word in line.replace("<<>", "<\0>").split("<") if ">" in word]
    return [key for name, _, label in words for (said, shown), key in LABELS.items() if (said, shown) == (label.strip(), name)]


def refused(seat: Seat, key: str) -> str:
    """Why a key is not obeyed; empty: it is."""
    seat.now += 5
    seat.desk.said = None
    seat.desk.effects.clear()
    seat.desk.key(key)
    said, overlay = seat.desk.said, seat.desk.overlay
    if said is not None and (said.style in ("warm", "bad") or "means nothing here" in said.text):
        return said.text
    if isinstance(overlay, Menu) and all(choice.then is None for choice in overlay.choices):
        return "a menu of which nothing can be chosen"
    gone = not seat.desk.live.is_live and any(isinstance(each, effects.Run) for each in seat.desk.effects)
    return "a command that needs the daemon" if gone else ""


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", sorted(SCENES))
def test_what_is_offered_is_obeyed(name: str, state: str) -> None:
    seat = arrived(name, state)
    if seat.desk.bar is not None or seat.desk.overlay is not None or seat.desk.keyboard:
        return
    for key in offered(seat):
        assert not refused(arrived(name, state), key), key


def test_the_usual_keys_are_offered_where_they_can_be_obeyed() -> None:
    seat = fleet()
    assert {"enter", "c", "x", "l", "a", "space", "n"} <= set(offered(seat))
    seat.lose()
    assert "x" not in offered(seat)
    assert {"enter", "c"} <= set(offered(seat))
    seat.connect()
    seat.change(gone=[str(each) for each in seat.desk.snapshot.vms])
    assert set(offered(seat)) == {"n", ":", "?"}


def test_a_key_that_another_context_has_taken_is_not_offered_for_what_it_means_elsewhere() -> None:
    seat = fleet()
    seat.type("<")
    assert "mark" not in seat.screen(140, 24)
