"""Which words a flag or an argument takes, by its metavar: those the code knows, and those that the daemon knows now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from volant.client.cli.completing.offers import MOST, Offer, Offers
from volant.proto.errors import Usage

TYPE_CHECKING = False  # typing itself is slow to import
if TYPE_CHECKING:
    from typing import Any

    from volant.client.cli.completing.offers import Ask

KINDS_FROM = 500
"""Newest events whose kinds are offered: what happens here, and what is worth filtering by."""
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
"""Of which names of VMs consist."""


class Place:
    """Where the cursor stands in one command: what it is about, what is given of it, and what is typed of the word."""

    __slots__ = ("ask", "flag", "given", "noun", "typed", "verb")

    def __init__(self, noun: str, verb: str, given: list[str], flag: str, typed: str, ask: Ask) -> None:
        """`given` are the arguments before the cursor, `flag` the flag whose value is wanted; empty for an argument."""
        self.noun, self.verb, self.given, self.flag, self.typed, self.ask = noun, verb, given, flag, typed, ask

    def items(self, method: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        """The items of a list; none when the daemon is silent."""
        reply = self.ask(method, params)
        return list(reply["items"]) if reply else []


def offers_for(metavar: str, place: Place) -> Offers:
    """What fits a value that the help calls `metavar`; nothing where anything may stand."""
    source = SOURCES.get(metavar)
    return source(place) if source is not None else Offers()


def _names(place: Place) -> Offers:
    """Names of what the flag or the command is about; a new one is anybody's to choose."""
    noun = {"--vm": "vm", "--deployment": "deployment"}.get(place.flag, "" if place.flag else place.noun)
    if noun not in _LISTS or place.verb in ("create", "run"):
        return Offers()
    return Offers(each for each in _LISTS[noun](place, place.typed) if each.word not in place.given)


def vms(place: Place, typed: str) -> Iterable[Offer]:
    """VMs whose names begin with `typed`."""
    narrowed = {"filter": f"name:{typed}*"} if typed and _NAME_LETTERS.issuperset(typed) else {}
    return [Offer(one["name"], f"{one['status']}, {one['plugin']}") for one in place.items("vm.list", {"limit": MOST, **narrowed})]


def plugins(place: Place, typed: str = "") -> Iterable[Offer]:
    """Plugins, each once."""
    found = {one["name"]: Offer(one["name"], f"{one['version']}{'' if one['enabled'] else ', disabled'}") for one in _versions(place)}
    return found.values()


def deployments(place: Place, typed: str = "") -> Iterable[Offer]:
    """Deployments."""
    return [Offer(one["name"], f"{one['status']}, {one['replicas']} VMs") for one in place.items("deployment.list", {"limit": MOST})]


_LISTS: dict[str, Callable[[Place, str], Iterable[Offer]]] = {"vm": vms, "plugin": plugins, "deployment": deployments}


def _versions(place: Place) -> list[dict[str, Any]]:
    return place.items("plugin.list", {})


def _plugin_or_version(place: Place) -> Offers:
    """`hello`, and behind an at sign its versions."""
    if "@" not in place.typed:
        return Offers(plugins(place))
    return Offers(Offer(f"{one['name']}@{one['version']}", "" if one["enabled"] else "disabled") for one in _versions(place))


def _text(place: Place) -> Offers:
    """Of the flags that take any text only `--version` has choices: those of the plugins that are named."""
    if place.flag != "--version":
        return Offers()
    return Offers(Offer(one["version"], one["name"]) for one in _versions(place) if one["name"] in place.given)


def _context(place: Place) -> Offers:
    from volant.client.contexts import load

    try:
        return Offers(Offer(name, path) for name, path in load(os.environ).items())
    except Usage:
        return Offers()


def _path(place: Place) -> Offers:
    return Offers(path_after="")


def _body(place: Place) -> Offers:
    return Offers(path_after="@") if place.typed.startswith("@") else Offers()


def _end_of_copy(place: Place) -> Offers:
    """A path here, or `VM:`, behind which only the guest knows."""
    if ":" in place.typed:
        return Offers()
    return Offers((Offer(f"{one.word}:", one.help, is_whole=False) for one in vms(place, place.typed)), path_after="")


def _field(place: Place) -> Offers:
    if place.flag == "--sort":
        from volant.client.cli.commands.vm import SORTS

        return Offers(Offer(sign + field) for sign in ("", "-") for field in SORTS)
    fields = ("cpus", "memory", "kernel", "cmdline", "boot", "publish", "restart", "autostart")
    return Offers([*map(Offer, fields), Offer("env.", "a variable", is_whole=False), Offer("label.", "a label", is_whole=False)])


def _filter(place: Place) -> Offers:
    from volant.client.cli.completing.filters import offers_for_filter

    return offers_for_filter(place)


def _kind(place: Place) -> Offers:
    return Offers(map(Offer, sorted({one["kind"] for one in place.items("event.list", {"last": KINDS_FROM})})))


def _action(place: Place) -> Offers:
    if not place.given:
        return Offers()
    return Offers(Offer(one["name"], one["description"]) for one in place.items("vm.actions", {"name": place.given[0]}))


def _config_version(place: Place) -> Offers:
    if not place.given:
        return Offers()
    found = place.items("vm.config_history", {"name": place.given[0]})
    return Offers(Offer(str(one["version"]), one["note"]) for one in found)


def _revision(place: Place) -> Offers:
    if not place.given:
        return Offers()
    found = place.items("deployment.history", {"name": place.given[0]})
    return Offers(Offer(str(one["revision"]), one["note"]) for one in found)


def _policy(place: Place) -> Offers:
    return Offers([Offer("no"), Offer("on-failure"), Offer("on-failure:", "with the most tries", is_whole=False), Offer("always")])


def _request(place: Place) -> Offers:
    return Offers(Offer(f"{verb} /", is_whole=False) for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"))


SOURCES: dict[str, Callable[[Place], Offers]] = {
    "NAME": _names,
    "PLUGIN[@VERSION]": _plugin_or_version,
    "TEXT": _text,
    "CONTEXT": _context,
    "PATH": _path,
    "FILE": _path,
    "DATA|@FILE|-": _body,
    "SOURCE": _end_of_copy,
    "TARGET": _end_of_copy,
    "FIELD": _field,
    "EXPR": _filter,
    "KIND": _kind,
    "ACTION": _action,
    "VERSION": _config_version,
    "V1": _config_version,
    "V2": _config_version,
    "REVISION": _revision,
    "POLICY": _policy,
    "'VERB /PATH'": _request,
}
"""By the word that the help has for a value. Values of any other word can be anything; a test lists those."""
