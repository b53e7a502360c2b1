"""Looking back: to a moment, from event to event, and to now again. The tape is made of the daemon's events, or comes from a recording.

While somebody looks back, `desk.snapshot` is of that moment, and what the daemon tells goes on in `desk.live`. No I/O. What it takes is
imported when somebody does, so that the UI starts no later for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.model import Delta, Record
from volant.tui.overlays import Asking

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.past.journey import Journey, Move
    from volant.tui.past.tape import Tape
    from volant.tui.screens.base import Screen

PAGE = 1_000
"""Events asked for at once: as many as the daemon gives in one answer."""
KEPT_PAST = 20_000
"""Events looked back on: some 20 MB, and twenty answers of the daemon."""


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
    moment = parse(text, now=journey.tape.end if journey is not None and journey.recording else desk.now())
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


def play(desk: Desk) -> None:
    """Let time go on from here, or stop it."""
    _travel(desk, lambda journey: journey.play(desk.clock()))


def change_speed(desk: Desk, by: int) -> None:
    """The next faster speed, or the next slower one."""
    _travel(desk, lambda journey: journey.change_speed(by))


def play_on(desk: Desk) -> None:
    """Show what has happened since the last time, where time goes on."""
    journey = desk.past
    if journey is None or not journey.playing:
        return
    before = journey.index
    journey.advance(desk.clock())
    if journey.index != before:
        _show(desk)
    else:
        desk.screen.refreshed(desk, Delta())  # it may show more than the host's state, such as what was printed
    if not journey.playing:
        desk.say("the recording ends here" if journey.recording else f"nothing later is known; {desk.key_of('past.now')} returns to now")


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
        desk.past.go_to_end()
        _show(desk)
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
    from volant.tui.past.journey import Journey

    journey = Journey(tape, -1, 0.0, recording)
    journey.go(0)
    _set_out(desk, journey)
    keys = {name: desk.key_of(f"past.{name}") for name in ("play", "before", "after", "trouble.after", "at")}
    desk.say(
        f"{keys['play']} plays it, {keys['before']} {keys['after']} step, {keys['trouble.after']} the next failure, {keys['at']} a moment"
    )


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
    "past.play": play,
    "past.faster": lambda desk: change_speed(desk, 1),
    "past.slower": lambda desk: change_speed(desk, -1),
    "past.now": to_now,
}
"""What keys mean everywhere, by the ids of their bindings."""

# ---------------------------------------------------------------------------------------------------------------- loading


def _look_back(desk: Desk, move: Move) -> None:
    """Be in the past from this key on, so that no later one changes anything; get the events there are, newest first."""
    from volant.tui.past.journey import Journey
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
        from volant.tui.past.journey import Journey
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
