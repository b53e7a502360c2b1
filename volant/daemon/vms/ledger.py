"""Owner rows of a launch: written before the objects are made, dropped once each is proven gone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from volant.daemon.ports import DropObject, HostObject, PluginRecord, VmRecord
from volant.daemon.vms.plan import Places
from volant.proto.specs.states import BootMode, NetworkMode
from volant.proto.specs.vmconfig import VmConfig

FILES = frozenset({"folder", "disk", "socket"})
"""Kinds whose names are paths, so that a look tells whether the object is there."""


def launch_objects(
    record: VmRecord, config: VmConfig, plugin: PluginRecord, where: Places, sockets: tuple[Path, ...]
) -> tuple[HostObject, ...]:
    """Everything that a launch may make on the host. Pure."""
    found = [("process", record.id), ("folder", str(where.state)), ("folder", str(where.runtime))]
    if config.network is NetworkMode.BRIDGED:
        found += [("tap", record.tap), ("firewall", record.tap)]
    found += [("socket", str(path)) for path in sockets]
    found += [("disk", str(path)) for path in _disks(config, plugin.manifest, plugin.artifacts, where)]
    return tuple(HostObject(kind=kind, name=name, vm_id=record.id) for kind, name in found)


def _disks(config: VmConfig, manifest: dict[str, Any], artifacts: dict[str, str], where: Places) -> list[Path]:
    """The VM's own disks; whether the root file system needs an upper disk is known only once it was looked at."""
    roots = [where.root_disk, where.upper_disk] if "rootfs" in artifacts and config.boot is not BootMode.INITRAMFS else []
    return roots + [where.disk(number) for number, disk in enumerate(manifest.get("disks") or []) if not disk.get("readonly")]


def is_absent(item: HostObject) -> bool:
    """Whether this is a file that is not there."""
    return item.kind in FILES and not os.path.lexists(item.name)


class Claim:
    """Rows held for objects that are about to be made.

    An object that was made and that nobody has called gone keeps its row, so that the next sweep looks for it.
    """

    def __init__(self, objects: Iterable[HostObject], *, made: bool = False) -> None:
        self._held = {(item.kind, item.name) for item in objects}
        self._made = set(self._held) if made else set()
        self.left: list[str] = []
        """Why what could not be proven gone is still there, a sentence each."""

    def made(self, kind: str, name: str) -> None:
        """The object exists now."""
        self._made.add((kind, name))

    def gone(self, kind: str, name: str) -> None:
        """The object was proven gone."""
        self._made.discard((kind, name))

    def look(self) -> None:
        """Find out which of the files are there."""
        for kind, name in self._held:
            if kind in FILES:
                (self.made if os.path.lexists(name) else self.gone)(kind, name)

    def absent_files(self) -> tuple[DropObject, ...]:
        """The changes that drop the rows of files that the launch did not have to make."""
        self.look()
        return tuple(DropObject(kind, name) for kind, name in sorted(self._held - self._made) if kind in FILES)

    def stays(self, why: str) -> None:
        """An object could not be proven gone: its row is kept."""
        self.left.append(why)

    def free(self) -> tuple[DropObject, ...]:
        """The changes that drop the rows of everything that is not there."""
        return tuple(DropObject(kind, name) for kind, name in sorted(self._held - self._made))
