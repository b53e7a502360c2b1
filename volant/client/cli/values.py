"""What people type after flags, turned into values: durations, sizes, pairs, ports, instants. Each refuses with one sentence."""

from __future__ import annotations

import re

from volant.proto.errors import Usage

# Patterns as text: compiled when first used, since most commands use none.
_DURATION = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?"
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MEMORY = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([kmgt]?)(?:i?b)?"
"""At most twelve digits: even so many TiB fit into 64 bits, and how much is too much is for the daemon to say."""
_MEMORY_MIB = {"": 1.0, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0 * 1024}

MAX_DURATION_MS = 365 * 86_400_000
"""A year; what is longer is a slip of the fingers, and far below what 64 bits hold."""


def milliseconds(text: str) -> int:
    """`500ms`, `30s`, `2m`, `1h30m`, `1d`; a bare number is seconds."""
    pieces = list(re.finditer(_DURATION, text))
    if not pieces or "".join(piece[0] for piece in pieces) != text or (len(pieces) > 1 and not all(piece[2] for piece in pieces)):
        raise Usage(f"{text!r} is no duration", hint="for example: 500ms, 30s, 2m or 1h30m")
    total = sum(float(piece[1]) * _UNIT_MS[piece[2] or "s"] for piece in pieces)
    if total > MAX_DURATION_MS:
        raise Usage(f"{text!r} is longer than a year", hint="for example: 500ms, 30s, 2m or 1h30m")
    return round(total)


def memory_mib(text: str) -> int:
    """`256`, `256M`, `1G`, `1.5GiB` in MiB; a bare number is MiB."""
    found = re.fullmatch(_MEMORY, text, re.IGNORECASE)
    mib = float(found[1]) * _MEMORY_MIB[found[2].lower()] if found else 0.0
    if mib < 1 or mib != int(mib):
        raise Usage(f"{text!r} is no amount of memory in whole MiB", hint="for example: 256, 256M or 1G")
    return int(mib)


def count(text: str) -> int:
    """A whole number of zero or more."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Usage(f"{text!r} is no whole number", hint="for example: 100")
    return int(text)


def pair(text: str) -> tuple[str, str]:
    """`KEY=VALUE`; the value may hold more equals signs, and may be empty."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Usage(f"{text!r} is not KEY=VALUE", hint="for example: COLOUR=blue")
    return key, value


def header(text: str) -> tuple[str, str]:
    """`Name: value`, as curl takes it."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or "\n" in text or "\r" in text:
        raise Usage(f"{text!r} is no header", hint="for example: 'Content-Type: application/json'")
    return name.strip(), value.strip()


def forward(text: str) -> dict[str, object]:
    """`[HOST_IP:]HOST_PORT:GUEST_PORT[/tcp|/udp]`, or just `GUEST_PORT`; host port 0 or none lets the daemon choose."""
    ports, _, protocol = text.partition("/")
    host, _, guest = ports.rpartition(":")
    host_ip, _, host_port = host.rpartition(":")
    numbers = (host_port or "0", guest)
    valid = all(number.isascii() and number.isdigit() and int(number) < 65_536 for number in numbers) and int(guest) > 0
    if not valid or protocol not in ("", "tcp", "udp"):
        raise Usage(f"{text!r} is no port forward", hint="for example: 8080:80, or 127.0.0.1:8080:80/tcp")
    return {
        "guest_port": int(guest),
        "host_port": int(numbers[0]),
        "protocol": protocol or "tcp",
        "host_ip": host_ip.strip("[]") or "127.0.0.1",
    }


def guest_port(text: str) -> dict[str, object]:
    """`GUEST_PORT[/tcp|/udp]`, where every VM gets a host port of its own."""
    if ":" in text:
        raise Usage(f"{text!r} names a host port, which only one VM could have", hint="for example: 80, or 53/udp")
    return forward(text)


def instant(text: str, *, now: float) -> str:
    """`10m` (ago) or an RFC 3339 instant, as an RFC 3339 instant in UTC. `now` is seconds since 1970."""
    from datetime import UTC, datetime

    from volant.client.cli.human import epoch

    seconds = epoch(text)
    if seconds is None:
        try:
            seconds = now - milliseconds(text) / 1000
        except Usage:
            raise Usage(f"{text!r} is neither an age nor an instant", hint="for example: 10m, or 2026-01-31T12:00:00Z") from None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
