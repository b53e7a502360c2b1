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

Move = Callable[["Journey"], str]
"""Goes to another place on a tape; returns why it can't, or nothing."""

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
    waiting: list[Move] | None = None
    """What was asked for while the events are on their way; None: they are here."""

    def go(self, index: int) -> None:
        """To a beat; -1 is before the first one."""
        self.index = max(-1, min(index, len(self.tape) - 1))
        self.time = self.tape.time(self.index)

    def seek(self, moment: Moment) -> str:
        """To a time, or to an event; there is always one."""
        if moment.seq:
            self.go(self.tape.find_event(moment.seq))
        else:
            self.index, self.time = self.tape.find(moment.time), moment.time
        return ""

    def step(self, by: int) -> str:
        """So many beats on; why not, where there are none."""
        index = self.index + by
        if not -1 <= index < len(self.tape):
            return "nothing earlier is known" if by < 0 else "nothing later is known here"
        self.go(index)
        return ""

    def step_to_trouble(self, by: int) -> str:
        """To the next event in this direction that tells of trouble; why not, where there is none."""
        index = self.index + by
        while 0 <= index < len(self.tape):
            event = self.event(index)
            if event is not None and str(event["kind"]).endswith(TROUBLE):
                self.go(index)
                return ""
            index += by
        return "there was no trouble before" if by < 0 else "there was no trouble after"

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
    """Go to a moment that was typed; in a recording its end is now. Usage when it is none."""
    from volant.tui.past.moments import parse

    journey = desk.past
    moment = parse(text, now=journey.tape.time(len(journey.tape)) if journey is not None and journey.recording else desk.now())
    if moment is None:
        to_now(desk)
    else:
        _travel(desk, lambda journey: journey.seek(moment))


def step(desk: Desk, by: int) -> None:
    """So many beats on, or back when negative; from now, back to the newest one."""
    _travel(desk, lambda journey: journey.step(by))


def step_to_trouble(desk: Desk, by: int) -> None:
    """To the next event that tells of trouble, or to the one before."""
    _travel(desk, lambda journey: journey.step_to_trouble(by))


def go(desk: Desk, index: int) -> None:
    """To a beat of the tape that is looked at."""
    if desk.past is not None:
        desk.past.go(index)
        _show(desk)


def _travel(desk: Desk, move: Move) -> None:
    """Move along the tape. While the events are on their way, moves wait for them, in their order."""
    journey = desk.past
    if journey is None:
        _look_back(desk, move)
    elif journey.waiting is not None:
        journey.waiting.append(move)
    elif complaint := move(journey):
        desk.say(complaint)
    else:
        _show(desk)


def to_now(desk: Desk) -> None:
    """Back to how things are; in a recording to its end."""
    if desk.past is None:
        desk.say("this is now")
    elif desk.past.recording:
        go(desk, len(desk.past.tape) - 1)
    else:
        desk.pending.forget(desk.looking_back)
        _return(desk, "this is now")


def _return(desk: Desk, why: str) -> None:
    desk.past = None
    desk.see(desk.live, _difference(desk, desk.live.vms))
    desk.screen.shown(desk)
    desk.say(why)


def keeps_from(desk: Desk, path: Sequence[Screen]) -> bool:
    """Whether somebody looks back, and this path has a screen that knows only how things are; says so."""
    wrong = next((screen for screen in path if not screen.in_past), None) if desk.past is not None else None
    if wrong is not None:
        desk.say(f"{harmless(wrong.title)}: is not known of the past; {desk.key_of('past.now')} returns to now", "warm")
    return wrong is not None


def replay(desk: Desk, tape: Tape, recording: str) -> None:
    """Show a recording, from its beginning on."""
    journey = Journey(tape, -1, 0.0, recording)
    journey.go(0)
    _set_out(desk, journey)


def _set_out(desk: Desk, journey: Journey) -> None:
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


def _look_back(desk: Desk, move: Move) -> None:
    """Be in the past from this key on, so that no later one changes anything; get the events there are, newest first."""
    from volant.tui.past.tape import Tape

    _set_out(desk, Journey(Tape(desk.live, ()), -1, desk.wall(), waiting=[move]))
    _Loading(desk).ask({"last": PAGE})


class _Loading:
    """Events on their way, page by page, from the newest on."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._events: list[Record] = []

    def ask(self, params: dict[str, Any]) -> None:
        self._desk.looking_back = self._desk.pending.call("event.list", params, self._heard)

    def _heard(self, result: Any) -> None:
        known = self._events
        first = known[0]["seq"] if known else None
        items = [] if isinstance(result, Fault) else [event for event in result["items"] if first is None or event["seq"] < first]
        self._events = [*items, *known]
        if items and items[0]["seq"] > max(1, result["oldest"]) and len(self._events) < KEPT_PAST:
            self.ask({"after": max(result["oldest"], items[0]["seq"] - PAGE) - 1, "limit": PAGE})
        else:
            self._arrive(result)

    def _arrive(self, result: Any) -> None:
        """All events are here that are to be had: make the moves that waited for them."""
        from volant.tui.past.rebuilding import rebuilt

        desk = self._desk
        waiting = desk.past.waiting if desk.past is not None else None
        # Without a daemon, what was heard of it lately is still known.
        events = self._events or list(desk.live.events)
        if not events:
            _return(desk, harmless(result.message) if isinstance(result, Fault) else "nothing has happened yet")
            return
        tape = rebuilt(events, desk.live.vms)
        desk.past = journey = Journey(tape, len(tape), tape.time(len(tape)))
        for move in waiting or ():
            if complaint := move(journey):
                desk.say(complaint)
        if journey.index >= len(tape):
            journey.go(len(tape) - 1)
        _show(desk)
