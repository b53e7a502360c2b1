"""A place on a tape, and how it changes: step by step, by leaps, or by itself at some speed. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from volant.tui.model import Happened, Record
from volant.tui.past.moments import Moment
from volant.tui.past.tape import Tape

TROUBLE = ("CRASHED", "FAILED", "LOST", "DEGRADED")
"""How the kinds of events end that tell of trouble."""
SPEEDS = (1, 2, 5, 10, 60)
"""How many seconds of the past go by in one."""
SHORTEST_TICK_S = 0.1
"""Between two looks at where time has come to: what happens in between is shown together, however fast it goes by."""


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
    playing: bool = False
    """Time goes on by itself."""
    speed: int = SPEEDS[0]
    _looked_at: float = 0.0
    """When time was last moved on, on the clock of whoever looks."""

    def go(self, index: int) -> None:
        """To a beat; -1 is before the first one."""
        self.index = max(-1, min(index, len(self.tape) - 1))
        self.time = self.tape.time(self.index)

    def go_to_end(self) -> None:
        """To the last moment of which anything is known."""
        self.go(len(self.tape) - 1)
        self.time = self.tape.end

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

    def play(self, now: float) -> str:
        """Let time go on from here, or stop it; `now` is on the looker's clock, in seconds. Why not, where nothing comes any more."""
        if not self.playing and self.time >= self.tape.end:
            return "nothing later is known here"
        self.playing, self._looked_at = not self.playing, now
        return ""

    def change_speed(self, by: int) -> str:
        """The next speed in this direction; why not, where there is none."""
        at = SPEEDS.index(self.speed) + by
        if not 0 <= at < len(SPEEDS):
            return "this is as slow as it goes" if by < 0 else "this is as fast as it goes"
        self.speed = SPEEDS[at]
        return ""

    def advance(self, now: float) -> None:
        """To where time has come to; at the end of the tape it stops."""
        self.time += (now - self._looked_at) * self.speed
        self._looked_at = now
        self.index = max(self.index, self.tape.find(self.time))
        if self.time >= self.tape.end:
            self.go_to_end()
            self.playing = False

    def next_change_s(self) -> float | None:
        """In how many seconds there is more to see by itself; None for never."""
        if not self.playing:
            return None
        then = self.tape.time(self.index + 1) if self.index + 1 < len(self.tape) else self.tape.end
        soon = min(1.0, then - self.time)  # the seconds of the clock are seen, too
        return max(SHORTEST_TICK_S, soon / self.speed)

    def event(self, index: int) -> Record | None:
        """The newest event of a beat; None when it brought none."""
        if not 0 <= index < len(self.tape):
            return None
        return next((news.events[-1] for news in reversed(self.tape.beats[index].news) if isinstance(news, Happened) and news.events), None)


Move = Callable[[Journey], str]
"""Goes to another place on a tape; returns why it can't, or nothing."""
