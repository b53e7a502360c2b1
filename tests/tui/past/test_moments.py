"""Moments as they are typed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from volant.proto.errors import Usage
from volant.tui.past.moments import Moment, parse, shown

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("10:32", "2026-01-31 10:32:00"),
        (" 9:05:07 ", "2026-01-31 09:05:07"),
        ("12:00", "2026-01-31 12:00:00"),
        ("12:00:01", "2026-01-30 12:00:01"),
        ("5m ago", "2026-01-31 11:55:00"),
        ("1h30m", "2026-01-31 10:30:00"),
        ("90s ago", "2026-01-31 11:58:30"),
        ("2026-01-31 10:32", "2026-01-31 10:32:00"),
        ("2026-01-31T10:32:05Z", "2026-01-31 10:32:05"),
        ("2026-01-31T10:32:05+02:00", "2026-01-31 08:32:05"),
    ],
)
def test_times(text: str, time: str) -> None:
    moment = parse(text, now=NOW)
    assert moment is not None
    assert (shown(moment.time), moment.seq) == (time, 0)


def test_event_numbers_fractions_and_now() -> None:
    assert parse("#88121", now=NOW) == Moment(seq=88121)
    assert parse("11:59:59.250", now=NOW) == Moment(NOW - 0.75)
    assert parse("now", now=NOW) is None


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "10:60", "#", "#x", "#0", "-5m", "10:3", "2026-02-30 10:00", "ago"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(Usage) as caught:
        parse(text, now=NOW)
    assert "10:32" in caught.value.hint
