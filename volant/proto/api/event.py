"""Calls about events: the durable, numbered stream of what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from volant.proto import errors
from volant.proto.api.vm import Done
from volant.proto.method import Http, Method, Noun, Shape

NOUN = Noun("event")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. `kind` begins with what it is about: VM_, DEPLOYMENT_, PLUGIN_ or SYSTEM_; docs/events.md lists them all."""

    seq: int
    """Grows by one an event, over restarts of the daemon too."""
    time: str
    kind: str
    vm: str
    """Name of the VM it is about; empty for others."""
    vm_id: str
    message: str
    data: dict[str, Any]
    deployment: str = ""
    """Name of the deployment that it is about, or whose replica it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEvents:
    after: int = 0
    """Events with greater numbers only."""
    limit: int = 200
    vm: str = ""
    kinds: tuple[str, ...] = ()
    last: int = 0
    """When positive: the newest so many that match, whatever `after` says."""
    deployment: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    items: tuple[Event, ...]
    seq: int
    """The newest number there is."""
    oldest: int
    """The oldest number that is kept; 0 when none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowEvents:
    after: int | None = None
    """Replay what came after this number first; empty: only what comes from now on."""
    vm: str = ""
    kinds: tuple[str, ...] = ()
    deployment: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events somebody asks for; what is empty excludes nothing."""

    vm: str = ""
    """A VM's name or id."""
    kinds: tuple[str, ...] = ()
    deployment: str = ""

    @property
    def everything(self) -> bool:
        return not (self.vm or self.kinds or self.deployment)

    def takes(self, event: Event) -> bool:
        return (
            (not self.vm or self.vm in (event.vm, event.vm_id))
            and (not self.kinds or event.kind in self.kinds)
            and (not self.deployment or self.deployment == event.deployment)
        )


LIST = NOUN.add(Method("event.list", ListEvents, Events, "list past events", faults=(errors.Lagged,), http=Http("GET", "/events")))
FOLLOW = NOUN.add(
    Method("event.follow", FollowEvents, Done, "events as they happen", faults=(errors.Lagged,), http=Http("GET", "/events/follow"),
           shape=Shape.STREAM, item=Event)
)  # fmt: skip
