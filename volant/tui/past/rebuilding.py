"""From a host's durable events, and how things are now, to how they were after each event. Pure.

Events say what became of a VM (docs/events.md): its state, boot, address, plugin, why it ended. What they don't say is taken from the
VM's record of now, where there still is one: size, network, labels. Of a VM that no event tells the state of at a moment, it is what it
is now if none changed it since, else `unknown`: each state may follow several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from volant.client.cli.human import epoch
from volant.proto.api.vm import VmView
from volant.proto.plain import to_plain
from volant.proto.specs.states import NetworkMode, VmState, Wanted
from volant.tui.model import Changed, Happened, Heard, Link, Phase, Record, Snapshot
from volant.tui.past.tape import Beat, Tape
from volant.tui.records import Vms

UNKNOWN = "unknown"
"""The state of a VM at a moment that no event tells of."""

_STATES = {f"VM_{state.name}": state.value for state in VmState}
"""Kinds that tell of entering a state."""
_ENDED = ("VM_STOPPED", "VM_CRASHED", "VM_FAILED")
_NOTHING = VmView(
    id="", name="", plugin="", plugin_version="", runtime="", status=VmState.PENDING, wanted=Wanted.RUNNING, generation=0,
    wanted_generation=0, boot=0, cpu_cores=0, memory_mb=0, network=NetworkMode.NONE, ip="", mac="", forwards=(), hypervisor="", accel="",
    pid=0, health=UNKNOWN, reason="", error=None, labels={}, created_at="", started_at="", ready_at="", stopped_at="", ready_ms=0,
)  # fmt: skip
BLANK: Mapping[str, Any] = {**to_plain(_NOTHING), "wanted": ""}
"""A VM of which nothing is known."""
_CHANGING = ("wanted", "generation", "boot", "pid", "health", "reason", "error", "started_at", "ready_at", "stopped_at", "ready_ms",
             "restarts", "next_try_at", "exit_code", "exit_signal", "lease", "pending_changes", "accel")  # fmt: skip
"""What a start or an end changes: of another time than now it is what events say, or nothing."""


def rebuilt(events: Sequence[Record], now: Mapping[str, Record]) -> Tape:
    """A tape of these events, oldest first; `now` are the VMs by id, as they are after the last one."""
    known = dict(_at_the_beginning(events, now))
    begin = Snapshot(vms=Vms(known), link=Link(Phase.LIVE), listed=True, seq=int(events[0]["seq"]) - 1 if events else 0)
    beats = []
    time = 0.0
    for event in events:
        time = max(time, epoch(str(event["time"])) or time)  # the host's clock may have been set back
        beats.append(Beat(time, int(event["seq"]), (*_changes(known, event, now), Happened((event,)))))
    return Tape(begin, beats)


def _changes(known: dict[str, Record], event: Record, now: Mapping[str, Record]) -> tuple[Heard, ...]:
    """What an event changes; `known` is brought up to date."""
    vm_id, kind = str(event.get("vm_id") or ""), str(event["kind"])
    if not vm_id or not kind.startswith("VM_"):
        return ()
    if kind == "VM_DELETED":
        return (Changed((), (vm_id,), int(event["seq"]), True),) if known.pop(vm_id, None) is not None else ()
    old = known.get(vm_id)
    if old is None and kind != "VM_CREATED":
        return ()
    record = _after(old or _basis(event, now.get(vm_id)), event)
    if record == old:
        return ()
    known[vm_id] = record
    return (Changed((record,), (), int(event["seq"]), True),)


def _after(record: Record, event: Record) -> Record:
    """The record after an event about it."""
    kind, time, message = str(event["kind"]), str(event["time"]), str(event.get("message") or "")
    data: Mapping[str, Any] = event.get("data") or {}
    found = {**record, "deployment": str(event.get("deployment") or record.get("deployment") or "")}
    if kind == "VM_CREATED":
        found |= {"created_at": time, "plugin": str(data.get("plugin", "")), "plugin_version": str(data.get("version", ""))}
        return found | {"status": str(data.get("status") or "pending")}
    if kind == "VM_CONFIGURED" and isinstance(data.get("version"), int):
        found["config_version"] = data["version"]
    for name, type_ in (("status", str), ("generation", int), ("boot", int), ("ip", str)):
        if isinstance(data.get(name), type_):
            found[name] = data[name]
    if kind not in _STATES:
        return found
    found |= {"status": _STATES[kind], "reason": message}
    if kind == "VM_STARTING":
        found |= {"started_at": time, "ready_at": "", "stopped_at": "", "error": None, "health": UNKNOWN}
    elif kind == "VM_READY":
        found |= {"ready_at": time, "health": "healthy"}
    elif kind in _ENDED:
        found |= {"stopped_at": time, "health": UNKNOWN}
        if data.get("code"):
            console = data.get("console")
            excerpt = "\n".join(map(str, console)) if isinstance(console, list) else ""
            found["error"] = {"code": data["code"], "message": message, "hint": str(data.get("hint", "")), "data": {"console": excerpt}}
    return found


@dataclass(slots=True)
class _Told:
    """What the events tell of one VM as a whole."""

    first: Record
    border: str = ""
    """Whether it begins or ends first among them: VM_CREATED or VM_DELETED; empty: neither."""
    state: Record | None = None
    """The first event that tells its state."""


def _at_the_beginning(events: Sequence[Record], now: Mapping[str, Record]) -> dict[str, Record]:
    """The VMs that there were before the first event."""
    told: dict[str, _Told] = {}
    for event in events:
        vm_id = str(event.get("vm_id") or "")
        if vm_id:
            each = told.setdefault(vm_id, _Told(event))
            if not each.border and event["kind"] in ("VM_CREATED", "VM_DELETED"):
                each.border = str(event["kind"])
            if each.state is None and event["kind"] in (*_STATES, "VM_DELETED"):
                each.state = event
    found: dict[str, Record] = {}
    for vm_id in {**now, **told}:
        about, record = told.get(vm_id), now.get(vm_id)
        if about is None or (about.state is None and record is not None and about.border != "VM_CREATED"):
            found[vm_id] = now[vm_id]
        elif about.border != "VM_CREATED":
            found[vm_id] = {**_basis(about.first, record), "status": _state_before(about)}
    return found


def _state_before(about: _Told) -> str:
    """The state before the first event: the one that it tells of, where it changes none."""
    first = about.first
    told = (first.get("data") or {}).get("status")
    if first is not about.state and isinstance(told, str):
        return told
    return UNKNOWN


def _basis(event: Record, record: Record | None) -> Record:
    """A VM of which nothing but its identity is known, and what of it never changes."""
    lasting = {name: value for name, value in record.items() if name not in _CHANGING} if record is not None else {}
    return {**BLANK, "ip": "", **lasting, "id": str(event["vm_id"]), "name": str(event.get("vm") or "")}
