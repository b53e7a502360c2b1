"""Changing a VM's config: as a text in one's editor, and back to an earlier version. What will be different is shown before it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault
from volant.tui import configtext
from volant.tui.actions import Action
from volant.tui.differing import difference
from volant.tui.doing import perform
from volant.tui.lines import text_of
from volant.tui.model import Record
from volant.tui.overlays import Choice, Menu

if TYPE_CHECKING:
    from volant.tui.desk import Desk

SHOWN_DIFFERENCES = 10
"""Lines of what would change that a question shows."""
_FLAGS = {"cpu_cores": "cpus", "memory_mb": "memory"}
"""Fields whose flags are called otherwise."""
_KEYS = "123456789abcefghilmnoprstuvwxyz"


def ask_edit(desk: Desk, record: Record) -> None:
    """Get the config of a VM, and open it in the editor."""
    if desk.refuses("edit"):
        return

    def heard(result: Any) -> None:
        if isinstance(result, Fault):
            desk.say_fault(result)
            return
        shown = result["shown"]
        edit = _Edit(desk, record, int(shown["version"]), shown["config"])
        edit.open(configtext.to_text(str(record["name"]), edit.version, edit.before))

    desk.pending.call("vm.config", {"name": record["name"]}, heard)


class _Edit:
    """One change of one config by text, until it is done or given up. What was written is kept over every refusal."""

    def __init__(self, desk: Desk, record: Record, version: int, before: Mapping[str, Any]) -> None:
        self._desk, self._record = desk, record
        self.version, self.before = version, before

    def open(self, text: str) -> None:
        self._desk.pending.edit(text, self._edited)

    def _edited(self, result: Any) -> None:
        if isinstance(result, Fault):
            self._desk.say_fault(result)
            return
        text = str(result)
        try:
            params = configtext.patch(self.before, configtext.from_text(text))
        except Fault as fault:
            self._refused(text, fault)
            return
        if not params:
            self._desk.say("nothing was changed")
            return
        asked = {"name": self._record["name"], "expected_version": self.version, **params}
        self._desk.pending.call("vm.patch", {**asked, "dry_run": True}, partial(self._checked, text, params))

    def _checked(self, text: str, params: dict[str, Any], result: Any) -> None:
        """The daemon has looked at it without changing anything."""
        if isinstance(result, Fault):
            self._refused(text, result)
            return
        effect = _effect("A VM that runs has it from its next start on:", self.before, result["shown"]["config"])
        change = Action("vm.patch", "E", "change", "vm.patch", ("vm", "set"), "has a new configuration", question="Change", effect=effect,
                        params={**params, "expected_version": self.version}, way_back="{vm.rollback} on its pages goes back",
                        words_of=lambda record: (str(record["name"]), *flags(params)))  # fmt: skip
        perform(self._desk, change, [self._record])

    def _refused(self, text: str, fault: Fault) -> None:
        again = Choice("e", "edit it again, with what is wrong at its place", partial(self.open, configtext.marked(text, fault)))
        drop = Choice("d", "drop what was written", lambda: self._desk.say("nothing was changed"))
        self._desk.overlay = Menu(f"It can't be used: {harmless(fault.message)}", [again, drop])


def ask_rollback(desk: Desk, record: Record) -> None:
    """Choose an earlier version of a VM's config to go back to."""
    if desk.refuses("roll back"):
        return

    def heard(result: Any) -> None:
        if isinstance(result, Fault):
            desk.say_fault(result)
            return
        *older, present = result["items"]
        older = [each for each in reversed(older) if each["config"] != present["config"]]
        if not older:
            desk.say(f"{harmless(str(record['name']))} has no earlier version that differs from the present one")
            return
        choices = [
            Choice(key, _told(each, desk.wall()), partial(_ask, desk, record, each, present))
            for key, each in zip(_KEYS, older, strict=False)
        ]
        desk.overlay = Menu(f"Take {harmless(str(record['name']))} back to", choices)

    desk.pending.call("vm.config_history", {"name": record["name"]}, heard)


def _told(version: Record, now: float) -> str:
    age = human.age(str(version["created_at"]), now=now)
    return harmless(f"version {version['version']}: {version['note']} {age} ago by {version['author']}")


def _ask(desk: Desk, record: Record, to: Record, present: Record) -> None:
    number = to["version"]
    effect = _effect("A VM that runs has it from its next start on:", present["config"], to["config"])
    rollback = Action(
        "vm.rollback", "u", "roll back", "vm.config_rollback", ("vm", "rollback"), f"is back at version {number}",
        question="Roll back", effect=effect, params={"version": number, "expected_version": present["version"]},
        words_of=lambda record: (str(record["name"]), str(number)),
    )  # fmt: skip
    perform(desk, rollback, [record])


def flags(params: Mapping[str, Any]) -> list[str]:
    """The flags of `volant vm set` that mean the same as these parameters of `vm.patch`."""
    words: list[str] = []
    for field, value in params.items():
        if field in ("env", "labels"):
            words += [word for name, text in value.items() for word in (f"--{field.removesuffix('s')}", f"{name}={text}")]
        elif field == "unset":
            words += [word for name in value for word in ("--unset", name)]
        elif field == "forwards":
            words += [word for each in value for word in ("--publish", f"{each.get('host_port', 0)}:{each.get('guest_port', '')}")]
        elif field == "autostart":
            words.append("--autostart" if value else "--no-autostart")
        else:
            words += [f"--{_FLAGS.get(field, field)}", str(value)]
    return words


def _effect(first: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    changes = [text_of(line) for line in difference(before, after, 120)]
    if len(changes) > SHOWN_DIFFERENCES:
        changes = [*changes[:SHOWN_DIFFERENCES], f"  and {len(changes) - SHOWN_DIFFERENCES} lines more"]
    return "\n".join((first, *changes))
