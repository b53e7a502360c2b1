"""Making a VM: of a plugin, or like one that there is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from volant.client.cli.text import harmless
from volant.proto.errors import Fault, InvalidParams
from volant.tui.actions import Action
from volant.tui.configtext import own
from volant.tui.doing import begin, ended
from volant.tui.field import Field
from volant.tui.model import Record
from volant.tui.overlays import Asking, Choice, Menu

if TYPE_CHECKING:
    from volant.tui.desk import Desk

_KEYS = "123456789abcdefghilmnoprstuvwxyz"
_COPIED = ("plugin", "cpu_cores", "memory_mb", "network", "env", "labels", "kernel", "cmdline", "boot", "restart", "autostart")
"""What a VM that is made like another has of that one's configuration."""


def ask_new(desk: Desk, here: Record | None) -> None:
    """Choose what a new VM is made of; `here` is the VM under the cursor, which may be the model."""
    if desk.refuses("make a VM"):
        return

    def heard(result: Any) -> None:
        if isinstance(result, Fault):
            desk.say_fault(result)
            return
        newest = {str(plugin["name"]): plugin for plugin in result["items"]}
        choices = []
        if here is not None:
            choices.append(Choice("k", f"like {harmless(str(here['name']))}: its plugin and its configuration", partial(_like, desk, here)))
        choices += [
            Choice(key, f"{harmless(name):<20} {harmless(str(plugin['version']))}", partial(ask_name, desk, {"plugin": name}))
            for key, (name, plugin) in zip(_KEYS.replace("k", ""), newest.items(), strict=False)
        ]
        if choices:
            desk.overlay = Menu("Make a VM of", choices)
        else:
            desk.say("no plugin is enabled that a VM could be made of; the screen `plugins` installs and enables them")

    desk.pending.call("plugin.list", {"enabled": True}, heard)


def _like(desk: Desk, model: Record) -> None:
    def heard(result: Any) -> None:
        if isinstance(result, Fault):
            desk.say_fault(result)
            return
        config = result["shown"]["config"]
        params = {field: config[field] for field in _COPIED if field in config} | {"version": config["plugin_version"]}
        params["labels"] = own(config.get("labels", {}))
        # The host's ports are taken by the model: the daemon chooses others.
        params["forwards"] = [{**forward, "host_port": 0} for forward in config.get("forwards", ())]
        ask_name(desk, params)

    desk.pending.call("vm.config", {"name": model["name"]}, heard)


def ask_name(desk: Desk, params: Mapping[str, Any]) -> None:
    """Ask for the name of a new VM, and make it with these parameters of `vm.create`."""
    taken = {str(vm["name"]) for vm in desk.snapshot.vms.values()}
    plugin = str(params["plugin"])
    free = next(name for number in range(1, len(taken) + 2) if (name := f"{plugin}-{number}") not in taken)

    def accepted(name: str) -> None:
        if not name:
            raise InvalidParams("a VM has a name", hint="a-z, 0-9 and -")
        if name in taken:
            raise InvalidParams(f"there is a VM called {name} already", hint="give another name")
        if desk.refuses("make a VM"):
            return
        create = Action("vm.create", "n", "make a VM", "vm.create", ("vm", "create"), "is starting", way_back="{actions} S stops it")
        operation = begin(desk, create, (name,), _command(plugin, name))
        desk.pending.call("vm.create", {"name": name, **params}, partial(ended, desk, operation, name))

    text = (f"It is made of {harmless(plugin)} and started.",)
    typed = Field.of(free)
    desk.overlay = Asking("Make a VM called", text, "make it", lambda name: harmless(_command(plugin, name)), accepted, typed)


def _command(plugin: str, name: str) -> str:
    return shlex.join(("volant", "vm", "create", name or "NAME", "--plugin", plugin))
