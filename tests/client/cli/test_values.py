"""What people type after flags, and numbers shown to people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from volant.client.cli import human, values
from volant.proto.errors import Usage
from volant.proto.specs import quantities


@pytest.mark.parametrize(
    ("text", "ms"),
    [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1h30m", 5_400_000), ("1.5s", 1_500), ("7", 7_000), ("0", 0), ("1d", 86_400_000)],
)
def test_durations(text: str, ms: int) -> None:
    assert quantities.milliseconds(text) == ms


@pytest.mark.parametrize("text", ["", "s", "-1s", "1x", "1 s", "1h30", "1e3", "٣s", "400d", "9" * 400])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Usage):
        quantities.milliseconds(text)


@pytest.mark.parametrize(("text", "mib"), [("256", 256), ("256M", 256), ("256MiB", 256), ("1G", 1024), ("1.5g", 1536), ("2048K", 2)])
def test_memory(text: str, mib: int) -> None:
    assert quantities.memory_mib(text) == mib


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "1K", "G", "256 apples", "nan"])
def test_what_is_no_memory(text: str) -> None:
    with pytest.raises(Usage):
        quantities.memory_mib(text)


def test_forwards() -> None:
    assert values.forward("8080:80") == {"guest_port": 80, "host_port": 8080, "protocol": "tcp", "host_ip": "127.0.0.1"}
    assert values.forward("80")["host_port"] == 0
    assert values.forward("0.0.0.0:53:53/udp") == {"guest_port": 53, "host_port": 53, "protocol": "udp", "host_ip": "0.0.0.0"}
    assert values.forward("[::1]:8080:80")["host_ip"] == "::1"


@pytest.mark.parametrize("text", ["", ":", "a:b", "80:", "8080:0", "8080:99999", "1:2/sctp", "-1:80"])
def test_what_is_no_forward(text: str) -> None:
    with pytest.raises(Usage):
        values.forward(text)


def test_pairs_and_headers() -> None:
    assert values.pair("A=b=c") == ("A", "b=c")
    assert values.pair("A=") == ("A", "")
    assert values.header("X-Name: a:b ") == ("X-Name", "a:b")
    for wrong in ("A", "=b", ""):
        with pytest.raises(Usage):
            values.pair(wrong)
    for wrong in ("X", ": y", "X: a\r\nY: b"):
        with pytest.raises(Usage):
            values.header(wrong)


def test_instants() -> None:
    now = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC).timestamp()
    assert values.instant("10m", now=now) == "2026-01-31T11:50:00.000Z"
    assert values.instant("2026-01-31T10:00:00+02:00", now=now) == "2026-01-31T08:00:00.000Z"
    with pytest.raises(Usage):
        values.instant("yesterday", now=now)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0ms"),
        (0.812, "812ms"),
        (4.21, "4.2s"),
        (42, "42s"),
        (119, "119s"),
        (180, "3m"),
        (7_500, "2h5m"),
        (90_000, "25h"),
        (345_600, "4d"),
    ],
)
def test_durations_for_people(seconds: float, shown: str) -> None:
    assert human.duration(seconds) == shown


def test_ages_and_sizes_for_people() -> None:
    noon = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC).timestamp()
    assert human.age("2026-01-31T11:57:00Z", now=noon) == "3m"
    assert human.age("2026-01-31T12:00:05Z", now=noon) == "0s"
    assert human.age("", now=noon) == human.age("soon", now=noon) == "-"
    assert [human.mebibytes(size) for size in (256, 1024, 1536)] == ["256M", "1G", "1.5G"]
    assert [human.size(size) for size in (0, 512, 1434, 31 << 20, 5 << 40)] == ["0 B", "512 B", "1.4 KiB", "31 MiB", "5.0 TiB"]
