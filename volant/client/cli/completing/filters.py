"""Completing an expression of the filter language: the term at its end, whose words stand in `specs.filter`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from volant.client.cli.completing.offers import MOST, Offer, Offers
from volant.client.cli.completing.sources import Place, deployments, plugins, vms
from volant.proto.specs.filter import VM_FIELDS, Kind
from volant.proto.specs.states import NetworkMode, VmState, Wanted

_TERM = r"""(?:^|[\s()|!])(?P<term>(?:[^\s()|!"'~]|!=)*)$"""
"""The term under the cursor; none within quotes or a pattern, which can hold anything."""
_WORDS: dict[str, type[StrEnum]] = {"status": VmState, "wanted": Wanted, "network": NetworkMode}
"""By key of a VM's record: the words that its values can be."""
_HEALTH = ("unknown", "healthy", "unhealthy")
_LABEL = "label."


def offers_for_filter(place: Place) -> Offers:
    """What may end the expression that is typed so far."""
    found = re.search(_TERM, place.typed)
    if found is None:
        return Offers()
    before, term = place.typed[: found.start("term")], found["term"]
    field, operator, value = _split(term)
    if not operator:
        return Offers(_fields(place, term)).beginning_with(term).behind(before)
    *listed, last = value.split(",")
    start = field + operator + "".join(f"{each}," for each in listed)
    return Offers(_values(place, field.lower(), last)).beginning_with(last).behind(before + start)


def _split(term: str) -> tuple[str, str, str]:
    found = re.match(r"([A-Za-z][\w./-]*?)(:|=|!=)", term)
    return (found[1], found[2], term[found.end() :]) if found else ("", "", "")


def _fields(place: Place, term: str) -> Iterable[Offer]:
    """Fields with an operator that fits them; labels once somebody begins to type one, since only the daemon knows theirs."""
    for name, field in VM_FIELDS.named.items():
        for operator in (":",) if field.kind is Kind.TEXT else (">=", "<="):
            yield Offer(name + operator, field.kind.value, is_whole=False)
    if not term.startswith(_LABEL):
        yield Offer(_LABEL, "a label", is_whole=False)
    else:
        yield from (Offer(f"{_LABEL}{key}:", "a label", is_whole=False) for key in sorted(_labels(place)))


def _values(place: Place, name: str, typed: str) -> Iterable[Offer]:
    if name.startswith(_LABEL):
        return map(Offer, sorted(_labels(place).get(name.removeprefix(_LABEL), ())))
    key = VM_FIELDS.named[name].key if name in VM_FIELDS.named else ""
    if key in _WORDS:
        return [Offer(member.value) for member in _WORDS[key]]
    if key == "name":
        return vms(place, typed)
    if key == "plugin":
        return plugins(place)
    if key == "deployment":
        return deployments(place)
    return map(Offer, _HEALTH) if key == "health" else ()


def _labels(place: Place) -> dict[str, set[str]]:
    """The labels that VMs have, and their values."""
    found: dict[str, set[str]] = {}
    for one in place.items("vm.list", {"limit": MOST}):
        for key, value in one["labels"].items():
            found.setdefault(key, set()).add(value)
    return found
