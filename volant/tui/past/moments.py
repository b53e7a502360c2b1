"""Moments as people type them: `10:32`, `5m ago`, `#88121`. Pure. Times of the day are UTC, as the UI shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from volant.client.cli.human import epoch
from volant.proto.errors import Usage
from volant.proto.specs.quantities import milliseconds

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?")
HINT = "for example: 10:32, 10:32:05, 5m ago, 2026-01-31 10:32, #88121, now"


@dataclass(frozen=True, slots=True)
class Moment:
    """What was typed: a time in seconds since 1970, or the number of an event."""

    time: float = 0.0
    seq: int = 0
    """0: the time counts."""


def parse(text: str, *, now: float) -> Moment | None:
    """The moment; None for `now`. A time of the day is the latest one that is not after `now`. Usage for anything else."""
    words = text.strip()
    if words == "now":
        return None
    number = words.removeprefix("#")
    if words.startswith("#") and number.isascii() and number.isdigit() and int(number[:18]) > 0:
        return Moment(seq=int(number[:18]))
    clock = _CLOCK.fullmatch(words)
    if clock is not None:
        return Moment(_last(clock, now, text))
    if re.match(r"\d{4}-", words):
        instant = epoch(words)
        if instant is not None:
            return Moment(instant)
    try:
        return Moment(now - milliseconds(words.removesuffix("ago").strip()) / 1000)
    except Usage:
        raise Usage(f"{text!r} is no moment", hint=HINT) from None


def _last(clock: re.Match[str], now: float, text: str) -> float:
    """The latest such time of the day."""
    hour, minute, second, fraction = clock.groups()
    today = datetime.fromtimestamp(now, UTC)
    try:
        found = today.replace(
            hour=int(hour), minute=int(minute), second=int(second or 0), microsecond=int((fraction or "0").ljust(3, "0")) * 1000
        )
    except ValueError:
        raise Usage(f"{text!r} is no time of the day", hint=HINT) from None
    return (found if found <= today else found - timedelta(days=1)).timestamp()


def shown(time: float) -> str:
    """`2026-01-31 10:32:05`, UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
