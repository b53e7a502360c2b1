"""What can be done with deployments: the menu, scaling, rolling back to an earlier revision, and the actions that only need a yes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault, InvalidParams
from volant.tui.actions import Action
from volant.tui.differing import difference
from volant.tui.doing import menu_of, perform
from volant.tui.lines import text_of
from volant.tui.model import Record
from volant.tui.overlays import Asking, Choice, Menu

if TYPE_CHECKING:
    from volant.tui.desk import Desk

_ALIVE = frozenset({"ready", "progressing", "paused", "degraded"})
_SHOWN_DIFFERENCES = 8
"""Lines of what would change that a question shows."""

PAUSE = Action("deployment.pause", "p", "pause the rollout", "deployment.pause", ("deployment", "pause"), "is paused",
               states=_ALIVE, when=lambda record: not record["paused"], way_back="{deployment.pause} resumes it",
               noun="deployment")  # fmt: skip
RESUME = Action("deployment.resume", "p", "resume the rollout", "deployment.resume", ("deployment", "resume"), "is resumed",
                states=_ALIVE, when=lambda record: bool(record["paused"]), way_back="{deployment.pause} pauses it",
                noun="deployment")  # fmt: skip
DELETE = Action("deployment.delete", "d", "delete", "deployment.delete", ("deployment", "delete", "--yes"), "is being deleted",
                params={"wait": False}, question="Delete", states=_ALIVE, noun="deployment",
                effect="All its VMs are killed, and their disks are gone for good.")  # fmt: skip


def deployment_action(desk: Desk, action: str, victims: Sequence[Record], here: Record | None) -> bool:
    """An action of context `deployments` on these, or on the one under the cursor; whether it is one."""
    if action == "actions":
        _menu(desk, victims, here)
    elif action == "deployment.pause" and victims:
        perform(desk, RESUME if all(record["paused"] for record in victims) else PAUSE, victims)
    elif action == "deployment.delete" and victims:
        perform(desk, DELETE, victims)
    elif action == "deployment.scale" and here is not None:
        _ask_scale(desk, here)
    elif action == "deployment.undo" and here is not None:
        _ask_revisions(desk, here)
    elif action == "deployment.update" and here is not None:
        _type_update(desk, here)
    elif action == "new":
        if not desk.refuses("create"):
            desk.open_command("deployment create NAME --plugin PLUGIN --replicas 2")
    else:
        return action.startswith("deployment.")
    return True


def _menu(desk: Desk, victims: Sequence[Record], here: Record | None) -> None:
    if not victims:
        desk.say("there is no deployment")
        return
    more: list[Choice] = []
    if here is not None and len(victims) == 1:
        more = [
            Choice("s", "scale: another number of VMs", partial(_ask_scale, desk, here)),
            Choice("u", "roll back to an earlier revision", partial(_ask_revisions, desk, here)),
            Choice("U", "roll out another description", partial(_type_update, desk, here)),
        ]
    menu_of(desk, victims, (PAUSE, RESUME, DELETE), "deployment", more)


def _type_update(desk: Desk, record: Record) -> None:
    if not desk.refuses("update"):
        desk.open_command(f"deployment update {record['name']} ")


def _ask_scale(desk: Desk, record: Record) -> None:
    if desk.refuses("scale"):
        return
    name = str(record["name"])

    def accepted(text: str) -> None:
        if not text.isascii() or not text.isdecimal():
            raise InvalidParams(f"{text!r} is no number of VMs", hint="for example: 3")
        scale = Action("deployment.scale", "s", "scale", "deployment.scale", ("deployment", "scale"), f"is scaled to {text}",
                       params={"replicas": int(text)}, way_back=f"from {record['replicas']}", noun="deployment",
                       words_of=lambda record: (str(record["name"]), text))  # fmt: skip
        perform(desk, scale, [record])

    text = (f"{record['replicas']} are wanted, {record['ready']} are ready. Scaling down takes the highest numbers first; their disks go.",)
    command = ("volant", "deployment", "scale", name)
    desk.overlay = Asking(
        f"Scale {harmless(name)} to how many VMs?", text, "scale", lambda typed: shlex.join((*command, typed or "N")), accepted
    )


def _ask_revisions(desk: Desk, record: Record) -> None:
    """The revisions are asked for, then shown to choose from."""
    if desk.refuses("roll back"):
        return
    name = str(record["name"])

    def heard(result: Any) -> None:
        if isinstance(result, Fault):
            desk.say_fault(result)
            return
        present = next((each for each in result["items"] if each["revision"] == record["revision"]), None)
        older = [each for each in result["items"] if present is not None and each["template"] != present["template"]]
        if present is None or not older:
            desk.say(f"{harmless(name)} has no earlier revision that differs from the present one")
            return
        keys = [*"123456789", *"abcefghilmnoprstuvwxyz"]
        choices = [
            Choice(key, _told(each, desk.wall()), partial(_ask_undo, desk, name, each, present))
            for key, each in zip(keys, older, strict=False)
        ]
        desk.overlay = Menu(f"Roll {harmless(name)} back to", choices)

    desk.pending.call("deployment.history", {"name": name}, heard)


def _told(revision: Record, now: float) -> str:
    template = revision["template"]
    age = human.age(str(revision["created_at"]), now=now)
    words = f"revision {revision['revision']}: {template['plugin']} {template['plugin_version']}"
    return harmless(f"{words}, {revision['note']} {age} ago by {revision['author']}")


def _ask_undo(desk: Desk, name: str, to: Record, present: Record) -> None:
    changes = [text_of(line) for line in difference(present["template"], to["template"], 120)]
    if len(changes) > _SHOWN_DIFFERENCES:
        changes = [*changes[:_SHOWN_DIFFERENCES], f"  and {len(changes) - _SHOWN_DIFFERENCES} lines more"]
    number = str(to["revision"])
    undo = Action(
        "deployment.undo", "u", "roll back", "deployment.undo", ("deployment", "undo", "--to", number), f"goes back to revision {number}",
        params={"to_revision": to["revision"]}, question="Roll back", noun="deployment",
        effect="\n".join((f"Its VMs are replaced step by step; it will be as in revision {number}:", *changes)),
    )  # fmt: skip
    perform(desk, undo, [{"name": name, "id": name, "status": "ready"}])
