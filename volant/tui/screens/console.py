"""A VM's serial console in a pane: history and what comes, scrolled back, searched, copied, and typed into.

    watching -type-> asking -place-> typing -leave-> watching
    typing -VM or daemon gone, taken over-> stranded -leave-> watching
    watching -copy.mode-> copying -yank, leave-> watching

While typing, the screen has the keyboard for itself (`keyboard`): every byte goes to the guest but the key that leaves. Whoever types on
when the guest hears nothing any more is stranded: until that key, what was meant for the guest must not be taken for keys of the UI. The
daemon lets one viewer type at a time, and tells all who that is.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from volant.client.cli.text import harmless
from volant.proto.errors import Fault, NoSuchVm, Usage, WriterTaken
from volant.tui import effects
from volant.tui.bar import Bar, Prompt
from volant.tui.console.attachment import NOTHING, Attachment, Outgoing
from volant.tui.console.view import View
from volant.tui.field import Past
from volant.tui.keys.bindings import shown_key
from volant.tui.lines import Line, restyled
from volant.tui.model import Delta, Record
from volant.tui.overlays import Question
from volant.tui.screens.base import Screen
from volant.tui.vt.keys import adapt_typed, encode_key, encode_paste
from volant.tui.vt.terminal import Terminal

if TYPE_CHECKING:
    from volant.tui.desk import Desk

USUAL_COLUMNS, USUAL_ROWS = 80, 24
"""What programs take a serial line for that nobody told the size of."""
_UP: Final = frozenset({"starting", "running", "ready", "paused", "stopping"})
MAX_COPIED: Final = 1 << 20
"""Characters copied at once; terminals take less."""


class ConsoleScreen(Screen):
    """Known by its VM's id, as `VmScreen` is."""

    def __init__(self, vm_id: str) -> None:
        self._id = vm_id
        self._last: Record | None = None
        self._line = Attachment(Terminal(USUAL_COLUMNS, USUAL_ROWS))
        self._view = View(self._line.terminal)
        self._tag = 0
        """Of the call under way."""
        self._gone = False
        self._boot = 0
        """The VM's start that the last call was made in."""
        self._was_live = False
        self._why = ""
        """Why nothing comes."""
        self._stranded = ""
        """Why the guest hears nothing any more, while somebody may not have noticed."""
        self._pane = (0, 0)
        self._tried: tuple[int, int] | None = None
        """The size that it was to be told last, with this hold of the keyboard."""
        self._telling: tuple[int, int] | None = None
        """The size that the guest is being told. It may know it, and draw for it, before we know that it does."""
        self._searches = Past([])
        self._looking = False

    @classmethod
    def opened(cls, desk: Desk, argument: str) -> ConsoleScreen:
        vm_id = next((vm_id for vm_id, vm in desk.snapshot.vms.items() if vm["name"] == argument), "")
        if not vm_id:
            raise NoSuchVm(argument)
        return cls(vm_id)

    # ------------------------------------------------------------------------------------------------------------- state

    @property
    def keyboard(self) -> bool:
        return self._line.wants_keyboard or bool(self._stranded)

    @property
    def contexts(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("typing",) if self.keyboard else ("copy",) if self._view.copying else ("console", "text", "vms")

    @property
    def hints(self) -> tuple[str, ...]:  # type: ignore[override]
        if self.keyboard:
            return ("typing.leave",)
        if self._view.copying:
            return ("select", "select.lines", "select.block", "select.words", "yank", "copy.leave")
        older = ("search.older",) if self._view.searching else ()
        return ("console.type", "vm.attach", "search", *older, "console.follow", "copy.mode", "console.size")

    @property
    def _name(self) -> str:
        return str(self._last["name"]) if self._last is not None else ""

    @property
    def _is_up(self) -> bool:
        return self._last is not None and not self._gone and self._last["status"] in _UP

    def _down(self, desk: Desk) -> str:
        """That the VM doesn't run, and what helps."""
        status = self._last["status"] if self._last is not None else "gone"
        return f"{harmless(self._name)} is {status}: {desk.key_of('actions')}, then s, starts it"

    @property
    def title(self) -> str:
        return f"console {self._name}"

    def record(self, desk: Desk) -> Record | None:
        return self._last

    def offers(self, desk: Desk, action: str) -> bool:
        return super().offers(desk, action) and (self._is_up or action not in ("console.type", "console.size"))

    def command(self, desk: Desk) -> str:
        return f"volant console {self._name}"

    # -------------------------------------------------------------------------------------------------------------- line

    def shown(self, desk: Desk) -> None:
        self._looking = True
        self._was_live = False
        self.refreshed(desk, Delta())

    def hidden(self, desk: Desk) -> None:
        self._looking = False
        self._stranded = ""
        self._hang_up(desk)

    def refreshed(self, desk: Desk, delta: Delta) -> None:
        """Attach when there is something to attach to: the daemon is back, or the VM was started."""
        live = desk.snapshot.is_live
        record = desk.snapshot.vms.get(self._id)
        self._last = record or self._last
        self._gone = live and record is None
        if self._gone:
            self._why = "it was deleted; this is how it was last seen"
        back, self._was_live = live and not self._was_live, live
        if not self._looking or not live or record is None:
            return
        if (back and not self._tag) or (not self._tag and record["boot"] != self._boot and record["status"] in _UP):
            self._attach(desk)

    def _attach(self, desk: Desk, *, force: bool = False) -> None:
        assert self._last is not None
        wanted = self._line.wants_keyboard
        self._hang_up(desk)
        self._line.wants_keyboard = wanted
        if self._boot != self._last["boot"]:
            self._line.size = None
        self._why, self._boot = "", self._last["boot"]
        params = self._line.params(self._name, force=force)
        self._tag = desk.pending.attach(params, partial(self._came, desk), partial(self._over, desk))

    def _hang_up(self, desk: Desk) -> None:
        if self._tag:
            desk.pending.forget(self._tag)
            self._tag = 0
        self._line.ended()

    def _came(self, desk: Desk, items: list[Any]) -> None:
        held = self._line.holds_keyboard
        self._send(desk, self._line.came(items))
        if self._line.holds_keyboard and not held:
            self._tried = None
            self._view.follow()

    def _send(self, desk: Desk, outgoing: Outgoing) -> None:
        if outgoing != NOTHING:
            desk.effects.append(effects.Type(self._tag, *outgoing))

    def _over(self, desk: Desk, result: Any) -> None:
        """The call ended: the VM did, the daemon, or our hold of the keyboard."""
        self._tag = 0
        wanted, typed = self._line.wants_keyboard, self._line.holds_keyboard or bool(self._line.waiting)
        self._line.ended()
        why = harmless(result.message) if isinstance(result, Fault) else f"{harmless(self._name)} ended"
        if isinstance(result, WriterTaken):
            self._attach(desk)  # look on
            if wanted and not typed:
                self._ask_to_take_over(desk, result)
        elif isinstance(result, Fault):
            self._why = why
        if wanted and typed:
            self._stranded = why

    def _ask_to_take_over(self, desk: Desk, fault: WriterTaken) -> None:
        text = (f"{harmless(fault.message)}. Whoever that is can only look on then.",)
        command = f"volant console {self._name} --force"
        desk.overlay = Question(
            f"Take the keyboard of {harmless(self._name)}?", text, command, "take it", "", partial(self._take, desk, True)
        )

    # ------------------------------------------------------------------------------------------------------------ typing

    def _take(self, desk: Desk, force: bool = False) -> None:
        """Ask for the keyboard; what is typed from now on is the guest's."""
        if desk.refuses("typing"):
            return
        if not self._is_up:
            desk.say(self._why or self._down(desk), "warm")
            return
        self._view.end_copying()
        self._line.wants_keyboard = True
        self._attach(desk, force=force or self._line.returning)

    def _leave(self, desk: Desk) -> None:
        self._send(desk, self._line.leave())

    def typed(self, desk: Desk, data: bytes) -> bytes:
        """Bytes from the terminal; returns what came behind the key that leaves."""
        ends = [(at, at + len(key)) for key in self._leaving(desk) if (at := data.find(key)) >= 0]
        first, end = min(ends, default=(len(data), len(data)))
        self._type(desk, adapt_typed(data[:first], self._line.terminal.modes))
        if ends:
            self._stranded = ""
            self._leave(desk)
        return data[end:]

    def _type(self, desk: Desk, data: bytes) -> None:
        if self._stranded:
            return
        self._view.follow()
        self._send(desk, Outgoing(self._line.typed(data)))

    def _leaving(self, desk: Desk) -> list[bytes]:
        """What the keys that leave send."""
        binding = desk.router.binding(("typing",), "typing.leave")
        keys = binding.keys if binding is not None else ()
        return [key for name in (keys or ("ctrl+]",)) if (key := encode_key(name, self._line.terminal.modes))]

    def key(self, desk: Desk, name: str) -> None:
        """A key that was read before the screen had the keyboard."""
        self.typed(desk, encode_key(name, self._line.terminal.modes))

    def paste(self, desk: Desk, text: str) -> None:
        self._type(desk, encode_paste(text, self._line.terminal.modes))

    # -------------------------------------------------------------------------------------------------------------- size

    def _fit(self, desk: Desk, width: int, height: int) -> None:
        """Give the terminal the size that the guest takes it for, and tell the guest the pane's while we type."""
        self._pane = width, height
        if self._line.holds_keyboard and self._tried != self._pane:
            self._tell_size(desk)
        size = self._telling or self._line.size or (max(width, USUAL_COLUMNS), max(height, USUAL_ROWS))
        self._view.resize(*size)

    def _tell_size(self, desk: Desk, *, asked: bool = False) -> None:
        """One call at a time: a resize storm tells the first size and the last."""
        columns, rows = self._pane
        if self._telling or not columns or not rows:
            return
        self._telling = columns, rows
        params = {"name": self._name, "rows": rows, "cols": columns}
        desk.pending.call("vm.console_resize", params, partial(self._size_told, desk, (columns, rows), asked))

    def _size_told(self, desk: Desk, size: tuple[int, int], asked: bool, result: Any) -> None:
        self._telling = None
        self._tried = size
        columns, rows = size
        if not isinstance(result, Fault):
            self._line.size = size
            if asked:
                desk.say(f"the guest knows: {columns}x{rows}", "good")
        elif asked or self._line.holds_keyboard:
            desk.say(f"the guest can't be told the size; type there: stty rows {rows} cols {columns}", "warm")

    # ------------------------------------------------------------------------------------------------------------- looks

    def body(self, desk: Desk, width: int, height: int) -> list[Line]:
        self._fit(desk, width, height)
        lines = self._view.lines(width, height, cursor=bool(self._tag))
        if not desk.snapshot.is_live:
            lines = [restyled(line, "dim") for line in lines]
        return lines

    def subtitle(self, desk: Desk) -> str:
        where = "follow" if self._view.following else f"{self._view.below} lines below"
        return f"{self._mode}   {where}"

    @property
    def _mode(self) -> str:
        if self._stranded:
            return "NOT TYPING"
        if self.keyboard:
            return "TYPING" if self._line.holds_keyboard else "asking"
        return "COPY" if self._view.copying else "PEEK read-only"

    def status(self, desk: Desk) -> list[str]:
        line = self._line
        words = []
        if self._stranded:
            binding = desk.router.binding(("typing",), "typing.leave")
            key = shown_key(binding.keys[0]) if binding is not None and binding.keys else "Ctrl-]"
            words.append(f"{self._stranded}: what you type goes nowhere until {key}")
        elif not desk.snapshot.is_live:
            words.append("disconnected: it goes on by itself once the daemon is back")
        elif self._why:
            words.append(self._why)
        elif not self._is_up:
            words.append(self._down(desk))
        elif line.holds_keyboard:
            words.append(f"every key goes to {harmless(self._name)}")
        words.append(f"typing: {'you' if line.holds_keyboard else harmless(line.writer) or 'nobody'}")
        words.append(f"{line.terminal.columns}x{line.terminal.rows}")
        words.append(f"{line.terminal.end_line - line.terminal.first_line} lines")
        if line.lost:
            words.append(f"{line.lost:,} bytes lost")
        return words

    # -------------------------------------------------------------------------------------------------------------- keys

    def act(self, desk: Desk, action: str) -> bool:
        if action == "console.type":
            self._take(desk)
        elif action == "console.follow":
            self._view.follow()
        elif action == "console.size":
            if not desk.refuses("telling the size"):
                self._tell_size(desk, asked=True)
        elif action == "typing.leave":
            self._leave(desk)
        elif not (self._search(desk, action) or self._copy(desk, action) or self._view.act(action)):
            victims = [self._last] if self._last is not None and self._id in desk.snapshot.vms else []
            return desk.vm_action(action, victims, victims[0] if victims else None)
        return True

    def _search(self, desk: Desk, action: str) -> bool:
        if action == "search":
            self._searches.begin()
            desk.bar = Bar(Prompt.FILTER, lambda text: None, partial(self._searched, desk), lambda: None, self._searches)
        elif action in ("search.older", "search.newer"):
            if not self._view.searching:
                desk.say("nothing is searched for yet: / first")
            elif not self._view.next_match(up=action == "search.older"):
                desk.say("it is not there", "warm")
        else:
            return False
        return True

    def _searched(self, desk: Desk, typed: str) -> None:
        if not self._view.search(typed) and self._view.searching:
            self._view.end_search()
            raise Usage(f"{typed} is not there", hint="what was dropped from the scrollback is not searched", at=0)

    def _copy(self, desk: Desk, action: str) -> bool:
        if action == "copy.mode":
            self._view.begin_copying()
        elif action == "copy.leave":
            self._view.end_copying()
        elif action == "yank":
            chosen = self._view.selection
            if chosen is None:
                desk.say("nothing is selected: v begins")
                return True
            text = chosen.text(self._line.terminal)[:MAX_COPIED]
            desk.effects.append(effects.Copy(text))
            desk.say(f"{len(text)} characters copied, where the terminal allows it", "good")
            self._view.end_copying()
        else:
            return self._view.copy(action)
        return True

    def leave_step(self, desk: Desk) -> bool:
        if self._view.copying:
            self._view.end_copying()
        elif self._view.searching:
            self._view.end_search()
        else:
            return False
        return True
