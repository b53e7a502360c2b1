"""Changing a VM's config: a patch applied, and two versions compared. Pure; what comes out has passed the same checks as a new VM's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from typing import Any

from volant.proto.api.vm import CreateVm
from volant.proto.api.vm_config import Difference, PatchVm
from volant.proto.specs.manifest import Manifest
from volant.proto.specs.states import BootMode
from volant.proto.specs.vmconfig import Defaults, Problem, VmConfig, chosen, problems_of, refuse_any

MAPS = ("env", "labels")
"""Fields that are set and unset name by name."""

SETTABLE = ("cpu_cores", "memory_mb", "kernel", "cmdline", "boot", "forwards", "restart", "autostart")
"""Fields that are set as a whole. Plugin, network and address are what the VM is: another one is another VM."""

HOST_SIDE = frozenset({"restart", "autostart"})
"""Fields that concern the host alone: they wait for no restart of the VM."""

_UNSET: dict[str, Any] = {
    "cpu_cores": None, "memory_mb": None, "kernel": "", "cmdline": "", "boot": BootMode.AUTO, "forwards": (), "restart": "",
    "autostart": False,
}  # fmt: skip
"""What `CreateVm` says when nothing is chosen."""

_NAMES = [field.name for field in fields(VmConfig)]
_LATER = {field.name: field.default for field in fields(VmConfig) if field.default is not MISSING}
"""Fields that configs of earlier versions don't have."""


def patched(name: str, config: VmConfig, patch: PatchVm, manifest: Manifest, defaults: Defaults) -> VmConfig:
    """The config of VM `name` with the patch applied. InvalidParams lists every problem."""
    own = _wishes(name, config, manifest)
    wanted: dict[str, Any] = {field: value for field in SETTABLE if (value := getattr(patch, field)) is not None}
    wanted |= {field: {**getattr(own, field), **getattr(patch, field)} for field in MAPS}
    problems = list(_take_away(patch, wanted))
    create = replace(own, **wanted)
    changed = chosen(create, manifest, replace(defaults, hypervisor=config.hypervisor))
    refuse_any(f"the config of VM {name!r} can't be changed", "volant vm set", [*problems, *problems_of(create, changed, manifest)])
    return changed


def differences(old: dict[str, Any], new: dict[str, Any]) -> tuple[Difference, ...]:
    """What differs between the plain forms of two configs, in the order of the fields; variables and labels one by one."""
    return tuple(_differences(old, new))


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    for field in sorted(old.keys() | new.keys(), key=_place):
        before, after = old.get(field, _LATER.get(field)), new.get(field, _LATER.get(field))
        if field in MAPS and isinstance(before, dict) and isinstance(after, dict):
            for name in sorted(before.keys() | after.keys()):
                if before.get(name) != after.get(name):
                    yield Difference(f"{field}.{name}", before.get(name), after.get(name))
        elif before != after:
            yield Difference(field, before, after)


def _place(field: str) -> tuple[int, str]:
    return (_NAMES.index(field) if field in _NAMES else len(_NAMES), field)


def _wishes(name: str, config: VmConfig, manifest: Manifest) -> CreateVm:
    """The request that makes this config of the manifest."""
    return CreateVm(
        name=name,
        plugin=config.plugin,
        version=config.plugin_version,
        cpu_cores=config.cpu_cores,
        memory_mb=config.memory_mb,
        network=config.network,
        ip=config.ip,
        env=config.env,
        labels={label: value for label, value in config.labels.items() if manifest.labels.get(label) != value},
        kernel=config.kernel,
        cmdline=config.cmdline,
        boot=config.boot,
        forwards=config.forwards,
        restart=config.restart,
        autostart=config.autostart,
    )


def _take_away(patch: PatchVm, wanted: dict[str, Any]) -> Iterator[Problem]:
    """Take out of `wanted` what is to be unset, and yield what can't be."""
    for path in patch.unset:
        field, dot, name = path.partition(".")
        if field in MAPS and name:
            if name in getattr(patch, field):
                yield path[:80], "is both set and unset"
            elif wanted[field].pop(name, None) is None:
                yield path[:80], "is not set"
        elif field in _UNSET and not dot:
            if getattr(patch, field) is not None:
                yield field, "is both set and unset"
            wanted[field] = _UNSET[field]
        else:
            yield "unset", f"names {path[:80]!r}; it can be {', '.join(_UNSET)}, env.NAME or labels.NAME"
