"""The wall clock as data: UTC, with its zone."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> str:
    """Now, as RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.123Z`."""
    return rfc3339(datetime.now(UTC))


def rfc3339(moment: datetime) -> str:
    """`moment` (any zone) as RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
