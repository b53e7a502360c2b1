"""What is known of the daemon, as a pure reducer: a snapshot and what was heard give the next snapshot, and what changed.

The VMs come from `vm.watch` (the whole list first, then changes), what happened from `event.follow`. While a new list arrives after a
break, the old one stays on the screen; only when it is complete does it take its place, and the difference is told.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from volant.tui.records import Alike, Step, Vms
from volant.tui.records import Record as Record

KEPT_EVENTS = 1_000
"""Events kept for the lines that show the latest: far more than any screen has, and about a megabyte."""


class Phase(Enum):
    """How things stand between us and the daemon."""

    CONNECTING = "connecting"
    """Not connected yet, or anew."""
    LISTING = "listing"
    """Connected; the list is on its way."""
    LIVE = "live"
    """What is shown is how things are."""
    LOST = "lost"
    """Disconnected; what is shown is how things were."""
    PAST = "past"
    """What is shown is how things were at a moment that somebody chose."""


@dataclass(frozen=True, slots=True)
class Link:
    """The connection. Times are of a monotonic clock, in seconds."""

    phase: Phase = Phase.CONNECTING
    since: float = 0.0
    """When the data was last known to be fresh, or since when we try."""
    reason: str = ""
    hint: str = ""
    retry_at: float = 0.0
    """When the next try is made, while LOST."""

    @property
    def is_lost(self) -> bool:
        """It was lost, whether or not it is being tried again just now."""
        return self.phase is Phase.LOST or (self.phase is Phase.CONNECTING and bool(self.reason))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that screens show of the daemon."""

    vms: Vms = field(default_factory=Vms)
    """By id."""
    link: Link = Link()
    seq: int = 0
    """Number of the newest event that is known; 0 for none yet."""
    events: tuple[Record, ...] = ()
    """The latest, oldest first."""
    missed: int = 0
    """Events that were too old to be had after a break."""
    version: str = ""
    """Of the daemon."""
    listed: bool = False
    """A whole list has been seen since the start: an empty one means that there are no VMs."""
    arriving: Vms | None = None
    """The list on its way after a break; None when there is none."""

    @property
    def is_live(self) -> bool:
        return self.link.phase is Phase.LIVE


@dataclass(frozen=True, slots=True)
class Connecting:
    """A try begins."""

    at: float


@dataclass(frozen=True, slots=True)
class Connected:
    """The daemon greeted us, and a new list is on its way."""

    at: float
    version: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection, or the try, failed."""

    at: float
    reason: str
    hint: str
    retry_at: float


@dataclass(frozen=True, slots=True)
class Changed:
    """An item of `vm.watch`."""

    items: tuple[Record, ...]
    gone: tuple[str, ...]
    seq: int
    complete: bool
    altered: tuple[Record, ...] = ()
    """Ids and what is different of VMs that were told before."""
    alike: tuple[Alike, ...] = ()
    """The same of several together."""

    @property
    def parts(self) -> tuple[Record, ...]:
        """All that is different of known VMs, one by one."""
        return (*self.altered, *(part for alike in self.alike for part in alike.parts))


@dataclass(frozen=True, slots=True)
class Happened:
    """Items of `event.follow`."""

    events: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class EventsLost:
    """Events between the last one seen and `oldest` are no longer kept."""

    oldest: int


Heard = Connecting | Connected | Lost | Changed | Happened | EventsLost


@dataclass(frozen=True, slots=True)
class Delta:
    """What became different: the lines that show one of these have to be drawn anew."""

    changed: frozenset[str] = frozenset()
    """Ids of VMs that are new or not what they were."""
    gone: frozenset[str] = frozenset()
    whole: bool = False
    """The list was replaced after a break."""
    added: int = 0
    fields: frozenset[str] | None = None
    """The names of all fields that are different in what is `changed`; None: it may be any."""

    def is_about(self, field: str) -> bool:
        """Whether this field may be different in some record, or records came or went."""
        return self.fields is None or field in self.fields

    @property
    def words(self) -> str:
        """`+3 ~12 -1`; empty when nothing is different."""
        altered = len(self.changed) - self.added
        parts = [f"{sign}{count}" for sign, count in (("+", self.added), ("~", altered), ("-", len(self.gone))) if count]
        return " ".join(parts)


NOTHING = Delta()


def reduce(now: Snapshot, heard: Heard, *more: Changed) -> tuple[Snapshot, Delta]:
    """The next snapshot, and what of the VMs is different in it. `more` are items of `vm.watch` that came right behind another one, taken
    in one go; only the last may be complete."""
    match heard:
        case Connecting(at):
            since = now.link.since if now.listed else at
            return replace(now, link=replace(now.link, phase=Phase.CONNECTING, since=since)), NOTHING
        case Connected(at, version):
            link = Link(Phase.LISTING, since=now.link.since if now.listed else at)
            return replace(now, link=link, version=version, arriving=Vms() if now.listed else None), NOTHING
        case Lost(at, reason, hint, retry_at):
            since = at if now.link.phase is Phase.LIVE else now.link.since
            return replace(now, link=Link(Phase.LOST, since, reason, hint, retry_at), arriving=None), NOTHING
        case Changed():
            return _changed(now, (heard, *more))
        case Happened(events):
            new = tuple(event for event in events if event["seq"] > now.seq)
            if not new:
                return now, NOTHING
            kept = (now.events + new)[-KEPT_EVENTS:]
            return replace(now, events=kept, seq=new[-1]["seq"]), NOTHING
        case EventsLost(oldest):
            return replace(now, missed=now.missed + max(0, oldest - now.seq - 1), seq=max(now.seq, oldest - 1)), NOTHING


def _live(now: Snapshot, heard: Changed) -> Snapshot:
    """The list is complete. Until the first event is heard, its number is the one to follow from."""
    return replace(now, link=Link(Phase.LIVE), listed=True, seq=now.seq or heard.seq)


def _changed(now: Snapshot, parts: tuple[Changed, ...]) -> tuple[Snapshot, Delta]:
    steps = [Step(part.gone, part.items, part.altered, part.alike) for part in parts]
    if now.arriving is not None:
        return _arriving(now, now.arriving.told(*steps), parts[-1])
    if parts[-1].complete and (now.link.phase is not Phase.LIVE or not now.listed):
        now = _live(now, parts[-1])
    if not any(any(step) for step in steps):
        return now, NOTHING
    before, vms = now.vms, now.vms.told(*steps)
    alike = [each for part in parts for each in part.alike]
    changed = frozenset(record["id"] for part in parts for record in (*part.items, *part.altered)).union(*(each.ids for each in alike))
    gone = frozenset(vm_id for part in parts for vm_id in part.gone if vm_id in before and vm_id not in vms)
    altered = (each for part in parts for each in part.altered)
    fields: frozenset[str] | None = frozenset[str]().union(*altered, *(each.fields for each in alike)) - {"id"}
    if any(part.items or part.gone for part in parts):
        fields = None
    return replace(now, vms=vms), Delta(vms.known(changed), gone, added=len(vms) - len(before) + len(gone), fields=fields)


def _arriving(now: Snapshot, came: Vms, heard: Changed) -> tuple[Snapshot, Delta]:
    """Part of a list that will take the place of the old one."""
    if not heard.complete:
        return replace(now, arriving=came), NOTHING
    old = now.vms
    # What did not change keeps its record, so that its line is not drawn anew.
    vms = {vm_id: old[vm_id] if old.get(vm_id) == record else record for vm_id, record in came.items()}
    changed = frozenset(vm_id for vm_id, record in vms.items() if old.get(vm_id) is not record)
    delta = Delta(changed, frozenset(old.keys() - vms.keys()), whole=True, added=len(vms.keys() - old.keys()))
    return replace(_live(now, heard), vms=Vms(vms), arriving=None), delta
