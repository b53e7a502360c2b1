"""From a VM's events and console to one causal timeline. Pure.

What an event followed from is not stored but read off their order: of the kinds that can lead to it, the newest before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from volant.proto.api.event import Event
from volant.proto.api.vm_explain import Source, TimelineEntry

CONSOLE_LINES = 8
"""Lines of a boot's console that are shown: the agent's own, or the last before a failure."""

_AGENT_LINE = "kestrel: "
_TAKEN, _FAILED_STEP = "request taken", "step failed"

_LEADS_TO: Mapping[str, tuple[str, ...]] = {
    "VM_CREATED": (),
    "VM_STARTING": (_TAKEN, "VM_CREATED", "VM_READY", "VM_STOPPED", "VM_CRASHED", "VM_FAILED"),
    "VM_STEP": ("VM_STARTING",),
    "VM_RUNNING": ("VM_STARTING", "VM_AGENT"),
    "VM_AGENT": ("VM_RUNNING", "VM_STARTING"),
    "VM_READY": ("VM_AGENT", "VM_RUNNING"),
    "VM_STOPPING": (_TAKEN,),
    "VM_STOPPED": ("VM_STOPPING", _TAKEN, "VM_READY", "VM_RUNNING"),
    "VM_FAILED": (_FAILED_STEP, "VM_AGENT", "VM_RUNNING", "VM_STARTING"),
    "VM_CRASHED": ("VM_READY", "VM_RUNNING"),
    "VM_DELETED": (_TAKEN,),
}
"""Kinds of events that can lead to one of this kind."""

_SOURCES = {"VM_REQUEST": Source.REQUEST, "VM_CONFIGURED": Source.CONFIG, "VM_STEP": Source.STEP, "VM_AGENT": Source.AGENT}


def timeline(events: Sequence[Event], console: Callable[[int, int | None], Iterable[str]], *, boots: int) -> tuple[TimelineEntry, ...]:
    """What happened to one VM, oldest first; the newest `boots` boots, or with 0 all.

    `console` gives the lines between two offsets, None being the end; nothing when the console is gone.
    """
    starts = [at for at, event in enumerate(events) if event.kind == "VM_STARTING"]
    offsets = {_boot(events[at]): _offsets(events, starts, number) for number, at in enumerate(starts)}
    found: list[TimelineEntry] = []
    last: dict[str, int] = {}
    for event in events:
        entry = _entry(event, max((last[kind] for kind in _LEADS_TO.get(event.kind, ()) if kind in last), default=None))
        lines = _console(event, offsets, console)
        found += [_beside(entry, Source.CONSOLE, line) for line in lines]
        found.append(entry)
        if event.data.get("hint") and event.kind in ("VM_FAILED", "VM_CRASHED"):
            found.append(_beside(entry, Source.HINT, str(event.data["hint"])))
        last[_role(event)] = event.seq
    return tuple(found[_first_shown(found, boots) :])


def _role(event: Event) -> str:
    """What an event is as a cause."""
    if event.kind == "VM_REQUEST":
        return _TAKEN if event.data.get("verdict") == "taken" else "request denied"
    return _FAILED_STEP if event.kind == "VM_STEP" and "code" in event.data else event.kind


def _entry(event: Event, cause: int | None) -> TimelineEntry:
    source = _SOURCES.get(event.kind, Source.STATE if event.kind in _LEADS_TO else Source.SYSTEM)
    return TimelineEntry(
        time=event.time, seq=event.seq, source=source, kind=event.kind, text=_text(event), boot=_boot(event), caused_by=cause
    )


def _beside(entry: TimelineEntry, source: Source, text: str) -> TimelineEntry:
    """A line that has a place but no time of its own."""
    return replace(entry, time="", seq=0, kind="", source=source, text=text, caused_by=None)


def _text(event: Event) -> str:
    data = event.data
    because = f": {event.message}" if event.message else ""
    words = ", ".join(str(data[key]) for key in ("code", "cause") if data.get(key))
    code = f" [{words}]" if words else ""
    match event.kind:
        case "VM_CREATED":
            plugin = " ".join(str(data[key]) for key in ("plugin", "version") if data.get(key))
            by = ", ".join(str(data[key]) for key in ("author", "origin") if data.get(key))
            return f"created of plugin {plugin}" + (f" by {by}" if by else "")
        case "VM_STARTING":
            return f"boot {_boot(event)} starts{because}"
        case "VM_RUNNING":
            return f"the VMM runs{because}"
        case "VM_STOPPING":
            return f"the guest is told to power off{because}"
        case "VM_READY" | "VM_STOPPED" | "VM_DELETED":
            return f"{event.kind.removeprefix('VM_').lower()}{because}"
        case "VM_STEP":
            return f"{event.message}{code} after {data['ms']} ms" if code else f"{event.message} took {data.get('ms')} ms"
        case "VM_AGENT":
            timings = ", ".join(f"{step} {at} ms" for step, at in data.get("timings", {}).items())
            return event.message + code + (f" (since the kernel began: {timings})" if timings else "")
        case "VM_CONFIGURED":
            return f"{event.message}, by {data.get('author', '')}"
        case "VM_REQUEST" | "VM_FAILED" | "VM_CRASHED":
            return f"{event.message}{code}"
    return f"{event.kind.lower()}{because}"


def _boot(event: Event) -> int:
    return int(event.data.get("boot", 0))


def _offsets(events: Sequence[Event], starts: Sequence[int], number: int) -> tuple[int, int | None] | None:
    """Where the console of the boot that is `number` in `starts` begins and ends; None when that is not known."""
    begin = events[starts[number]].data.get("console")
    if begin is None:
        return None
    return int(begin), events[starts[number + 1]].data.get("console") if number + 1 < len(starts) else None


def _console(
    event: Event, offsets: dict[int, tuple[int, int | None] | None], console: Callable[[int, int | None], Iterable[str]]
) -> Sequence[str]:
    """The lines that stand before an event: the last ones of a boot that failed, the agent's of one that got ready. They are taken out of
    `offsets`: a boot gets ready again when another daemon takes it over, and its lines are as old as before."""
    if event.kind in ("VM_FAILED", "VM_CRASHED"):
        return tuple(map(str, event.data.get("console", ())))
    span = offsets.pop(_boot(event), None) if event.kind == "VM_READY" else None
    if span is None:
        return ()
    return [line for line in console(*span) if line.startswith(_AGENT_LINE)][:CONSOLE_LINES]


def _first_shown(found: Sequence[TimelineEntry], boots: int) -> int:
    """Index of the first entry of the newest `boots` boots, with the event that led to it."""
    starts = [at for at, entry in enumerate(found) if entry.kind == "VM_STARTING"]
    if boots <= 0 or len(starts) <= boots:
        return 0
    first = starts[-boots]
    return next((at for at, entry in enumerate(found) if entry.seq and entry.seq == found[first].caused_by), first)
