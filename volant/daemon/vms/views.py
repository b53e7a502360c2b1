"""Records as their users see them, and lists of them: filter, order, page. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from volant.daemon.ports import PluginRecord, VmRecord
from volant.daemon.vms.restarts import announced, clock
from volant.proto.api.vm import MAX_PAGE, ListVms, VmView
from volant.proto.api.vm_call import Action
from volant.proto.errors import InvalidParams
from volant.proto.specs.filter import VM_FIELDS, parse
from volant.proto.specs.restarts import When, parse_restart
from volant.proto.specs.states import NetworkMode


def view(record: VmRecord, config: dict[str, Any], plugin: PluginRecord, *, pending: tuple[str, ...] = ()) -> VmView:
    """One VM's public face; `config` is the plain form of its `VmConfig`, `pending` what of it waits for a restart."""
    return VmView(
        id=record.id,
        name=record.name,
        plugin=record.plugin,
        plugin_version=record.plugin_version,
        runtime=plugin.manifest.get("runtime", record.plugin),
        status=record.state,
        wanted=record.wanted,
        generation=record.generation,
        wanted_generation=record.wanted_generation,
        boot=record.boot,
        cpu_cores=config["cpu_cores"],
        memory_mb=config["memory_mb"],
        network=NetworkMode(config["network"]),
        ip=record.ip,
        mac=record.mac,
        forwards=record.forwards,
        hypervisor=record.hypervisor,
        accel=record.accel,
        pid=record.process.pid if record.process else 0,
        health=record.health,
        reason=announced(record.reason, record.retries, parse_restart(config.get("restart", When.NO))),
        error=record.error,
        labels=config["labels"],
        created_at=record.created_at,
        started_at=record.started_at,
        ready_at=record.ready_at,
        stopped_at=record.stopped_at,
        ready_ms=record.ready_ms,
        config_version=record.config_version,
        pending_changes=pending,
        deployment=record.deployment,
        revision=record.revision,
        exit_code=record.exit_code,
        exit_signal=record.exit_signal,
        lease=record.lease,
        restart=config.get("restart", When.NO),
        autostart=config.get("autostart", False),
        restarts=record.retries.count,
        next_try_at=clock(record.retries.next_at),
    )


def actions(plugin: PluginRecord) -> tuple[Action, ...]:
    """The plugin's actions in the order of their names."""
    declared = plugin.manifest.get("actions") or {}
    return tuple(
        Action(
            name=name,
            description=declared[name].get("description", ""),
            method=declared[name]["method"],
            path=declared[name]["path"],
            timeout_ms=declared[name].get("timeout_ms") or 0,
        )
        for name in sorted(declared)
    )


_KEYS: dict[str, Callable[[VmView], Any]] = {
    "name": lambda vm: vm.name,
    "status": lambda vm: (vm.status, vm.name),
    "plugin": lambda vm: (vm.plugin, vm.plugin_version, vm.name),
    "created": lambda vm: (vm.created_at, vm.name),
    "ip": lambda vm: (tuple(int(part) for part in vm.ip.split(".")) if vm.ip else (), vm.name),
    "cpu": lambda vm: (vm.cpu_cores, vm.name),
    "memory": lambda vm: (vm.memory_mb, vm.name),
}


class Viewed(Protocol):
    """Whatever has a view."""

    @property
    def view(self) -> VmView: ...


V = TypeVar("V", bound=Viewed)


def matching(found_in: Iterable[V], asked: ListVms, *, now: float) -> list[V]:
    """Those that match, in the order asked for. `now`: seconds since 1970. InvalidParams for an unknown order, an unreadable
    filter, or a page that makes no sense."""
    key = _KEYS.get(asked.sort.removeprefix("-"))
    if key is None:
        hint = f"choose one of {', '.join(_KEYS)}, with - before it to turn round"
        raise InvalidParams(f"VMs can't be sorted by {asked.sort!r}", hint=hint)
    if not 1 <= asked.limit <= MAX_PAGE or asked.offset < 0:
        raise InvalidParams(f"limit must be 1 to {MAX_PAGE} and offset not negative", hint="ask for the list in pages")
    text = asked.text.casefold()
    takes = parse(asked.filter, VM_FIELDS, getattr)
    found = [
        item
        for item in found_in
        if (not asked.status or item.view.status in asked.status)
        and (not asked.plugin or item.view.plugin == asked.plugin)
        and (not asked.deployment or item.view.deployment == asked.deployment)
        and (not text or _mentions(item.view, text))
        and takes(item.view, now)
    ]
    found.sort(key=lambda item: key(item.view), reverse=asked.sort.startswith("-"))
    return found


def _mentions(vm: VmView, text: str) -> bool:
    if text in vm.name or text in vm.plugin.casefold() or text in vm.ip:
        return True
    return any(text in f"{key}={value}".casefold() for key, value in vm.labels.items())
