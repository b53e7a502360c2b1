"""The call that tells what became of a VM and why. It belongs to the noun `vm`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from volant.proto import errors
from volant.proto.api.vm import NOUN
from volant.proto.method import Http, Method


class Source(StrEnum):
    """Who says it."""

    REQUEST = "request"
    """Somebody asked for something."""
    CONFIG = "config"
    """The VM's config was changed."""
    STATE = "state"
    """The VM came into another state."""
    STEP = "step"
    """A step of a start took long or failed."""
    AGENT = "agent"
    """The guest's agent."""
    CONSOLE = "console"
    """The serial console."""
    HINT = "hint"
    """What to do about the failure before it."""
    SYSTEM = "system"
    """The daemon or the host, about something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainVm:
    """A VM by its name or id, also one that is deleted, as long as its events are kept."""

    name: str
    boots: int = 3
    """The newest so many boots with what led to them; 0 is all that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened."""

    time: str
    """RFC 3339 in UTC; empty where only the place between the others is known."""
    seq: int
    """Number of the event; 0 for what is no event."""
    source: Source
    kind: str
    """The event's kind; empty for what is no event."""
    text: str
    boot: int
    """Which boot of the VM it belongs to; 0 before the first."""
    caused_by: int | None = None
    """Number of the event that this one followed from, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Oldest first."""

    name: str
    id: str
    exists: bool
    """False when the VM is deleted."""
    status: str
    """Its state now; empty when it is deleted."""
    items: tuple[TimelineEntry, ...]
    is_whole: bool
    """Whether its creation is still among the events that are kept."""
    earlier: tuple[str, ...]
    """Ids of earlier VMs of the same name, oldest first."""


EXPLAIN = NOUN.add(
    Method(
        "vm.explain", ExplainVm, Timeline, "tell what became of a VM and why", faults=(errors.NoSuchVm, errors.InvalidParams),
        http=Http("GET", "/vms/{name}/explain"),
    )
)  # fmt: skip
