"""Numbers for people: ages, sizes and durations. Machine formats never pass through here."""

from __future__ import annotations

import time

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def duration(seconds: float) -> str:
    """At most two units, the way people say it: `812ms`, `4.2s`, `3m`, `2h5m`, `4d`."""
    if seconds < 0:
        seconds = 0
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f}s"
    if seconds < 2 * _HOUR:
        return f"{seconds // _MINUTE:.0f}m"
    if seconds < 2 * _DAY:
        hours, minutes = divmod(int(seconds) // _MINUTE, 60)
        return f"{hours}h{minutes}m" if minutes and hours < 10 else f"{hours}h"
    return f"{seconds // _DAY:.0f}d"


def age(instant: str, *, now: float | None = None) -> str:
    """How long ago an RFC 3339 instant was; `-` for an empty or unreadable one."""
    seconds = epoch(instant)
    if seconds is None:
        return "-"
    gone = max(0.0, (time.time() if now is None else now) - seconds)
    return f"{gone:.0f}s" if gone < 10 else duration(gone)


def epoch(instant: str) -> float | None:
    """Seconds since 1970 of an RFC 3339 instant, or None."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(instant)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def mebibytes(size_mib: int) -> str:
    """A memory size given in MiB: `256M`, `1G`, `1.5G`."""
    if size_mib < 1024:
        return f"{size_mib}M"
    return f"{size_mib / 1024:.1f}".removesuffix(".0") + "G"


def cpus(count: int) -> str:
    """`1 CPU`, `4 CPUs`."""
    return f"{count} CPU{'' if count == 1 else 's'}"


def size(count: float) -> str:
    """A number of bytes with three figures or so: `512 B`, `1.4 KiB`, `31 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
