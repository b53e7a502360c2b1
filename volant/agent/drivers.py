"""Kernel modules: only what this machine has, and what a mount asks for; each costs time at boot."""

from __future__ import annotations

import os

from volant.agent import syscalls

MMIO_BUS, PCI_BUS = "virtio_mmio", "virtio_pci"
"""Without one of these no virtio device is found; a kernel may have them built in."""

BY_DEVICE = {1: "virtio_net", 2: "virtio_blk", 3: "virtio_console", 4: "virtio_rng", 5: "virtio_balloon", 8: "virtio_scsi"}
"""Module by virtio device id (virtio specification 1.2, section 5)."""

_DEVICES = "/sys/bus/virtio/devices"
_PCI_DEVICES = "/sys/bus/pci/devices"


class Drivers:
    """Loads modules of one folder, with what they need, each once."""

    def __init__(self, folder: str) -> None:
        """`folder`: lib/modules/<release>, with a `modules.dep` as depmod(8) writes it."""
        self._folder = folder
        self._needs: dict[str, tuple[str, list[str]]] = {}
        self._loaded: set[str] = set()
        try:
            with open(f"{folder}/modules.dep") as file:
                for line in file:
                    path, _, needed = line.partition(":")
                    self._needs[_name(path)] = (path, needed.split())
        except FileNotFoundError:
            pass  # a kernel without modules

    def load(self, name: str) -> bool:
        """Load `name` and what it needs; whether the image has it (a kernel may have it built in instead). OSError when it fails."""
        if name not in self._needs:
            return False
        path, needed = self._needs[name]
        for each in (*reversed(needed), path):
            if each not in self._loaded:
                syscalls.load_module(f"{self._folder}/{each}")
                self._loaded.add(each)
        return True

    def load_devices(self) -> None:
        """Load the buses that the machine has, then the driver of every virtio device found."""
        self.load(MMIO_BUS)
        if _listed(_PCI_DEVICES):
            self.load(PCI_BUS)
        for number in sorted(_device_ids(), key=lambda number: (number != 3, number)):
            if number in BY_DEVICE:
                self.load(BY_DEVICE[number])


def _device_ids() -> set[int]:
    """Ids of the virtio devices that are there."""
    found = set()
    for device in _listed(_DEVICES):
        with open(f"{_DEVICES}/{device}/device") as file:
            found.add(int(file.read(), 16))
    return found


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _name(path: str) -> str:
    """The kernel takes - and _ in module names for the same."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")
