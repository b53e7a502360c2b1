"""The whole state of the UI, without a terminal: keys, answers and news go in, lines and effects come out.

One key after the other is carried out to its end, so that a burst of keys means what it would mean typed slowly. Nothing here waits,
and nothing here knows Textual: `app` brings keys and news, draws `frame`, and does what `effects` ask for.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui import copying, doing, effects, entering, frame, overlays, travelling
from volant.tui import views as saved_views
from volant.tui.bar import Bar
from volant.tui.busy import Busy
from volant.tui.effects import Effect
from volant.tui.field import Past
from volant.tui.glyphs import Glyphs
from volant.tui.keys.bindings import CONTEXTS, shown_key
from volant.tui.keys.decoder import Decoder, Key
from volant.tui.keys.router import Router
from volant.tui.lines import Line
from volant.tui.model import Changed, Delta, Heard, Phase, Record, Snapshot, reduce
from volant.tui.obeying import screens_menu
from volant.tui.overlays import Overlay, Reading
from volant.tui.screens.base import Screen
from volant.tui.screens.vms import VmsScreen
from volant.tui.trail import Trail
from volant.tui.work import Operation, Pending

if TYPE_CHECKING:
    from volant.tui.calling.kept import Kept
    from volant.tui.past.journey import Journey

SAID_S = 8.0
"""How long a message stays; the next key takes it away earlier, once it has been there for a moment."""
KEPT_OPERATIONS = 200
"""Operations that are over and can still be looked at: more than anybody does in a sitting."""
TWICE_S = 1.5
"""Within which Ctrl-C has to come twice."""


@dataclass(slots=True)
class Said:
    """A message in the status line."""

    text: str
    style: str
    until: float


class Desk:
    """`clock` is monotonic, `wall` since 1970, both in seconds."""

    def __init__(
        self,
        *,
        place: str,
        context: str = "",
        daemons: Mapping[str, str] | None = None,
        router: Router,
        glyphs: Glyphs,
        clock: Callable[[], float],
        wall: Callable[[], float],
        past: Sequence[str] = (),
        earlier_calls: Callable[[], str] = str,
        views: str = "",
        read_only: bool = False,
    ) -> None:
        self.place, self.context = place, context
        """The daemon's socket, and its name among the contexts."""
        self.daemons = daemons or {context: place}
        """Those that can be looked at: sockets by name."""
        self.bound = ""
        """Why no other one can be; empty: it can."""
        self.router, self.glyphs, self.clock, self.now = router, glyphs, clock, wall
        self.read_only = read_only
        self.live = self.snapshot = Snapshot()
        """How things are, as far as is known; and what is shown: the same, unless somebody looks back."""
        self.past: Journey | None = None
        """Where somebody looks back to; None: at how things are."""
        self.looking_back = 0
        """The call for what is looked back on; 0: none is under way."""
        self.overlay: Overlay | None = None
        self.bar: Bar | None = None
        self.said: Said | None = None
        self.operations: list[Operation] = []
        """Those under way."""
        self.past_operations: deque[Operation] = deque(maxlen=KEPT_OPERATIONS)
        self.effects: list[Effect] = []
        """What is to be done; whoever does it takes it out."""
        self.pending = Pending(self.effects)
        self.commands, self.filters = Past(list(past)), Past([])
        self.views = saved_views.read(views)
        """By their digits; `views` is what was kept of them."""
        self.earlier_calls = earlier_calls
        """Gives what is remembered of calls of workloads."""
        self.calls: Kept | None = None
        """The same once somebody wanted it."""
        self.busy = Busy()
        self.home = VmsScreen()
        self._trail: Trail[Screen] = Trail(self.home)
        self._counts: tuple[int, int] | None = None
        self._interrupted = -TWICE_S
        self.home.shown(self)

    def look_at(self, context: str, place: str) -> None:
        """Begin anew with another daemon, of which nothing is known yet."""
        self.screen.hidden(self)
        self.pending.forget_all()
        self.context, self.place = context, place
        self.live = self.snapshot = Snapshot()
        self.past, self.looking_back, self.overlay, self.busy = None, 0, None, Busy()
        self._counts = None
        self.operations.clear()
        self.home = VmsScreen()
        self._trail = Trail(self.home)
        self.home.shown(self)

    # ------------------------------------------------------------------------------------------------------------- news

    def heard(self, news: Heard, *more: Changed) -> None:
        """Something came from the daemon, or happened to the connection; `more` as `reduce` has it."""
        self.live, delta = reduce(self.live, news, *more)
        self.busy.refreshed(self)
        if self.past is not None:
            return
        if delta.whole and delta.words:
            self.say(f"up to date again: {delta.words}")
        self.see(self.live, delta)

    def see(self, snapshot: Snapshot, delta: Delta) -> None:
        """Show this from now on; `delta` is what is different in it."""
        before, self.snapshot = self.snapshot, snapshot
        if snapshot.vms is not before.vms:
            if delta.is_about("status"):
                self._counts = None
            self.home.refreshed(self, delta)
        for screen in self.path[1:]:
            screen.refreshed(self, delta)

    def answered(self, tag: int, result: Any) -> None:
        """A call, a stream or a program is over; `result` is what it gave, or the Fault that it ended with."""
        self.pending.answered(tag, result)

    def streamed(self, tag: int, items: list[Any]) -> None:
        """Items of a stream, or lines of a program."""
        self.pending.came(tag, items)

    # ------------------------------------------------------------------------------------------------------------- keys

    @property
    def contexts(self) -> tuple[str, ...]:
        """Whose keys hold now, the particular first."""
        if self.bar is not None:
            return ("line",)
        if self.overlay is not None:
            return (self.overlay.context,)
        if self.screen.keyboard:
            return self.screen.contexts
        return (*(("past",) if self.past is not None else ()), *self.screen.contexts, "everywhere")

    @property
    def keyboard(self) -> bool:
        """Whether the screen has the keyboard for itself, so that what is typed is to come to `typed` as it is."""
        return self.bar is None and self.overlay is None and self.screen.keyboard

    def typed(self, data: bytes) -> None:
        """Bytes from the terminal that nobody has looked at. Those that the screen leaves are keys as ever."""
        if self.keyboard:
            data = self.screen.typed(self, data)
        decoder = Decoder()
        for token in (*decoder.feed(data), *decoder.flush()):
            if isinstance(token, Key):
                self.key(token.name)

    def key(self, name: str) -> None:
        """One key was pressed, named as `keys.decoder` does."""
        if self.keyboard:
            self.screen.key(self, name)
            return
        if self.said is not None and self.said.until - self.clock() < SAID_S - 1:
            self.said = None
        found = self.router.action(self.contexts, name)
        if self.bar is not None:
            self._type(name, found)
        elif self.overlay is not None:
            self._overlaid(self.overlay, name, found)
        elif found == "view":
            saved_views.show(self, name)
        elif not (found and self.act(found)):
            self.say(f"{shown_key(name)} means nothing here; {self.key_of('help')} shows the keys")

    def paste(self, text: str) -> None:
        """Pasted text goes where something is typed; elsewhere it is not taken for keys, which could do anything."""
        if self.keyboard:
            self.screen.paste(self, text)
        elif self.bar is not None:
            self.bar.insert(text)
        elif self.overlay is None or not self.overlay.paste(text):
            self.say("pasted text is only taken where something is typed: / or : first")

    def act(self, name: str) -> bool:
        """Carry an action out: the screen's own, else one that holds everywhere; whether it means anything here."""
        if self.screen.act(self, name):
            return True
        general = _EVERYWHERE.get(name)
        if general is not None:
            general(self)
        return general is not None

    def _type(self, name: str, found: str) -> None:
        bar = self.bar
        assert bar is not None
        if not found:
            typed = " " if name == "space" else name
            if len(typed) == 1:
                bar.insert(typed)
        elif not bar.act(found) and self.bar is bar:
            self.bar = None

    def _overlaid(self, shown: Overlay, name: str, found: str) -> None:
        ending = shown.key(name, found)
        if ending is None:
            return
        self.overlay = None
        if ending.said:
            self.say(ending.said, ending.style)
        if ending.then is not None:
            ending.then()

    # ---------------------------------------------------------------------------------------------------------- screens

    @property
    def screen(self) -> Screen:
        """What is looked at."""
        return self.path[-1]

    @property
    def path(self) -> tuple[Screen, ...]:
        """The screens from home to here."""
        return self._trail.path

    def open(self, screen: Screen) -> None:
        """Go into a screen, from here."""
        self.go((*self.path, screen))

    def go(self, path: tuple[Screen, ...]) -> None:
        """Show another path of screens, and remember this one."""
        if travelling.keeps_from(self, path):
            return
        left = self.screen
        self._trail.go(path)
        self._moved_from(left)

    def travel(self, by: int) -> None:
        """Back or forward in what was shown."""
        left = self.screen
        if self._trail.travel(by):
            if travelling.keeps_from(self, self.path):
                self._trail.travel(-by)
                return
            self._moved_from(left)
        else:
            self.say("there is nothing after" if by > 0 else "there is nothing before")

    def key_of(self, action: str) -> str:
        """The key of an action as people write it: as this screen has it, else as it is bound elsewhere."""
        binding = self.router.binding((*self.screen.contexts, "past", *CONTEXTS), action)
        return shown_key(binding.keys[0]) if binding is not None and binding.keys else f"`{action}`"

    def _moved_from(self, left: Screen) -> None:
        if left is not self.screen:
            left.hidden(self)
        self.screen.shown(self)

    def back(self) -> None:
        """Undo what Esc undoes here, else go one screen back."""
        if self.screen.filter:
            entering.filter_by(self, "")
        elif not self.screen.leave_step(self):
            self.up()

    def up(self) -> bool:
        """One screen back; whether there was one."""
        if len(self.path) == 1:
            return False
        self.go(self.path[:-1])
        return True

    # ------------------------------------------------------------------------------------------------ filter and command

    def open_command(self, text: str = "") -> None:
        """Type a command."""
        entering.open_command(self, text)

    # ------------------------------------------------------------------------------------------------------------ looks

    def say(self, text: str, style: str = "") -> None:
        """Show a message for a while."""
        self.said = Said(text, style, self.clock() + SAID_S)

    def vm_action(self, name: str, victims: list[Record], here: Record | None) -> bool:
        """An action of context `vms` on these VMs, or (what can be done with one only) on the one under the cursor; whether it is one."""
        return doing.vm_action(self, name, victims, here)

    def refuses(self, what: str) -> bool:
        """Say why nothing may be changed now, if so."""
        if self.past is not None:
            self.say(f"{what}: this is the past, which stays as it was; {self.key_of('past.now')} returns to now", "warm")
        elif self.read_only:
            self.say(f"{what}: read-only; `:rw` allows changes again", "warm")
        elif not self.snapshot.is_live:
            self.say(f"{what}: not connected ({harmless(self.snapshot.link.reason) or 'no answer yet'})", "bad")
        else:
            return False
        return True

    @property
    def unchanging(self) -> bool:
        """Nothing can be changed from here, whatever the connection is like."""
        return self.read_only or self.past is not None

    def wall(self) -> float:
        """The moment that is looked at, in seconds since 1970."""
        return self.past.time if self.past is not None else self.now()

    def say_fault(self, fault: Fault) -> None:
        self.say(harmless(fault.message) + (f"; {harmless(fault.hint)}" if fault.hint else ""), "bad")

    @property
    def counts(self) -> tuple[int, int]:
        """How many VMs are up, and how many have failed; counted when it may be otherwise."""
        if self._counts is None:
            states = Counter(vm["status"] for vm in self.snapshot.vms.values())
            self._counts = (states["running"] + states["ready"], states["failed"] + states["crashed"])
        return self._counts

    def frame(self, width: int, height: int) -> list[Line]:
        """The whole screen: exactly `height` lines of exactly `width` columns."""
        if self.said is not None and self.clock() >= self.said.until:
            self.said = None
        travelling.play_on(self)
        return frame.frame(self, width, height)

    def next_change_s(self) -> float | None:
        """In how many seconds the frame looks different by time alone; None for never: then nothing has to wake up."""
        waits = [self.screen.next_change_s(self), self.busy.next_change_s(self)] if self.past is None else [self.past.next_change_s()]
        if self.snapshot.link.phase not in (Phase.LIVE, Phase.PAST):
            waits.append(1.0)
        if self.said is not None:
            waits.append(max(0.05, self.said.until - self.clock()))
        return min((wait for wait in waits if wait is not None), default=None)

    # ---------------------------------------------------------------------------------------------------- general actions

    def quit(self) -> None:
        """One screen back; at home, leave."""
        if not self.up():
            self.effects.append(effects.Quit())

    def interrupt(self) -> None:
        """Ctrl-C: a second one soon after leaves."""
        if self.clock() - self._interrupted < TWICE_S:
            self.effects.append(effects.Quit())
        else:
            self._interrupted = self.clock()
            self.say("Ctrl-C once more leaves; VMs go on either way")

    def help(self) -> None:
        text = overlays.help_text(self.router, self.contexts, read_only=self.unchanging)
        self.overlay = Reading(f"Keys: {self.screen.title}", text)


_EVERYWHERE: dict[str, Callable[[Desk], object]] = {
    "command": Desk.open_command,
    "filter": entering.open_filter,
    "help": Desk.help,
    "back": Desk.back,
    "quit": Desk.quit,
    "previous": lambda desk: desk.travel(desk._trail.last),
    "history.back": lambda desk: desk.travel(-1),
    "history.forward": lambda desk: desk.travel(1),
    "screens": screens_menu,
    "view.save": saved_views.ask_save,
    "resync": lambda desk: desk.effects.append(effects.Reconnect()),
    "copy": copying.menu,
    "redraw": lambda desk: desk.effects.append(effects.Redraw()),
    "interrupt": Desk.interrupt,
    **travelling.ACTIONS,
}
