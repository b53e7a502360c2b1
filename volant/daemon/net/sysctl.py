"""Kernel switches below /proc/sys, written directly: no program has to be there. A path belongs to the caller's network namespace."""

from __future__ import annotations

import json
import os
from pathlib import Path

_PROC_SYS = Path("/proc/sys")
FORWARDING = "net/ipv4/ip_forward"
BEFORE_FILE = "network-before.json"
"""In the state folder: the host's switches as they were before Volant changed them, for undoing it."""


def read(name: str) -> str:
    """A switch's value, for example of `net/ipv4/ip_forward`."""
    return (_PROC_SYS / name).read_text(encoding="ascii").strip()


def write(name: str, value: str) -> None:
    """OSError when it isn't there or not permitted."""
    (_PROC_SYS / name).write_text(value, encoding="ascii")


def disable_ipv6(interface: str) -> None:
    """Keep the kernel from giving `interface` a link-local address and from speaking IPv6 there; nothing when IPv6 is not built in."""
    try:
        write(f"net/ipv6/conf/{interface}/disable_ipv6", "1")
    except FileNotFoundError:
        return


def enable_forwarding(state_dir: Path) -> None:
    """Switch IPv4 forwarding on, once the previous value is safe in `state_dir`; the first value written there stays."""
    value = read(FORWARDING)
    if value == "1":
        return
    before = state_dir / BEFORE_FILE
    if not before.exists():
        fresh = before.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as file:
            json.dump({FORWARDING: value}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(before)
    write(FORWARDING, "1")
