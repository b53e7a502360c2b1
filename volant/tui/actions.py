"""What can be done with VMs and others: which call it is, when it makes sense, what it asks before, and the same as a command. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from volant.tui.model import Record

PROTECTED = "protected"
"""A VM with this label set to `true` is deleted, stopped or restarted only by somebody who types its name."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do. What can't be taken back asks first; what can, offers the way back instead."""

    id: str
    key: str
    """In the menu of actions."""
    label: str
    method: str
    words: tuple[str, ...]
    """The command's words before the names."""
    done: str
    """`stopped`, as in "web-1 stopped"; `is starting`, which of several is `are starting`."""
    params: Mapping[str, Any] = field(default_factory=dict)
    params_of: Callable[[Record], Mapping[str, Any]] = lambda record: {"name": record["name"]}
    """Those that say which record is meant."""
    words_of: Callable[[Record], tuple[str, ...]] = lambda record: (str(record["name"]),)
    """The same in a command."""
    question: str = ""
    """`Stop`, as in "Stop web-1?"; empty: it is done without asking."""
    effect: str = ""
    """What it does, one sentence, for the question."""
    states: frozenset[str] = frozenset()
    """States in which it makes sense; empty: all."""
    when: Callable[[Record], bool] | None = None
    """Whether it makes sense for a record in one of these states; None: always."""
    way_back: str = ""
    """How to undo it; the key of an action is named by the action's id in braces."""
    noun: str = "VM"
    """What it is done with."""
    ends: bool = False
    """A VM has ended after it: where it is a replica, its deployment makes it anew."""

    def fits(self, record: Record) -> bool:
        return (not self.states or record["status"] in self.states) and (self.when is None or self.when(record))

    def command(self, records: Sequence[Record]) -> str:
        """The same for a shell; several commands where one can't name several records."""
        named = [self.words_of(record) for record in records]
        if all(len(words) == 1 for words in named):
            named = [tuple(word for words in named for word in words)]
        return "; ".join(shlex.join(("volant", *self.words, *words)) for words in named)

    def params_for(self, record: Record) -> dict[str, Any]:
        """The call's parameters for one record."""
        return {**self.params_of(record), **self.params}


_LIVE = frozenset({"starting", "running", "ready", "paused", "stopping"})
DOWN = frozenset({"stopped", "crashed", "failed"})
"""States in which nothing of a VM runs, and a start makes sense."""

VM_ACTIONS: tuple[Action, ...] = (
    Action("vm.start", "s", "start", "vm.start", ("vm", "start"), "is starting", states=DOWN, way_back="{actions} S stops it"),
    Action("vm.stop", "S", "stop", "vm.stop", ("vm", "stop"), "stopped", params={"wait": True}, question="Stop", states=_LIVE | {"pending"},
           ends=True, effect="The guest is asked to power off, and killed when it has not after 10 s. Its disks stay."),
    Action("vm.restart", "R", "restart", "vm.restart", ("vm", "restart"), "is restarting", question="Restart", states=_LIVE | DOWN,
           effect="The guest is asked to power off, and boots anew, with its newest configuration."),
    Action("vm.kill", "X", "kill", "vm.stop", ("vm", "stop", "--force"), "killed", params={"force": True, "wait": True}, question="Kill",
           states=_LIVE, ends=True, effect="The guest is not asked: what it has not written to its disks is lost."),
    Action("vm.delete", "d", "delete", "vm.delete", ("vm", "delete", "--yes"), "deleted", question="Delete",
           states=DOWN, ends=True, effect="Its disks and everything else it had are gone for good."),
    Action("vm.destroy", "D", "kill and delete", "vm.delete", ("vm", "delete", "--force", "--yes"), "deleted", params={"force": True},
           question="Kill and delete", states=_LIVE | {"pending"},
           ends=True, effect="It is killed; its disks and everything else it had are gone for good."),
)  # fmt: skip
"""In the order of the menu."""


def action(id: str, records: Sequence[Record]) -> Action:
    """The action of this id; deleting what runs is killing it, too."""
    if id == "vm.delete" and any(record["status"] not in DOWN for record in records):
        id = "vm.destroy"
    return by_id(id)


def by_id(id: str) -> Action:
    """The action of VMs that has this id."""
    return next(each for each in VM_ACTIONS if each.id == id)


def is_protected(record: Record) -> bool:
    return str((record.get("labels") or {}).get(PROTECTED, "")).lower() in ("true", "yes", "1")
