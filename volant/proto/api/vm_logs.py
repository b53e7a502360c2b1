"""The call that follows the output of many VMs as one stream. It belongs to the noun `vm`."""

from __future__ import annotations

from dataclasses import dataclass, field

from volant.proto import errors
from volant.proto.api.vm import NOUN, Done, LogLine
from volant.proto.method import Http, Method, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLogs:
    """The output of all VMs that match and run, followed. What comes to match, or is started, later joins in; who is followed once is
    until that start ends."""

    filter: str = ""
    """In the filter language, as in `vm.watch`."""
    tail: int = 50
    """How many of its newest lines each begins with; -1 is all that is kept."""
    after: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By VM id, where this goes on: a start's number (`boot`) and the number of its last line that is known. Of that start only later
    lines come."""
    follow: bool = True
    """False: what they have said so far, then the call ends; nothing is lost, however slowly it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmLines:
    """Lines of one start of one VM, in their order; those of different VMs come as they can be had.

    Who reads too slowly loses lines, first of whoever has most to say; the gap in their numbers tells how many.
    """

    id: str
    name: str
    boot: int
    lines: tuple[LogLine, ...]
    ended: str = ""
    """Why nothing more comes of this start, in a sentence; empty while more may."""


LOGS_WATCH = NOUN.add(
    Method("vm.logs_watch", WatchLogs, Done, "the output of many VMs, as one stream", faults=(errors.InvalidParams,),
           http=Http("GET", "/vms/logs"), shape=Shape.STREAM, item=VmLines)
)  # fmt: skip
