"""Which DNS servers guests are told: those that the host itself asks, as far as a guest can reach them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

MAX_SERVERS = 3
"""A resolver reads no more than this many (MAXNS of <resolv.h>)."""
RESOLV_CONF = Path("/etc/resolv.conf")
SYSTEMD_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")
"""systemd-resolved keeps the upstream servers here when /etc/resolv.conf names only its stub, 127.0.0.53."""


def upstream_servers(text: str) -> tuple[str, ...]:
    """IPv4 servers of a resolv.conf that a guest behind NAT can reach: no loopback address, and no IPv6, which guests don't have."""
    servers: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            address = IPv4Address(words[1])
        except AddressValueError:
            continue
        if not (address.is_loopback or address.is_unspecified) and str(address) not in servers:
            servers.append(str(address))
    return tuple(servers[:MAX_SERVERS])


def host_servers(paths: Iterable[Path] = (RESOLV_CONF, SYSTEMD_RESOLV_CONF)) -> tuple[str, ...]:
    """Servers of the first file that names a usable one; none when no file does."""
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if servers := upstream_servers(text):
            return servers
    return ()
