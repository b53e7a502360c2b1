"""What people type after flags, turned into values: pairs, ports, instants. Each refuses with one sentence; `proto.specs.quantities` has
durations and sizes."""

from __future__ import annotations

from volant.proto.errors import Usage


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
    from volant.proto.specs.quantities import milliseconds

    seconds = epoch(text)
    if seconds is None:
        try:
            seconds = now - milliseconds(text) / 1000
        except Usage:
            raise Usage(f"{text!r} is neither an age nor an instant", hint="for example: 10m, or 2026-01-31T12:00:00Z") from None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
