"""Following events end to end: a real daemon, its socket, and the command."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks._daemons import PLUGIN, start_fake
from tests.rig import Rig, rig
from volant.client.blocking import Client
from volant.proto.errors import ExitCode, Lagged

READING, STANDING = 97, 3
EVENTS, RATE = 2_500, 1_000
"""More events than one that doesn't read is sent before it is cut off."""
EXTRA_MIB = 64


@pytest.fixture
def host() -> Iterator[Rig]:
    with rig(hypervisor="fake", network="none") as made:
        _, client = start_fake(made)
        client.close()
        yield made


def happen(client: Client, count: int) -> None:
    """So many events."""
    for number in range(count):
        client.call_plain(("plugin.disable", "plugin.enable")[number % 2], {"name": PLUGIN})


@contextmanager
def following(host: Rig, *words: str) -> Iterator[Iterator[dict[str, Any]]]:
    """The events that the command prints from the first one on."""
    with host.under_way("events", "--follow", "-o", "jsonl", *words) as command:
        assert command.stdout is not None
        yield (json.loads(line) for line in command.stdout)


def test_a_follower_replays_from_a_number_and_goes_on_with_what_happens(host: Rig) -> None:
    with closing(host.client()) as client:
        happen(client, 4)
        with following(host, "--since", "2") as events:
            assert [next(events)["seq"] for _ in range(3)] == [3, 4, 5]
            happen(client, 2)
            assert [next(events)["seq"] for _ in range(2)] == [6, 7]


def test_numbers_go_on_over_a_restart_and_what_a_follower_missed_is_replayed(host: Rig) -> None:
    with closing(host.client()) as client, following(host, "--since", "0") as events:
        happen(client, 4)
        seen = [next(events)["seq"] for _ in range(5)]
    host.kill()
    host.start()
    with closing(host.client()) as client:
        happen(client, 4)
        with following(host, "--since", str(seen[-1])) as events:
            seen += [next(events)["seq"] for _ in range(4)]
    assert seen == list(range(1, 10))


def test_what_is_no_longer_kept_is_refused_with_what_to_do(host: Rig) -> None:
    with closing(host.client()) as client:
        happen(client, 150)
    host.stop()
    host.start("--event-keep", "100")
    with closing(host.client()) as client:
        while (page := client.call_plain("event.list", {"after": 50}))["oldest"] == 1:
            pass  # forgotten soon after the start
        assert (page["seq"], page["oldest"]) == (151, 52)
        with pytest.raises(Lagged) as refused:
            next(client.stream_plain("event.follow", {"after": 50}))
        assert refused.value.data == {"oldest": 52, "newest": 151}
    done = host.volant("events", "--follow", "--since", "50", check=False)
    assert done.returncode == ExitCode.FAILED
    assert "no longer kept (oldest kept: 52" in done.stderr
    assert "volant event list" in done.stderr
    with following(host, "--since", "51") as events:
        assert next(events)["seq"] == 52


def test_a_number_of_another_store_is_refused_in_the_same_words_whether_listed_or_followed(host: Rig) -> None:
    with closing(host.client()) as client:
        newest = client.call_plain("event.list", {})["seq"]
        assert client.call_plain("event.list", {"after": newest})["items"] == []
        with pytest.raises(Lagged) as listed:
            client.call_plain("event.list", {"after": newest + 1})
        with pytest.raises(Lagged) as followed:
            next(client.stream_plain("event.follow", {"after": newest + 1}))
        assert listed.value.to_wire() == followed.value.to_wire()
        assert listed.value.message == f"event {newest + 1} is not of this store, whose newest is {newest}"
        assert client.call_plain("event.list", {"after": newest + 1, "last": 1})["seq"] == newest, "then the number does not count"
    said = {host.volant("event", *words, "--since", "1000", check=False).stderr for words in (("list",), ("follow",))}
    assert len(said) == 1 and "is not of this store" in said.pop()


def test_followers_choose_what_they_hear_of(host: Rig) -> None:
    with closing(host.client()) as client, following(host, "--since", "0", "--kind", "plugin_enabled") as enabled:
        happen(client, 2)
        for name in ("one", "two"):
            host.volant("vm", "create", name, "--plugin", PLUGIN)
        happen(client, 2)
        assert [next(enabled)["kind"] for _ in range(2)] == ["PLUGIN_ENABLED"] * 2
        with following(host, "--since", "0", "--vm", "two") as two:
            assert [(event["vm"], event["kind"]) for event in (next(two), next(two))] == [("two", "VM_CREATED"), ("two", "VM_STARTING")]


def load(host: Rig, kind: str, *numbers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks._events_load", kind, str(host.socket), *map(str, numbers)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def memory_mib(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def test_a_hundred_follow_of_whom_three_do_not_read(host: Rig) -> None:
    """The others miss nothing; the three are told so when they begin to read; and it costs little memory."""
    assert host.daemon is not None
    before = memory_mib(host.daemon.pid, "VmRSS")
    followers = load(host, "readers", READING, STANDING, EVENTS)
    assert followers.stdout is not None
    assert followers.stdout.readline() == "ready\n"
    sent_at, _ = load(host, "emit", EVENTS, RATE).communicate()
    found = json.loads(followers.communicate(sent_at)[0])
    assert (found["missed"], found["ends"]) == (0, 1)
    assert found["faults"] == ["failed.lagged"] * STANDING
    assert memory_mib(host.daemon.pid, "VmHWM") - before < EXTRA_MIB


def test_one_that_was_cut_off_goes_on_where_it_was_on_the_same_connection(host: Rig) -> None:
    with closing(host.client()) as slow, closing(host.client()) as busy:
        stream = slow.stream_plain("event.follow", {"after": 0})
        seen = [next(stream)["seq"]]
        happen(busy, EVENTS)
        with pytest.raises(Lagged) as told:
            seen.extend(event["seq"] for event in stream)
        assert seen == list(range(1, told.value.data["seen"] + 1))
        again = slow.stream_plain("event.follow", {"after": told.value.data["seen"]})
        assert [next(again)["seq"] for _ in range(EVENTS + 1 - len(seen))] == list(range(len(seen) + 1, EVENTS + 2))


def test_the_daemon_asks_for_the_descriptors_that_many_clients_need(host: Rig) -> None:
    assert host.daemon is not None
    host.stop()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        daemon = host.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)[0] > 512
