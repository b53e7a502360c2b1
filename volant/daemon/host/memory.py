"""How much memory the host has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class HostMemory:
    """In MiB, rounded down."""

    total_mib: int
    available_mib: int
    """What may be taken without swapping, as the kernel estimates it (MemAvailable)."""


def host_memory() -> HostMemory:
    """The host's memory now."""
    return parse_meminfo(MEMINFO.read_text())


def parse_meminfo(text: str) -> HostMemory:
    """Read the text of /proc/meminfo (proc(5): `Name:   N kB`); ValueError when a line that we need is missing."""
    kib: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()
        if number and number[0].isdecimal():
            kib[name] = int(number[0])
    try:
        return HostMemory(kib["MemTotal"] // 1024, kib["MemAvailable"] // 1024)
    except KeyError as error:
        raise ValueError(f"no {error.args[0]} in meminfo") from None
