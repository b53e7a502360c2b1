"""Looking back: to a moment, from event to event, and to now again. The tape is made of the daemon's events, or comes from a recording.

While somebody looks back, `desk.snapshot` is of that moment, and what the daemon tells goes on in `desk.live`. No I/O. What it takes is
imported when somebody does, so that the UI starts no later for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.model import Delta, Happened, Record
from volant.tui.overlays import Asking

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.past.moments import Moment
    from volant.tui.past.tape import Tape
    from volant.tui.screens.base import Screen

PAGE = 1_000
"""Events asked for at once: as many as the daemon gives in one answer."""
KEPT_PAST = 20_000
"""Events looked back on: some 20 MB, and twenty answers of the daemon."""
TROUBLE = ("CRASHED", "FAILED", "LOST", "DEGRADED")
"""How the kinds of events end that tell of trouble."""


@dataclass(slots=True)
class Journey:
    """Where somebody is on a tape."""

    tape: Tape
    index: int
    time: float
    """The moment in seconds since 1970: that of the beat, or the one that was typed."""
    recording: str = ""
    """The file that the tape comes from; empty: the daemon's events."""

    def go(self, index: int) -> None:
        """To a beat; -1 is before the first one."""
        self.index = max(-1, min(index, len(self.tape) - 1))
        self.time = self.tape.time(self.index)

    def seek(self, moment: Moment) -> None:
        """To a time, or to an event."""
        if moment.seq:
            self.go(self.tape.find_event(moment.seq))
        else:
            self.index, self.time = self.tape.find(moment.time), moment.time

    def event(self, index: int) -> Record | None:
        """The newest event of a beat; None when it brought none."""
        if not 0 <= index < len(self.tape):
            return None
        return next((news.events[-1] for news in reversed(self.tape.beats[index].news) if isinstance(news, Happened) and news.events), None)


def ask(desk: Desk) -> None:
    """Ask for a moment, and go there."""
    from volant.tui.past.moments import HINT, shown

    begins = shown(desk.past.time if desk.past is not None else desk.wall())
    told = (f"A time of the day (UTC), how long ago, or the number of an event; it is {begins}.", HINT)
    desk.overlay = Asking("Go to a moment", told, "go there", lambda text: "", partial(go_to, desk))


def go_to(desk: Desk, text: str) -> None:
    """Go to a moment that was typed. Usage when it is none."""
    from volant.tui.past.moments import parse

    moment = parse(text, now=desk.now())
    if moment is None:
        to_now(desk)
    elif desk.past is None:
        _look_back(desk, lambda journey: journey.seek(moment))
    else:
        desk.past.seek(moment)
        _show(desk)


def step(desk: Desk, by: int) -> None:
    """So many events on, or back when negative; from now, back to the newest one."""
    if desk.past is None:
        _look_back(desk, lambda journey: journey.go(len(journey.tape) - 1)) if by < 0 else desk.say("this is now")
        return
    index = desk.past.index + by
    if not -1 <= index < len(desk.past.tape):
        desk.say("nothing earlier is known" if by < 0 else "nothing later is known here")
        return
    go(desk, index)


def go(desk: Desk, index: int) -> None:
    """To a beat of the tape that is looked at."""
    if desk.past is not None:
        desk.past.go(index)
        _show(desk)


def step_to_trouble(desk: Desk, by: int) -> None:
    """To the next event that tells of trouble, or to the one before."""
    if desk.past is None:
        _look_back(desk, lambda journey: journey.go(_trouble(journey, len(journey.tape), -1))) if by < 0 else desk.say("this is now")
        return
    found = _trouble(desk.past, desk.past.index, by)
    if 0 <= found < len(desk.past.tape):
        go(desk, found)
    else:
        desk.say("there was no trouble before" if by < 0 else "there was no trouble after")


def _trouble(journey: Journey, index: int, by: int) -> int:
    """The index of the next trouble in this direction; where there is none, one beyond the end."""
    index += by
    while 0 <= index < len(journey.tape):
        event = journey.event(index)
        if event is not None and str(event["kind"]).endswith(TROUBLE):
            break
        index += by
    return index


def to_now(desk: Desk) -> None:
    """Back to how things are; in a recording to its end."""
    if desk.past is None:
        desk.pending.forget(desk.looking_back)
        desk.say("this is now")
    elif desk.past.recording:
        go(desk, len(desk.past.tape) - 1)
    else:
        desk.past = None
        desk.see(desk.live, _difference(desk, desk.live.vms))
        desk.screen.shown(desk)
        desk.say("this is now")


def keeps_from(desk: Desk, path: Sequence[Screen]) -> bool:
    """Whether somebody looks back, and this path has a screen that knows only how things are; says so."""
    wrong = next((screen for screen in path if not screen.in_past), None) if desk.past is not None else None
    if wrong is not None:
        desk.say(f"{harmless(wrong.title)}: is not known of the past; {desk.key_of('past.now')} returns to now", "warm")
    return wrong is not None


def replay(desk: Desk, tape: Tape, recording: str) -> None:
    """Show a recording, from its beginning on."""
    _set_out(desk, Journey(tape, -1, tape.time(-1), recording), lambda journey: journey.go(0))


def _set_out(desk: Desk, journey: Journey, move: Callable[[Journey], None]) -> None:
    move(journey)
    desk.past = journey
    desk.overlay = None
    if not all(screen.in_past for screen in desk.path):
        desk.go((desk.home,))
    _show(desk)


def _show(desk: Desk) -> None:
    assert desk.past is not None
    snapshot = desk.past.tape.at(desk.past.index)
    desk.see(snapshot, _difference(desk, snapshot.vms))


def _difference(desk: Desk, vms: Any) -> Delta:
    return Delta(gone=frozenset(desk.snapshot.vms.keys() - vms.keys()), whole=True)


ACTIONS: Mapping[str, Callable[[Desk], object]] = {
    "past.at": ask,
    "past.before": lambda desk: step(desk, -1),
    "past.after": lambda desk: step(desk, 1),
    "past.trouble.before": lambda desk: step_to_trouble(desk, -1),
    "past.trouble.after": lambda desk: step_to_trouble(desk, 1),
    "past.now": to_now,
}
"""What keys mean everywhere, by the ids of their bindings."""

# ---------------------------------------------------------------------------------------------------------------- loading


def _look_back(desk: Desk, move: Callable[[Journey], None]) -> None:
    """Get the events there are, newest first, then set out."""
    desk.pending.forget(desk.looking_back)
    desk.say("looking back ...")
    _Loading(desk, move).ask({"last": PAGE})


class _Loading:
    """Events on their way, page by page, from the newest on."""

    def __init__(self, desk: Desk, move: Callable[[Journey], None]) -> None:
        self._desk, self._move = desk, move
        self._events: list[Record] = []

    def ask(self, params: dict[str, Any]) -> None:
        self._desk.looking_back = self._desk.pending.call("event.list", params, self._heard)

    def _heard(self, result: Any) -> None:
        desk, known = self._desk, self._events
        first = known[0]["seq"] if known else None
        items = [] if isinstance(result, Fault) else [event for event in result["items"] if first is None or event["seq"] < first]
        self._events = [*items, *known]
        if items and items[0]["seq"] > max(1, result["oldest"]) and len(self._events) < KEPT_PAST:
            self.ask({"after": max(result["oldest"], items[0]["seq"] - PAGE) - 1, "limit": PAGE})
            return
        desk.looking_back = 0
        if not self._events:  # without a daemon, what was heard of it lately is still known
            self._events = list(desk.live.events)
        if not self._events:
            desk.say_fault(result) if isinstance(result, Fault) else desk.say("nothing has happened yet")
            return
        from volant.tui.past.rebuilding import rebuilt

        tape = rebuilt(self._events, desk.live.vms)
        desk.said = None
        _set_out(desk, Journey(tape, -1, tape.time(-1)), self._move)
