"""What is asked before a typed command deletes something: the same as before its key. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from volant.client.cli import tree
from volant.client.cli.parsing import command_parser
from volant.client.cli.text import harmless
from volant.tui.actions import by_id
from volant.tui.deploying import DELETE
from volant.tui.installing import REMOVE
from volant.tui.work import question

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.overlays import Question


def question_before(desk: Desk, words: tuple[str, ...], then: Callable[[], None]) -> Question | None:
    """The question before a command that deletes VMs, deployments or plugins; None where `--yes` answers it. Usage."""
    chosen = tree.choose(list(words))
    args = command_parser(" ".join(chosen.words), chosen.verb).read(chosen.rest)
    if args.yes:
        return None
    noun = chosen.words[0]
    known = {str(vm[key]): vm for vm in desk.snapshot.vms.values() for key in ("id", "name")} if noun == "vm" else {}
    meant = DELETE if noun == "deployment" else REMOVE if noun == "plugin" else by_id("vm.destroy" if args.force else "vm.delete")
    records = [known.get(name, {"name": name}) for name in args.names]
    return question(meant, records, then, hidden=0, left_out=(), command=harmless(shlex.join(("volant", *words))))
