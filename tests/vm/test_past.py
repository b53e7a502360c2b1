"""The ledger, a config's change and `explain` with real guests on real taps, over a killed daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.netns import new_netns
from tests.rig import Rig, rig
from volant.client.cli.human import epoch
from volant.proto.messages import ItemReceived

pytestmark = [pytest.mark.vm, pytest.mark.root]


@pytest.fixture(scope="module")
def host(media: Path) -> Iterator[Rig]:
    """A daemon with the example on a read-only root, so that a VM has two disks."""
    with new_netns() as namespace, rig(netns=namespace) as made:
        made.start()
        made.volant("plugin", "install", str(media / "plugin-squashfs.json"))
        yield made


def standings(host: Rig) -> dict[str, list[str]]:
    """How often each kind of object occurs in the ledger, all of which have to be as the host has them."""
    found: dict[str, list[str]] = {}
    for item in json.loads(host.volant("ledger", "--check", "-o", "json").stdout)["items"]:
        found.setdefault(item["kind"], []).append(item["standing"])
    return found


def console_times(host: Rig, name: str) -> list[tuple[int, int]]:
    """By when everything before which byte of its console had been printed, in milliseconds since 1970."""
    asked = {"name": name, "from_offset": 0, "times": True, "follow": False}
    with closing(host.client()) as client, client.bytes_call("vm.console", asked) as call:
        place = next(message.item for message in call if isinstance(message, ItemReceived))
    return [(offset, at_ms) for offset, at_ms in place["times"]]


def test_ledger_config_and_timeline_follow_a_real_guest(host: Rig) -> None:
    plugin = host.json("plugin", "list")["items"][0]["name"]
    host.volant("vm", "create", "web", "--plugin", plugin, "--memory", "256", "--wait")
    running = {"process": 1, "tap": 1, "firewall": 1, "folder": 2, "disk": 2, "socket": 2, "lease": 1}
    assert {kind: len(found) for kind, found in standings(host).items()} == running

    host.volant("vm", "set", "web", "--memory", "320", "-q")
    host.kill()
    host.start()
    host.volant("vm", "wait", "web", "--for", "ready")
    assert {kind: len(found) for kind, found in standings(host).items()} == running
    assert host.json("vm", "get", "web")["pending_changes"] == ["memory_mb"]

    host.volant("vm", "restart", "web", "--wait")
    kilobytes = int(host.volant("exec", "web", "--", "awk", "/MemTotal/ {print $2}", "/proc/meminfo").stdout)
    assert 256 * 1024 < kilobytes < 320 * 1024

    starts = [event for event in host.json("events", "--vm", "web")["items"] if event["kind"] == "VM_STARTING"]
    began, place = epoch(starts[-1]["time"]), starts[-1]["data"]["console"]
    assert began is not None
    times = console_times(host, "web")
    before, after = ([at_ms / 1000 for offset, at_ms in times if (offset > place) is later] for later in (False, True))
    assert before and max(before) <= began, "the first boot's console was noted, over the daemon's death"
    assert after and min(after) >= began

    items = host.json("explain", "vm", "web")["items"]
    sources = {item["source"] for item in items}
    assert {"request", "config", "state", "agent", "console"} <= sources
    assert any("since the kernel began" in item["text"] for item in items if item["source"] == "agent")
    assert any(item["text"].startswith("kestrel: ") for item in items if item["source"] == "console")

    host.volant("vm", "stop", "web")
    assert {kind: len(found) for kind, found in standings(host).items()} == {"folder": 1, "disk": 2, "lease": 1}
    host.volant("vm", "delete", "web")
    assert standings(host) == {}
