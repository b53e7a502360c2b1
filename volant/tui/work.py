"""What was asked of the daemon and has not been answered yet, and what somebody wants done. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui.actions import Action, is_protected
from volant.tui.effects import Attach, Call, Edit, Effect, Follow, Manifest, Read, Run, Send, Unfollow
from volant.tui.model import Record
from volant.tui.overlays import MAX_VICTIMS, Question

_NAMED_KEY = re.compile(r"\{([\w.]+)\}")
"""The id of an action in a text, where its key belongs."""
Answered = Callable[[Any], None]
"""Hears a call's plain result, or the Fault that it ended with."""
Came = Callable[[list[Any]], None]
"""Hears items of a stream, or lines of a program."""


@dataclass(slots=True)
class Pending:
    """Calls and streams under way, by tag."""

    effects: list[Effect]
    overhear: Callable[[Mapping[str, Any], list[Any]], None] | None = None
    """Hears what is shown of consoles, too: the parameters of the call, and what came."""
    _tags: Any = field(default_factory=lambda: count(1))
    _answered: dict[int, Answered] = field(default_factory=dict)
    _came: dict[int, Came] = field(default_factory=dict)

    def call(self, method: str, params: Mapping[str, Any], then: Answered) -> int:
        return self._ask(lambda tag: Call(tag, method, params), then)

    def follow(self, method: str, params: Mapping[str, Any], came: Came, ended: Answered) -> int:
        return self._ask(lambda tag: Follow(tag, method, params), ended, came)

    def attach(self, params: Mapping[str, Any], came: Came, ended: Answered) -> int:
        """A call of `vm.console`; `came` hears bytes and plain `ConsolePlace`s."""
        overhear = self.overhear

        def both(items: list[Any]) -> None:
            came(items)
            if overhear is not None:
                overhear(params, items)

        return self._ask(lambda tag: Attach(tag, params), ended, came if overhear is None else both)

    def run(self, words: Sequence[str], came: Came, ended: Answered, *, foreground: bool) -> int:
        return self._ask(lambda tag: Run(tag, tuple(words), foreground), ended, came)

    def send(self, params: Mapping[str, Any], body: bytes | None, then: Answered) -> int:
        """A request to a workload; `then` hears its Answer, or the Fault."""
        return self._ask(lambda tag: Send(tag, params, body), then)

    def read(self, path: str, most: int, then: Answered) -> int:
        """A file of this host; `then` hears its bytes, or the Fault."""
        return self._ask(lambda tag: Read(tag, path, most), then)

    def manifest(self, place: str, then: Answered) -> int:
        """A plugin's manifest from a file or a URL; `then` hears it as a map, or the Fault."""
        return self._ask(lambda tag: Manifest(tag, place), then)

    def edit(self, text: str, then: Answered) -> int:
        """A text in the person's editor; `then` hears what became of it, or the Fault."""
        return self._ask(lambda tag: Edit(tag, text), then)

    def _ask(self, effect: Callable[[int], Effect], then: Answered, came: Came | None = None) -> int:
        """Ask for an effect under a new tag, which is returned, and remember who hears of it."""
        tag: int = next(self._tags)
        self._answered[tag] = then
        if came is not None:
            self._came[tag] = came
        self.effects.append(effect(tag))
        return tag

    def forget(self, tag: int) -> None:
        """Close it; nothing of it is heard any more."""
        if self._answered.pop(tag, None) is not None:
            self._came.pop(tag, None)
            self.effects.append(Unfollow(tag))

    def forget_all(self) -> None:
        """Close everything."""
        for tag in tuple(self._answered):
            self.forget(tag)

    def answered(self, tag: int, result: Any) -> None:
        self._came.pop(tag, None)
        then = self._answered.pop(tag, None)
        if then is not None:
            then(result)

    def came(self, tag: int, items: list[Any]) -> None:
        hear = self._came.get(tag)
        if hear is not None:
            hear(items)


@dataclass(slots=True)
class Operation:
    """One action on one or several records, until all have answered."""

    action: Action
    names: tuple[str, ...]
    left: int
    started: float
    """On the desk's clock, in seconds."""
    command: str = ""
    """The same for a shell."""
    failures: list[str] = field(default_factory=list)
    progress: str = ""
    """How far it is, where that is known."""
    ended: float | None = None

    def answered(self, name: str, result: Any) -> bool:
        """One of them has answered; whether that was the last one."""
        self.left -= 1
        if isinstance(result, Fault):
            self.failures.append(f"{harmless(name)}: {harmless(result.message)}" + (f"; {harmless(result.hint)}" if result.hint else ""))
        return self.left == 0

    def words(self, key_of: Callable[[str], str]) -> str:
        """How it went, in one line; `key_of` gives the key of an action."""
        good = len(self.names) - len(self.failures)
        who = harmless(self.names[0]) if len(self.names) == 1 else f"{good} {self.action.noun}{'' if good == 1 else 's'}"
        way_back = _NAMED_KEY.sub(lambda found: key_of(found[1]), self.action.way_back)
        became = f"are {self.action.done[3:]}" if good > 1 and self.action.done.startswith("is ") else self.action.done
        done = f"{who} {became}" + (f" ({way_back})" if way_back else "") if good else ""
        failed = f"{len(self.failures)} failed: " if len(self.names) > 1 and self.failures else ""
        return "; ".join(part for part in (done, failed + "; ".join(self.failures)) if part)


def question(
    action: Action, records: Sequence[Record], then: Callable[[], None], *, hidden: int, left_out: Sequence[str], command: str
) -> Question:
    """What is asked before an action that can't be taken back: the objects by name, and the effect.

    `hidden` of them are not on the screen, because a filter hides them; those `left_out` were meant as well, but it makes no sense for
    them. One VM: `y`. Several: their number. Protected: its name.
    """
    names = [harmless(str(record["name"])) for record in records]
    protected = [harmless(str(record["name"])) for record in records if is_protected(record)]
    one = names[0] if action.noun == "VM" else f"{action.noun} {names[0]}"
    title = f"{action.question} {one}?" if len(names) == 1 else f"{action.question} {len(names)} {action.noun}s?"
    text = [action.effect]
    if len(names) > 1:
        more = f" and {len(names) - MAX_VICTIMS} more" if len(names) > MAX_VICTIMS else ""
        text.append(", ".join(names[:MAX_VICTIMS]) + more)
    if hidden:
        text.append(f"{hidden} of them {'is' if hidden == 1 else 'are'} marked but hidden by the filter.")
    if action.ends and (made := sorted({harmless(str(record["deployment"])) for record in records if record.get("deployment")})):
        whose = f"Deployment {made[0]} makes" if len(made) == 1 else f"Deployments {', '.join(made[:MAX_VICTIMS])} make"
        text.append(f"{whose} what is its replica anew; scaling makes fewer.")
    if left_out:
        text.append(f"Left out, since it makes no sense for them: {', '.join(map(harmless, left_out[:MAX_VICTIMS]))}")
    if protected:
        text.append(f"Protected: {', '.join(protected)}")
    expects = protected[0] if protected else str(len(names)) if len(names) > 1 else ""
    return Question(title, tuple(text), command, action.label, expects, then)
