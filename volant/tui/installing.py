"""What can be done with plugins: installing from a file or a URL, and the actions that need no more than a yes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli import human
from volant.client.cli.text import harmless
from volant.proto.errors import Fault, InvalidParams
from volant.tui.actions import Action
from volant.tui.doing import begin, ended, menu_of, perform
from volant.tui.making import ask_name
from volant.tui.model import Record
from volant.tui.overlays import Asking, Choice

if TYPE_CHECKING:
    from volant.tui.desk import Desk
    from volant.tui.work import Operation


def _version(record: Record) -> dict[str, Any]:
    return {"name": record["plugin"], "version": record["version"]}


def _version_of_vm(record: Record) -> dict[str, Any]:
    return {"plugin": record["plugin"], "version": record["version"]}


def _words(record: Record) -> tuple[str, ...]:
    return (str(record["plugin"]), "--version", str(record["version"]))


INSTALL = Action("plugin.install", "i", "install", "plugin.install", ("plugin", "install"), "is installed", noun="plugin")
ENABLE = Action("plugin.enable", "e", "enable: allow new VMs of it", "plugin.enable", ("plugin", "enable"), "is enabled",
                states=frozenset({"disabled"}), way_back="{plugin.enable} disables it",
                noun="plugin", params_of=_version, words_of=_words)  # fmt: skip
DISABLE = Action("plugin.disable", "e", "disable: no new VMs of it", "plugin.disable", ("plugin", "disable"), "is disabled",
                 states=frozenset({"enabled"}), way_back="{plugin.enable} enables it",
                 noun="plugin", params_of=_version, words_of=_words)  # fmt: skip
REMOVE = Action("plugin.remove", "d", "remove", "plugin.remove", ("plugin", "remove", "--yes"), "is removed",
                question="Remove", noun="plugin", effect="It and what was fetched for it are gone; VMs of it keep it from being removed.",
                params_of=_version, words_of=_words)  # fmt: skip


def plugin_action(desk: Desk, action: str, victims: Sequence[Record]) -> bool:
    """An action of context `plugins`; whether it is one."""
    if action == "actions":
        install = Choice("i", "install another one, from a file or a URL", partial(ask_install, desk))
        menu_of(desk, victims, (ENABLE, DISABLE, REMOVE), "plugin", [install])
    elif action == "plugin.install":
        ask_install(desk)
    elif action == "plugin.enable" and victims:
        perform(desk, ENABLE if all(ENABLE.fits(record) for record in victims) else DISABLE, victims)
    elif action == "plugin.remove" and victims:
        perform(desk, REMOVE, victims)
    elif action == "plugin.run" and victims:
        if not desk.refuses("make a VM"):
            ask_name(desk, _version_of_vm(victims[0]))
    else:
        return action.startswith("plugin.")
    return True


def ask_install(desk: Desk) -> None:
    """Ask where the manifest is, fetch it, and hand it over."""
    if desk.refuses("install"):
        return

    def accepted(text: str) -> None:
        if not text or text == "-":
            raise InvalidParams("nothing to install was named", hint="a path on this host, or a URL")
        operation = begin(desk, INSTALL, (text,), _install_command(text))
        operation.progress = "reading the manifest"
        desk.pending.manifest(text, partial(_install, desk, operation, text))

    text = ("The manifest's file on this host, or an http or https URL of it. The daemon fetches and checks the images that it names.",)
    desk.overlay = Asking("Install which plugin?", text, "install", _install_command, accepted)


def _install_command(place: str) -> str:
    return f"volant plugin install {shlex.quote(place) if place else 'FILE'}"


def _install(desk: Desk, operation: Operation, place: str, manifest: Any) -> None:
    """The manifest was read; the daemon fetches, and tells how far it is."""
    if isinstance(manifest, Fault):
        ended(desk, operation, place, manifest)
        return

    def came(items: list[Any]) -> None:
        done, total = int(items[-1]["done"]), int(items[-1]["total"])
        of = f" of {human.size(total)}" if total else ""
        operation.progress = harmless(f"{items[-1]['step']} {human.size(done)}{of}")

    desk.pending.follow("plugin.install", {"manifest": manifest}, came, partial(ended, desk, operation, place))
