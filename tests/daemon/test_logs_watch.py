"""The output of many VMs as one stream, through a real daemon."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks._daemons import PLUGIN, start_fake
from tests.rig import Rig, rig
from volant.proto.api.vm_logs import LOGS_WATCH, WatchLogs
from volant.proto.errors import InvalidParams

MANY = 70
"""More VMs than a client would follow one by one."""


@pytest.fixture(scope="module")
def host() -> Iterator[Rig]:
    with rig(hypervisor="fake", network="none") as made:
        _, client = start_fake(made)
        with closing(client):
            for number in range(MANY):
                client.call_plain("vm.create", {"name": f"web-{number}", "plugin": PLUGIN})
        yield made


def test_all_vms_are_heard_on_one_stream_and_those_that_come_later_too(host: Rig) -> None:
    heard: dict[str, list[str]] = {}
    with closing(host.client()) as client, closing(host.client()) as other, client.stream(LOGS_WATCH, WatchLogs()) as stream:
        for item in stream:
            heard.setdefault(item.name, []).extend(line.text for line in item.lines)
            if len(heard) == MANY and "later" not in heard:
                other.call_plain("vm.create", {"name": "later", "plugin": PLUGIN})
                heard["later"] = []
            if heard.get("later"):
                break
    assert set(heard) == {"later", *(f"web-{number}" for number in range(MANY))}
    assert all(texts == ["workload started"] for texts in heard.values())


def test_what_was_said_so_far_ends_by_itself(host: Rig) -> None:
    with closing(host.client()) as client, client.stream(LOGS_WATCH, WatchLogs(filter="name:web-1*", follow=False)) as stream:
        said = {item.name: [line.text for line in item.lines] for item in stream}
    assert said == {name: ["workload started"] for name in ("web-1", *(f"web-1{number}" for number in range(10)))}


def test_who_is_meant_is_said_by_a_filter_and_after_a_break_it_goes_on(host: Rig) -> None:
    with closing(host.client()) as client:
        with client.stream(LOGS_WATCH, WatchLogs(filter="name:web-7")) as stream:
            item = next(iter(stream))
        assert (item.name, item.boot, item.lines[0].seq, item.ended) == ("web-7", 1, 1, "")
        known = {item.id: (1, item.lines[-1].seq)}
        with client.stream(LOGS_WATCH, WatchLogs(filter="name:web-7", after=known)) as stream:
            client.call_plain("vm.stop", {"name": "web-7"})
            end = next(each for each in stream if each.ended)
        assert (end.lines, end.ended) == ((), "VM 'web-7' is stopped")
        with pytest.raises(InvalidParams), client.stream(LOGS_WATCH, WatchLogs(filter="colour:red")) as stream:
            next(iter(stream))
